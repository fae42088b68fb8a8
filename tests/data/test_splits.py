"""Splits: lists, folders, seeded shares, groups, and parts that overlap."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_sets import entry

from pipeline_src.data import manifest
from pipeline_src.data.manifest import Row, check_disjoint
from pipeline_src.data.splits import assign_splits
from pipeline_src.errors import UserError
from pipeline_src.params.schema import Split

DRAWN = {"val": {"of": "all", "fraction": 0.25}, "train": {"of": "all", "without": "val"}}


def assigned(stems: list[str], splits: dict, root: Path = Path(), built_in: bool = False, **more):
    """Stems of each split in its order, problems and notes; `more` are image paths and digests by stem."""
    paths, digests, groups = more.pop("paths", {}), more.pop("digests", {}), more.pop("groups", "")
    mine = entry(images="Image", masks="GT", splits=splits, groups=groups)
    mine = mine.model_copy(update={"built_in": built_in})
    rows = [
        Row(id=f"mine/{s}", stem=s, image=paths.get(s, f"Image/{s}.jpg"), mask="m", sha256_image=digests.get(s, s))
        for s in stems
    ]
    problems, notes = assign_splits(mine, mine.splits, root, root, rows)
    chosen = {
        name: [r.stem for r in sorted((r for r in rows if name in r.splits), key=lambda r: r.splits[name])]
        for name in splits
    }
    return chosen, problems, notes


def test_lists_keep_their_order_and_are_joined(tmp_path):
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits/one.txt").write_bytes(b"\xef\xbb\xbfs3.jpg\r\nImage/s0.png\r\n\r\n# note\r\ns0\r\n")
    (tmp_path / "two.txt").write_text("s1\n")
    chosen, problems, _ = assigned([f"s{i}" for i in range(5)], {"train": ["one.txt", "two.txt"]}, tmp_path)
    assert chosen["train"] == ["s3", "s0", "s1"] and not problems


def test_a_missing_list_is_a_problem_except_for_built_in_sets():
    chosen, (problem,), _ = assigned(["a"], {"train": "trian.txt"})
    assert problem.file == "trian.txt" and chosen["train"] == []
    _, problems, (note,) = assigned(["a"], {"train": "trian.txt"}, built_in=True)
    assert not problems and "trian.txt" in note


def test_folders_have_the_whole_name():
    paths = {"a": "test/img/a.jpg", "b": "val/img/test_1.jpg", "c": "contest/img/c.jpg", "d": "tests/img/d.jpg"}
    chosen, *_ = assigned([*paths], {name: {"folder": name} for name in ("test", "val")}, paths=paths)
    assert chosen == {"test": ["a"], "val": ["b"]}


@given(st.sets(st.text("abcdef", min_size=1), min_size=8, max_size=40), st.integers(0, 5), st.data())
def test_shares_depend_on_names_and_seed_only(stems, seed, data):
    splits = {"val": {"of": "all", "fraction": 0.25, "seed": seed}, "train": {"of": "all", "without": "val"}}
    chosen, *_ = assigned(sorted(stems), splits)
    assert len(chosen["val"]) == round(0.25 * len(stems)) and {*chosen["val"], *chosen["train"]} == stems
    fewer = stems - {data.draw(st.sampled_from(sorted(stems)))}
    val = {*assigned(sorted(fewer), splits)[0]["val"]}
    assert len(val - {*chosen["val"]}) <= 1  # one image less replaces one at most


@given(st.integers(1, 6), st.sampled_from([0.1, 0.25, 0.5]), st.integers(0, 9))
def test_groups_and_identical_images_are_drawn_whole(size, fraction, seed):
    stems = [f"p{i // size}-{i}" for i in range(10 * size)]
    digests = {stems[size]: stems[0]}  # an image of patient 1 is one of patient 0
    splits = {"val": {"of": "all", "fraction": fraction, "seed": seed}, "train": {"of": "all", "without": "val"}}
    chosen, _, notes = assigned(stems, splits, groups="^(p.)-", digests=digests)
    patients = [{stem[:2] for stem in chosen[name]} for name in splits]
    assert not patients[0] & patients[1] and len({"p0", "p1"} & patients[0]) != 1
    assert len(chosen["val"]) == size * len(patients[0]) >= round(fraction * len(stems))
    assert any("val" in note for note in notes) == (len(chosen["val"]) != round(fraction * len(stems)))


def test_groups_that_lists_divide_are_noted(tmp_path):
    (tmp_path / "train.txt").write_text("v1_a\nv2_a\n")
    (tmp_path / "test.txt").write_text("v1_b\nv3_a\n")
    splits = {"train": "train.txt", "test": "test.txt"}
    _, _, notes = assigned(["v1_a", "v1_b", "v2_a", "v3_a"], splits, tmp_path, groups="^(v.)_")
    assert len(notes) == 1 and "v1" in notes[0] and "v2" not in notes[0]


def rows(*names: str) -> list[Row]:
    return [Row(id=name, stem=name, image="", mask="", sha256_image=name[0]) for name in names]


def test_parts_that_overlap_are_refused_and_identical_images_reported():
    for parts in (("train", "val"), ("train", "ecssd"), ("ecssd", "val")):
        with pytest.raises(UserError, match="b1"):
            check_disjoint(dict(zip(parts, (rows("a1", "b1"), rows("b1", "c1")), strict=True)))
    assert check_disjoint({"train": rows("a1"), "x": rows("b1"), "y": rows("b1")}) == {}
    assert check_disjoint({"train": rows("a1", "b1"), "val": rows("b2")}) == {("train", "val"): [("b1", "b2")]}


def test_parts_select_from_the_order_of_a_split(tmp_path):
    samples = [Row(id=f"mine/{i}", stem=str(i), splits={"t": 4 - i}, image="i", mask="m") for i in range(5)]
    manifest.write_rows(tmp_path, samples)
    assert manifest.read_rows(tmp_path) == samples

    def select(**part) -> str:
        return "".join(row.stem for row in manifest.select(Split(set="mine", **part), tmp_path))

    assert (select(), select(split="t"), select(split="t", first=2)) == ("01234", "43210", "43")
    assert (select(split="t", last=2), select(split="t", skip=1, first=2)) == ("10", "32")
    for part in ({"split": "t", "last": 6}, {"split": "u"}):
        with pytest.raises(UserError, match=r"mine/[tu]"):
            select(**part)


def test_a_damaged_or_missing_manifest_is_named(tmp_path):
    for text in (None, "id\na\n", "\xff"):
        if text:
            (tmp_path / "manifest.csv").write_text(text, "latin-1")
        with pytest.raises(UserError, match=r"manifest\.csv"):
            manifest.read_rows(tmp_path)
