"""Which images are shown, and their maps on disk."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline_src.errors import UserError
from pipeline_src.prediction import examples


def test_the_choice_is_that_of_the_ids_alone():
    ids = [f"set/{i:03}" for i in range(100)]
    chosen = examples.example_ids(ids)
    assert len(set(chosen)) == examples.NUMBER
    assert chosen == examples.example_ids(reversed(ids))
    assert chosen != sorted(chosen), "the first of the alphabet are no sample"
    assert sorted(examples.example_ids(ids[:2])) == ids[:2], "a set of two shows both"


def test_maps_come_back_to_8_bits(tmp_path):
    rng = np.random.default_rng(0)
    maps = {"b/2": rng.random((7, 5), np.float32), "a/1": rng.random((3, 4, 6), np.float32)}
    for name in ("one.npz", "two.npz"):
        examples.write(tmp_path / name, maps)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    maps_read = examples.read(tmp_path / "one.npz")
    assert list(maps_read) == ["b/2", "a/1"]
    for name, of in maps.items():
        assert maps_read[name].dtype == np.float32
        assert np.abs(maps_read[name] - of).max() <= 1 / 510 + 1e-6
    exact = {"c/3": np.float32([[0, 1, 51 / 255]])}
    examples.write(tmp_path / "exact.npz", exact)
    assert examples.read(tmp_path / "exact.npz")["c/3"].tolist() == exact["c/3"].tolist()


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(UserError, match=r"x\.npz"):
        examples.read(tmp_path / "x.npz")
