"""The export of a run as a self-contained folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pipeline_src import outputs
from pipeline_src.deployment import runs
from pipeline_src.deployment.runs import FinishedRun
from pipeline_src.errors import UserError
from pipeline_src.pipeline import job_names, networks
from pipeline_src.pipeline.runner import check_results
from pipeline_src.text_tables import UNDEFINED

if TYPE_CHECKING:
    from pipeline_src.analysis.measurement import Measurement
    from pipeline_src.export.card import Card
    from pipeline_src.export.folder import Exported, Preprocessing
    from pipeline_src.export.model import ExportedModel
    from pipeline_src.pipeline.job import Job
    from pipeline_src.prediction.predict import Predictor

log = logging.getLogger(__name__)
TOLERANCE = 1e-5  # of probabilities, between the folder and the run


@outputs.exclusive
def export(name: str, out: Path, calibrator: Path | None = None, onnx: bool = True) -> Path:
    """Write the run `name` into the folder `out`, whose earlier export it replaces at the end; returns it.

    Args:
        calibrator: a calibrator.json, fitted to maps of the run, that the folder is to have.
        onnx: whether it has a model.onnx.

    Raises:
        UserError: the run is not there, its method cannot leave this program, or a library is missing; nothing is
            written then.
    """
    from pipeline_src.export import folder as exported
    from pipeline_src.export import members, onnx_file
    from pipeline_src.export.model import ExportedModel

    exported.check(out)
    if onnx:
        onnx_file.check_installed()
    run = runs.find(name)
    predictor = run.predictor()
    for network in predictor.networks:
        network.cpu().amp = "off"
    record = _calibrator(members.calibrator_of(predictor, run.method), calibrator, run)
    size, classes = run.experiment.settings.image_size, run.experiment.facts.classes
    model = ExportedModel(members.Members(predictor).eval(), size, record)
    program, single = exported.traced(model)
    facts = _facts(run)
    settings = exported.Preprocessing(
        image_size=size,
        mean=facts["normalisation"][0],
        std=facts["normalisation"][1],
        classes=classes,
        class_names=list(run.experiment.facts.class_names),
        single=single,
    )
    card = _card(run, settings, record, _seeds(run), onnx, calibrator)
    texts = {exported.CARD: card.text(), exported.CONFIG: yaml.safe_dump(_config(run, facts), sort_keys=False)}
    with outputs.staged(out, exported.SUMS, exported.FILES) as new:
        _check(exported.write(new, model, program, settings, texts, onnx), model, predictor)
    return out


def _calibrator(fitted: dict[str, Any] | None, file: Path | None, run: FinishedRun) -> dict[str, Any] | None:
    from pipeline_src.calibrators.files import read_for

    if file is None:
        return fitted
    by = fitted["calibrator"] if fitted else ""
    fix = "fit one to maps of this run: dense-calibration predict, then dense-calibration calibrate"
    _, record = read_for(file, run.experiment.facts.classes, run.name, fix, by)
    return record.model_dump(mode="json")


def _check(exported: Exported, model: ExportedModel, predictor: Predictor) -> None:
    """UserError where the folder's model gives other probabilities than the run's networks, on images of their size."""
    import torch

    from pipeline_src.export.model import averaged
    from pipeline_src.training import callbacks

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


def _facts(run: FinishedRun) -> dict[str, Any]:
    """What the folder is, for the metadata of its weights and config.yaml."""
    facts, seeds = networks.facts(_network_jobs(run)[0]), _seeds(run)
    if len(seeds) > 1:
        del facts["seed"]
        facts["seeds"] = seeds
    return {**facts, "run": run.name, "contract": ", ".join(job.fingerprint for job in run.made_of)}


def _network_jobs(run: FinishedRun) -> list[Job]:
    return [job for job in run.made_of if job.kind == "train" and "model.safetensors" in job.files]


def _seeds(run: FinishedRun) -> list[int]:
    """Of its networks, one for each."""
    return [job.parameters["seed"] for job in _network_jobs(run)]


def _config(run: FinishedRun, facts: dict[str, Any]) -> dict[str, Any]:
    block = run.experiment.methods[run.method].method
    return {
        "run": run.name,
        "method": {"block": run.method, "class": type(block).__name__, "parameters": block.model_dump(mode="json")},
        **{key: facts[key] for key in ("seed", "seeds") if key in facts},
        "network": {key: facts[key] for key in ("network", "model", "classes", "normalisation") if key in facts},
        "contract": facts["contract"],
        "experiment": run.experiment.settings.model_dump(mode="json"),
    }


def _card(
    run: FinishedRun,
    settings: Preprocessing,
    record: dict[str, Any] | None,
    seeds: Sequence[int],
    onnx: bool,
    calibrator: Path | None,
) -> Card:
    from pipeline_src.export.card import Card
    from pipeline_src.training.models.config import is_factory
    from pipeline_src.training.posthoc import PostHoc

    graph, experiment = run.experiment, run.experiment.settings
    block = graph.methods[run.method].method
    members = len(seeds)
    of_seeds = f"seed{'s' * (members > 1)} {', '.join(map(str, seeds))}"
    trained = block.of if isinstance(block, PostHoc) else run.method
    validation = str(graph.parts_as_written["val"][0])
    training = {
        "network": experiment.model.network + (f", {members} networks" if members > 1 else ""),
        "method": f"`{trained}`, {of_seeds}{_source(run, trained)}",
        **({} if trained == run.method else {"after training": f"`{run.method}`{_source(run, run.method)}"}),
        "training images": str(graph.parts_as_written["train"][0]),
        "validation images": validation,
        "epochs": str(experiment.training.epochs),
        "batch size, learning rate": f"{experiment.training.batch_size}, {experiment.training.lr:g}",
    }
    return Card(
        run=run.name,
        summary=("A network" if members == 1 else f"{members} networks, whose probabilities are averaged,")
        + f" for dense (per-pixel) classification: {experiment.model.network}, trained on "
        f"{graph.parts_as_written['train'][0]}, with the method `{trained}`"
        + ("." if trained == run.method else f", and the post-hoc method `{run.method}`, which trains nothing."),
        settings=settings,
        calibrator=record,
        fitted_to="" if calibrator else validation,
        training=training,
        measured={} if calibrator else _measured(run),
        limits=_limits(run, bool(calibrator), members),
        data=_data(run),
        members=members,
        bins=graph.facts.bins,
        onnx=onnx,
        pretrained=None if is_factory(experiment.model.network) else experiment.model.pretrained,
    )


def _source(run: FinishedRun, method: str) -> str:
    """ ": " and where the method comes from; empty for what has no source, such as a baseline."""
    from pipeline_src.training.described import docstring_lines

    source = docstring_lines(type(run.experiment.methods[method].method)).get("Source", "a method of its own")
    return "" if source == UNDEFINED else f": {source}"


def _measured(run: FinishedRun) -> dict[str, tuple[str, Measurement]]:
    """The numbers of the run on the test sets whose analysis is current."""
    from pipeline_src.analysis.results import Results
    from pipeline_src.export.card import of_seed

    graph = run.experiment
    current = {part: job for part in graph.facts.tests if (job := graph.job(job_names.analysis(part))).is_made}
    check_results(current.values(), "the card", graph.command)
    facts = replace(graph.facts, parts={part: graph.facts.parts[part] for part in current})
    results = Results(facts, {part: job.paths[0] for part, job in current.items()})
    return {
        part: (graph.facts.parts[part], of_seed(measured, run.seed))
        for part in current
        if (measured := results.measurement("raw", run.method, part))
    }


def _limits(run: FinishedRun, calibrated: bool, members: int) -> list[str]:
    settings, facts = run.experiment.settings, run.experiment.facts
    runs_text = "one training run" if members == 1 else f"one set of {members} training runs"
    seeds_text = "another seed gives" if members == 1 else "other seeds give"
    texts = [
        f"It was trained on images of {settings.image_size} x {settings.image_size} pixels; of larger ones it sees no "
        "finer detail.",
        "Calibration holds for images like those that it was measured on. Under shift, and on images without any "
        "object, confidence can be wrong by more."
        + " What was measured on corrupted images is not in this card."
        * bool(facts.corrupted),
        "Calibration is of all pixels of a set together; in a single image or region it can be off.",
        f"It is {runs_text}: {seeds_text} other numbers. Nothing here speaks of fitness for a purpose.",
    ]
    if facts.synthetic:
        texts.insert(0, "It was trained on synthetic images, to test the program: it is of no use for real images.")
    if calibrated:
        texts.append(
            "Its calibrator was fitted elsewhere, and no numbers of network and calibrator together are known."
        )
    if settings.training.amp != "off":
        texts.append(f"It was trained and measured in mixed precision ({settings.training.amp}), and is float32 here.")
    return texts


def _data(run: FinishedRun) -> list[dict[str, str]]:
    """Each data set of the run with what it was used for, and its terms."""
    graph, uses = run.experiment, dict[str, list[str]]()
    for part, (source, role) in graph.stored_parts.items():
        uses.setdefault(source.set, []).append({"train": "training", "val": "validation"}.get(role, f"test ({part})"))
    return [
        {"name": name, "use": ", ".join(purposes), "terms": graph.entries[name].terms or "not stated in params.yaml"}
        for name, purposes in uses.items()
    ]
