"""The export of a run as a self-contained folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from pipeline_src import outputs
from pipeline_src.calibrators.calibrator import read_for
from pipeline_src.errors import UserError
from pipeline_src.export import folder, members, onnx_file, runs
from pipeline_src.export.card import card_text
from pipeline_src.export.model import ExportedModel, averaged
from pipeline_src.export.runs import FinishedRun
from pipeline_src.pipeline import networks
from pipeline_src.prediction.predict import Predictor
from pipeline_src.training import callbacks
from pipeline_src.training.models.build import normalization

TOLERANCE = 1e-5  # of probabilities, between the folder and the run


def export(name: str, out: Path, calibrator: Path | None = None, onnx: bool = True) -> Path:
    """Write the run `name` into the folder `out`, whose earlier export it replaces at the end; returns it.

    Args:
        calibrator: a calibrator.json, fitted to maps of the run, that the folder applies.
        onnx: whether to write model.onnx.

    Raises:
        UserError: the run does not exist, its method cannot be exported, or a library is missing; nothing is written
            then.
    """
    folder.check(out)
    if onnx:
        onnx_file.check_installed()
    run = runs.find(name)
    predictor = run.predictor()
    for network in predictor.networks:
        network.cpu().amp = "off"
    experiment, facts = run.experiment.settings, run.experiment.facts
    record = members.calibrator_of(predictor, run.method)
    if calibrator:
        fix = "fit one to maps of this run: dense-calibration predict, then dense-calibration calibrate"
        _, fitted = read_for(calibrator, facts.classes, run.name, fix, record["calibrator"] if record else "")
        record = fitted.model_dump(mode="json")
    model = ExportedModel(members.Members(predictor).eval(), experiment.image_size, record)
    program, single = folder.traced(model)
    mean, std = normalization(experiment.model.network)
    settings = folder.Preprocessing(
        image_size=experiment.image_size,
        mean=list(mean),
        std=list(std),
        classes=facts.classes,
        class_names=list(facts.class_names),
        single=single,
    )
    seeds = [job.parameters["seed"] for job in run.training_jobs]
    texts = {
        folder.CARD: card_text(run, settings, record, seeds, onnx, calibrator is not None),
        folder.CONFIG: yaml.safe_dump(describe(run, seeds), sort_keys=False),
    }
    with outputs.staged(out, folder.SUMS, folder.FILES) as new:
        _check(folder.write(new, model, program, settings, texts, onnx), model, predictor)
    return out


def describe(run: FinishedRun, seeds: list[int]) -> dict[str, Any]:
    """The content of config.yaml."""
    facts, block = networks.facts(run.training_jobs[0]), run.experiment.methods[run.method].method
    return {
        "run": run.name,
        "method": {"block": run.method, "class": type(block).__name__, "parameters": block.model_dump(mode="json")},
        "seeds": seeds,
        "network": {key: facts[key] for key in ("network", "model", "classes", "normalization") if key in facts},
        "fingerprints": [job.fingerprint for job in run.jobs],
        "experiment": run.experiment.settings.model_dump(mode="json"),
    }


def _check(exported: folder.Exported, model: ExportedModel, predictor: Predictor) -> None:
    """UserError if the folder's model gives other probabilities than the run's networks, on images of their size."""
    generator, size = torch.Generator().manual_seed(0), model.size
    x = torch.randint(0, 256, (3, 3, size, size), dtype=torch.uint8, generator=generator)
    with torch.inference_mode():
        logits = callbacks.logits(predictor.method, predictor.networks, x, ["0", "1", "2"], predictor.seed)
        resized = [torch.nn.functional.interpolate(z.float(), size, mode="bilinear") for z in logits]
        expected = model.calibrated(averaged(resized))
        actual = torch.cat([exported.model(image[None]) for image in x])
    if (difference := float((actual - expected).abs().max())) > TOLERANCE:
        raise UserError(
            "the exported network differs from the run's",
            found=f"probabilities that differ by {difference:.2g}",
            expected=f"at most {TOLERANCE:g}",
            fix="predict with the run itself: dense-calibration predict --run RUN",
        )
