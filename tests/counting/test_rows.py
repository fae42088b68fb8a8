"""Rows in memory and on disk are the same rows, and files written from them are those that numpy writes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from made_statistics import images

from pipeline_src.analysis import resampling
from pipeline_src.counting import rows
from pipeline_src.counting.map_counts import MapCounts
from pipeline_src.counting.rows import Rows, rows_of


@pytest.fixture(params=["memory", "disk"])
def place(request, monkeypatch):
    monkeypatch.setattr(rows, "IN_MEMORY", 1 << 22 if request.param == "memory" else 1)


def test_rows_are_those_of_an_array(place):
    array = np.random.default_rng(0).integers(0, 99, (600, 3, 2)).astype(np.uint32)
    found = Rows((3, 2), np.uint32)
    found.append(array[:1]), found.append(array[1:500].astype(float)), found.append(array[500:])
    assert len(found) == 600 and np.array_equal(found[:], array)
    assert np.array_equal(found[590:700], array[590:]) and found[600:].shape == (0, 3, 2)
    order = np.random.default_rng(1).permutation(600)
    assert np.array_equal(found.take(order[:7]), array[order[:7]])
    assert found.ordered(order) == rows_of(array[order]) != found
    assert np.array_equal((found + found)[:], np.concatenate([array, array]))
    assert copy.deepcopy(found) == found == pickle.loads(pickle.dumps(found))
    flat = rows_of(array.reshape(600, 6))
    assert np.array_equal(flat.columns(slice(2, 5)), array.reshape(600, 6)[:, 2:5])
    assert np.array_equal(flat.column(4), array.reshape(600, 6)[:, 4])
    assert flat != found and Rows((2,), int) != Rows((3,), int)


def test_a_statistic_is_the_same_on_disk(monkeypatch, tmp_path):
    of = {}
    for size in (1 << 22, 1):
        monkeypatch.setattr(rows, "IN_MEMORY", size)
        resampling._times.cache_clear()
        statistic = MapCounts.empty()
        for image in reversed(list(images(9))):
            statistic.add(*image)
        statistic.save(tmp_path / f"{size}.npz", {})
        of[size] = statistic, resampling.resample(statistic, 10, key=0, resamples=20)["raw"].intervals()
        assert MapCounts.load(tmp_path / f"{size}.npz")[0] == statistic
    assert of[1] == of[1 << 22]
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / f"{1 << 22}.npz").read_bytes()
