"""Training curves that are sent to mmengine's visualisation backends."""

from __future__ import annotations

import json
import logging

import pandas as pd
import pytest
from training_runs import experiment

from pipeline_src.data.store import Store
from pipeline_src.errors import UserError
from pipeline_src.training.loop import train
from pipeline_src.training.registry import choose
from pipeline_src.training.trackers import trackers

NAMES = {"experiment": "tiny", "method": "slp", "seed": 3}
ROWS = [
    {"epoch": 1, "loss": 0.5, "mean_alpha": float("nan")},
    {"epoch": 2, "loss": 0.25, "mean_alpha": float("nan")},
]


def local(folder):
    lines = (folder / "vis_data/scalars.json").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_each_row_is_sent_once_without_what_is_not_a_number(tmp_path):
    with trackers([{"type": "LocalVisBackend"}], tmp_path / "vis_data", NAMES) as tracking:
        for row in ROWS:
            tracking.add(row)
    assert local(tmp_path) == [{"loss": 0.5, "step": 1}, {"loss": 0.25, "step": 2}]


def test_names_in_arguments_are_filled_in(tmp_path):
    folder = str(tmp_path / "{experiment}-{method}-{seed}/vis_data")
    with trackers([{"type": "LocalVisBackend", "save_dir": folder}], tmp_path / "not used", NAMES) as tracking:
        tracking.add(ROWS[0])
    assert local(tmp_path / "tiny-slp-3") and not (tmp_path / "not used").exists()


def test_tensorboard_reads_the_curves(tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with trackers([{"type": "TensorboardVisBackend"}], tmp_path, NAMES) as tracking:
        for row in ROWS:
            tracking.add(row)
    events = reader.EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]


def test_a_backend_that_fails_stops_no_training(tmp_path, caplog, monkeypatch):
    from mmengine.visualization import LocalVisBackend

    def down(*_, **__):
        raise ConnectionError("no route to the server")

    monkeypatch.setattr(LocalVisBackend, "add_scalars", down)
    with (
        caplog.at_level(logging.WARNING),
        trackers([{"type": "LocalVisBackend"}], tmp_path, NAMES) as tracking,
    ):
        for row in ROWS:
            tracking.add(row)
    assert caplog.text.count("no route to the server") == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"type": "Tensorboard"}, ["'Tensorboard'", "TensorboardVisBackend", "WandbVisBackend"]),
        ({"type": "LocalVisBackend", "colour": 1}, ["LocalVisBackend can't be opened", "colour"]),
    ],
)
def test_what_can_not_be_opened_is_told_before_training(tmp_path, settings, words):
    with pytest.raises(UserError) as raised, trackers([settings], tmp_path, NAMES):
        pytest.fail("it was opened")
    assert all(word in str(raised.value) for word in words)


def test_a_training_tells_its_rows_as_they_come(stores, tmp_path):
    told = []
    opened = [Store(stores[part]) for part in ("train", "val")]
    method = choose("baseline", {}).method
    run = train(*opened, experiment(), method, 0, tmp_path / "work", "run", follow=told.append)
    run.write(tmp_path / "out")
    pd.testing.assert_frame_equal(pd.DataFrame(told), pd.read_csv(tmp_path / "out/history.csv"))
