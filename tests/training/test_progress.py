"""The first line of a training, and trackers of mmengine, which change no bit of it."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from training_runs import outputs, run

from pipeline_src.errors import UserError


def test_the_first_line_names_device_rate_and_end(stores, tmp_path, caplog):
    with caplog.at_level("INFO", "pipeline_src"):
        run(stores, tmp_path, "baseline", {}, epochs=9)  # 27 steps
    first, *others = [record.getMessage() for record in caplog.records]
    assert re.search(r"cpu.* [\d.]+ images.* \d{4}-\d\d-\d\d \d\d:\d\d$", first)
    assert len(others) == 9 and not any("cpu" in line for line in others)
    caplog.clear()
    with caplog.at_level("INFO", "pipeline_src"):
        run(stores, tmp_path / "short", "baseline", {}, epochs=1)
    assert ["cpu" in record.getMessage() for record in caplog.records] == [True, False]


def test_trackers_get_each_epoch_and_change_no_bit(stores, tmp_path):
    plain = run(stores, tmp_path / "plain")
    tracked = run(stores, tmp_path / "tracked", trackers=["LocalVisBackend"])
    assert outputs(tracked) == outputs(plain)
    lines = (tmp_path / "tracked/work/scalars.json").read_text().splitlines()
    steps = [json.loads(line) for line in lines]
    history = pd.read_csv(tracked / "history.csv")
    alphas = pd.read_csv(tracked / "alpha.csv", index_col="id")
    assert [step["step"] for step in steps] == history["epoch"].tolist()
    for name in ("lr", "loss", "val_accuracy", "val_ece", "mean_alpha"):
        assert [step[name] for step in steps] == pytest.approx(history[name].tolist())
    assert [step["min_alpha"] for step in steps] == pytest.approx(alphas.min().tolist())
    assert [step["max_alpha"] for step in steps] == pytest.approx(alphas.max().tolist())


def test_tensorboard_reads_what_its_backend_wrote(stores, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = run(stores, tmp_path, "baseline", {}, trackers=["TensorboardVisBackend"])
    events = EventAccumulator(str(tmp_path / "work")).Reload()
    losses = [event.value for event in events.Scalars("loss")]
    assert losses == pytest.approx(pd.read_csv(folder / "history.csv")["loss"].tolist())
    assert "mean_alpha" not in events.Tags()["scalars"]  # the baseline has none


@pytest.mark.parametrize(
    ("tracker", "shows"),
    [
        ("TensorBoardVisBackend", "TensorboardVisBackend"),
        ({"type": "LocalVisBackend", "color": "red"}, "color"),
    ],
)
def test_a_tracker_that_cannot_start_is_named(stores, tmp_path, tracker, shows):
    with pytest.raises(UserError, match=shows):
        run(stores, tmp_path, trackers=[tracker])
