"""Groups of images that are not independent: patterns, files, and the datasets of the catalog."""

from __future__ import annotations

import pytest

from pipeline_src.data import groups
from pipeline_src.errors import UserError


def test_a_pattern_groups_by_the_text_in_its_brackets():
    ids = ["street/b_01", "street/a_01", "b_02", "street/a_02", "street/c_01"]
    assert groups.find("^([^_]+)_", None) is None
    assert groups.numbers_of_samples(ids, "^([^_]+)_").tolist() == [0, 1, 0, 1, 2]
    of_maps = groups.names(ids, "^([^_]+)_")  # with their folders
    assert groups.numbered(of_maps).tolist() == [0, 1, 2, 1, 3]
    with pytest.raises(UserError, match=r"intro\n\s+- outro"):
        groups.names(["a_1", "intro", "a_2", "outro"], "^(.)_")


def test_a_file_groups_the_images_that_it_names(tmp_path):
    (tmp_path / "splits").mkdir()
    file = tmp_path / "splits" / "clips.csv"
    file.write_text("# clips\nid,group\na,1\n\nb,2\nc, 1 \nelsewhere,7\n \n\n")
    assert groups.find("clips.csv", tmp_path) == file
    ids = ["mine/a", "mine/1", "mine/b", "mine/c", "mine/d"]
    assert groups.numbers_of_samples(ids, "clips.csv", file).tolist() == [0, 1, 2, 0, 3]


def test_a_file_that_names_maps_without_their_folders_is_refused(tmp_path):
    (file := tmp_path / "clips.csv").write_text("id,group\n0001,1\n")
    with pytest.raises(UserError, match="a/0001"):
        groups.names(["a/0001"], "clips.csv", file)
    assert groups.names(["0001", "a/0001"], "clips.csv", file) == ["1", ("a/0001",)]  # the second is not named


WRONG = ["a,1\nb,2\n", "id,group\na\n", "id,group\na,\n", "id,group\n", "", "id,group\nz,1\n", "id,group\na,1\na,2\n"]


@pytest.mark.parametrize("text", [*WRONG, None])
def test_a_wrong_or_missing_file_is_named(tmp_path, text):
    if text is not None:
        (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(UserError, match=r"clips\.csv"):
        groups.names(["a", "b"], "clips.csv", groups.find("clips.csv", tmp_path))


def test_groups_that_two_parts_share_are_named_unless_both_are_tests():
    alone = ("x",)  # an image that belongs to no other, by the same name in two parts
    parts = {"train": ["a", "b", alone], "val": ["c", "b", "d"], "test": ["d", alone, "e"], "more": ["e", "c"]}
    lines = [(line.split(" share ")[0], line.rpartition(": ")[2]) for line in groups.crossings(parts)]
    assert lines == [("train and val", "b"), ("val and test", "d"), ("val and more", "c")]
