"""Images that are not independent: patterns, files, and the sets of the catalog."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline_src.data import catalog, groups
from pipeline_src.data.lookup import read_name_list
from pipeline_src.errors import UserError


def test_a_pattern_groups_by_what_is_in_its_brackets():
    ids = ["street/b_01", "street/a_01", "b_02", "street/a_02", "street/c_01"]
    assert groups.find("^([^_]+)_", None) is None
    assert groups.number(ids, "^([^_]+)_").tolist() == [0, 1, 0, 1, 2]


def test_a_pattern_that_leaves_images_out_is_refused_with_their_names():
    with pytest.raises(UserError, match=r"found:\s+- intro\n\s+- outro"):
        groups.number(["a_1", "intro", "a_2", "outro"], "^(.)_")


def test_a_file_groups_the_images_that_it_names(tmp_path):
    (tmp_path / "splits").mkdir()
    file = tmp_path / "splits" / "clips.csv"
    file.write_text("# clips\nid,group\na,1\nb,2\nc,1\nelsewhere,7\n")
    assert groups.find("clips.csv", tmp_path) == file
    assert groups.number(["mine/a", "mine/1", "mine/b", "mine/c", "mine/d"], "clips.csv", file).tolist() == [
        0,
        1,
        2,
        0,
        3,
    ]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a,1\nb,2\n", "another form"),
        ("id,group\na\n", "another form"),
        ("id,group\na,\n", "another form"),
        ("id,group\n", "no row"),
        ("", "another form"),
        ("id,group\na,1\na,2\n", r"two groups\n.*\n +- a"),
        ("id,group\nz,1\n", "names none of the images"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, text, message):
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        groups.number(["a", "b"], "clips.csv", groups.find("clips.csv", tmp_path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"file of groups clips\.csv is missing"):
        groups.find("clips.csv", tmp_path)


@pytest.mark.parametrize(
    "name, split, number",
    [("CamVid", "train", 3), ("CamVid", "val", 1), ("CamVid-road", "test", 2), ("CVC-ClinicDB", "test", 29)],
)
def test_the_videos_of_the_catalog_are_told_apart(downloads, name, split, number):
    entry = catalog.load()[name]
    stems = read_name_list(downloads / "splits" / f"{name.removesuffix('-road')}-{split}.txt")
    assert len(np.unique(groups.number(stems, entry.groups, groups.find(entry.groups, downloads)))) == number


def test_the_groups_of_smoke_join_frames_of_a_fire(downloads):
    entry = catalog.load()["SMOKE5K"]
    stems = read_name_list(downloads / "splits" / "SMOKE5K-test.txt")
    of = dict(zip(stems, groups.number(stems, entry.groups, groups.find(entry.groups, downloads)), strict=True))
    assert of["1498417233_+00840"] == of["1498417653_+01260"] != of["1512674524_+00540"]  # seconds since it began
    assert 10 < len(set(of.values())) < len(stems)


def test_groups_that_two_parts_share_are_told_unless_both_are_tests():
    alone = ("x",)  # an image that belongs to no other, by the same name in two parts
    parts = {"train": ["a", "b", alone], "val": ["c", "b", "d"], "test": ["d", alone, "e"], "more": ["e", "c"]}
    words = "of images that are not independent"
    assert groups.crossings(parts) == [
        f"train and val share 1 group {words}: b",
        f"val and test share 1 group {words}: d",
        f"val and more share 1 group {words}: c",
    ]
    many = [f"g{i}" for i in range(7)]
    assert groups.crossings({"id": many, "val": many[::-1]}) == [
        f"id and val share 7 groups {words}: g0, g1, g2, g3, g4, ..."
    ]
