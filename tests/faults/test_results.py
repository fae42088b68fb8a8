"""Results that are altered, damaged or lost, and jobs that would read them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bad_input import BadInput, refusals
from damaged import written_into

from pipeline_src.engine.adopt import adopt
from pipeline_src.engine.execute import execute, forget
from pipeline_src.engine.graph import Graph
from pipeline_src.engine.job import Job
from pipeline_src.files import write_text

MODEL, STAMPS = Path("results/mine/runs/model.safetensors"), Path("results/mine/runs")
SHA = r"^sha256 [0-9a-f]{64}$"
AGAIN = r"snakemake --cores all"
CURRENT = "results of today's parameters, data and code, as they were made"


def work(job: Job, folder: Path) -> None:
    for name in job.files[: job.options.get("files")]:
        (folder / name).write_text(f"{name} {job.options.get('text', '')}")


def graph(seed: int = 0, **options) -> Graph:
    """A training, and an evaluation of it with `options`."""
    of = Graph("mine")
    of.add(
        [Job("train", "train", MODEL.parent, "train", (MODEL.name, "history.csv"), work, {"seed": seed}, {}, options)]
    )
    place = Path("results/mine/statistics")
    of.add(
        [Job("evaluate", "evaluate", place, "val", ("val.npz",), work, {}, {"networks/0": of.job("train")}, options)]
    )
    return of


def folder_for(file: Path) -> None:
    """A folder with a file in it in the place of a file."""
    file.unlink(missing_ok=True)
    file.mkdir()
    (file / "mine.txt").write_text("mine")


def trained(_: Path) -> None:
    execute(graph().job("train"))


def evaluate(_: Path) -> None:
    execute(graph().job("evaluate"))


def after(fault) -> object:
    """A training is made, and then spoilt."""

    def make(folder: Path) -> None:
        trained(folder)
        fault()

    return make


def without_records() -> None:
    written_into(MODEL)
    shutil.rmtree(".snakemake")


def cut_off_stamp() -> None:
    stamp = graph().job("train").stamp
    stamp.write_bytes(stamp.read_bytes()[: stamp.stat().st_size // 2])


def other_content() -> None:
    """A training and its evaluation, and the training again, with other bits."""
    execute(graph().job("evaluate"))
    forget(graph().job("train"))
    execute(graph(text="other").job("train"))
    statistic = graph().job("evaluate")
    of = Graph("mine")
    of.add([statistic.inputs["networks/0"], statistic])


def renamed_stamp() -> None:
    """That of a result with another parameter, under the name of today's."""
    os.replace(graph().job("train").stamp, graph(seed=1).job("train").stamp)


def report(_: Path) -> None:
    """A job whose input is the evaluation."""
    of = graph()
    execute(
        Job(
            "analyse",
            "analyse",
            Path("results/mine/analysis"),
            "val",
            ("val.npz",),
            work,
            {},
            {"run": of.job("evaluate")},
        )
    )


def refused(
    name: str, fault: str, make, what: str, found: str, expected: str = CURRENT, do: str = AGAIN, call=evaluate
):
    happens = "the job that needs it is refused, and Snakemake makes it again"
    return BadInput(name, fault, call, what, found, expected, do, make, happens)


ALTERED = r"^results/mine/runs/model.safetensors is not what train made, and evaluate needs it$"
ROWS = [
    refused(
        "written-into",
        "bytes of a model are overwritten, its size and mtime kept",
        after(lambda: written_into(MODEL)),
        ALTERED,
        SHA,
        SHA,
    ),
    refused(
        "replaced",
        "a file of another run lies in the place of a model",
        after(lambda: write_text(MODEL, "another")),
        ALTERED,
        SHA,
        SHA,
    ),
    refused("truncated", "a model is cut off", after(lambda: os.truncate(MODEL, 3)), ALTERED, SHA, SHA),
    refused("emptied", "a model is empty", after(lambda: write_text(MODEL, "")), ALTERED, SHA, SHA),
    refused("clone", "a model is altered, and no records tell what it was", after(without_records), ALTERED, SHA, SHA),
    refused(
        "two-files",
        "all files of a run are altered",
        after(lambda: [write_text(path, "x") for path in graph().job("train").paths]),
        r"model.safetensors is not what train made, and evaluate needs it \(1 more of its inputs' files",
        SHA,
        SHA,
    ),
    refused(
        "lost",
        "a model is gone",
        after(lambda: MODEL.unlink()),
        "^evaluate: inputs are not current$",
        "train: model.safetensors is missing",
    ),
    refused(
        "lost-folder",
        "a run's folder is gone",
        after(lambda: shutil.rmtree(STAMPS)),
        "^evaluate: inputs are not current$",
        "train: not made yet",
    ),
    refused(
        "empty-stamp",
        "a stamp is empty",
        after(lambda: write_text(graph().job("train").stamp, "")),
        "^evaluate: inputs are not current$",
        rf"train: its stamp {STAMPS}/train\.[0-9a-f]{{16}} cannot be read: damaged",
    ),
    refused(
        "cut-off-stamp",
        "a stamp was cut in half",
        after(cut_off_stamp),
        "^evaluate: inputs are not current$",
        rf"train: its stamp {STAMPS}/train\.[0-9a-f]{{16}} cannot be read: damaged",
    ),
    refused(
        "foreign-stamp",
        "a stamp holds something else",
        after(lambda: write_text(graph().job("train").stamp, "[1, null]")),
        "^evaluate: inputs are not current$",
        rf"train: its stamp {STAMPS}/train\.[0-9a-f]{{16}} cannot be read: damaged",
    ),
    refused(
        "renamed-stamp",
        "the stamp of another result is given the name of today's",
        after(renamed_stamp),
        "^evaluate: inputs are not current$",
        r"train: parameters.seed 0 -> 1",
        call=lambda _: execute(graph(seed=1).job("evaluate")),
    ),
    refused(
        "other-bits",
        "an input was made again and came out otherwise",
        after(other_content),
        "^analyse: inputs are not current$",
        "evaluate: train was made anew and has another content",
        call=report,
    ),
    refused(
        "never-made",
        "an input was never made",
        lambda folder: None,
        "^evaluate: inputs are not current$",
        "train: not made yet",
    ),
    *(
        BadInput(
            f"folder-for-a-{what.split()[-1]}",
            f"a folder lies in the place of {what} of an outdated result",
            lambda _: execute(graph(seed=1).job("train")),
            rf"^results/mine/runs/{name} is a folder, and train has a file of that name$",
            "a folder",
            "a file, or nothing",
            f"move results/mine/runs/{name} away",
            make=after(lambda place=place: folder_for(place())),
            happens="the job is refused before it works, and the former stamp stays",
        )
        for what, name, place in (
            ("a file", "model.safetensors", lambda: MODEL),
            ("a stamp", r"train\.[0-9a-f]{16}", lambda: graph(seed=1).job("train").stamp),
        )
    ),
    BadInput(
        "left-out",
        "a step does not write a file that it should",
        lambda _: execute(graph(files=1).job("train")),
        "^train did not write history.csv$",
        "model.safetensors",
        happens="no result is put in place",
    ),
    BadInput(
        "adopt-altered",
        "an altered result is to be adopted",
        lambda _: adopt(graph(seed=1), ["train"], "why"),
        "^results cannot be adopted$",
        "train: its files are not as they were made",
        "whole results",
        "let Snakemake make them",
        make=after(lambda: written_into(MODEL)),
        happens="nothing is adopted",
    ),
]


test_it_is_refused = refusals(ROWS)
