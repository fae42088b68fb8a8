"""What is written wrong in params.yaml, and in entries of data sets there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bad_input import BadInput, refusals

from pipeline_src.data import catalog
from pipeline_src.params.load import read, resolve
from pipeline_src.pipeline.jobs import build

TEXT = """experiment: small
datasets:
  mine: {images: photos, masks: masks}
defaults: {image_size: 32}
methods: {baseline: {}, slp: {alpha: 0.05}}
experiments:
  small:
    methods: [baseline]
    data:
      train: {set: mine, first: 3}
      val: {set: mine, last: 3}
      id: {mine: {set: mine}}
"""
MINE = "  mine: {images: photos, masks: masks}\n"
UTF8 = "save the file as UTF-8"
BOMB = "".join(f"a{i}: &a{i} [{', '.join(['x' if i == 0 else f'*a{i - 1}'] * 9)}]\n" for i in range(9))


def written(text: str | bytes) -> Callable[[Path], None]:
    data = text if isinstance(text, bytes) else text.encode()
    return lambda folder: (folder / "params.yaml").write_bytes(data) and None


def changed(old: str, new: str) -> Callable[[Path], None]:
    assert old in TEXT
    return written(TEXT.replace(old, new))


def reading(folder: Path) -> None:
    """What every command does first."""
    params = read(Path("params.yaml"))
    catalog.load(params.datasets)
    resolve(params)
    for name in ("photos", "masks"):
        (folder / name).mkdir()
    build(params)


def row(
    name: str, fault: str, happens: str, make: Callable, what: str, found: str = "", expected: str = "", do: str = ""
) -> BadInput:
    return BadInput(name, fault, reading, what, found, expected or "docs/params.md", do, make, happens)


ROWS = [
    row(
        "not-yaml", "a bracket that is not closed", "the line is named", written("a: [1\n"), "not valid YAML", "line 2"
    ),
    *(
        row(name, fault, "the line is named", written(data), r"params\.yaml is not text in UTF-8", found, "", UTF8)
        for name, fault, data, found in [
            ("not-utf8", "letters in Latin-1", b"a: 1\nb: \xe9\n", "line 2: .* decode byte 0xe9"),
            ("utf16", "UTF-16, as Notepad saves it", TEXT.encode("utf-16"), "line 1: .* decode byte 0xff"),
            ("utf16-bare", "UTF-16 without a mark", "a: 1\n".encode("utf-16-le"), "line 1: "),
            ("control", "a control character", b"a: 1\nb: \x01\n", "line 2: .*control characters"),
        ]
    ),
    row("a-list", "a list instead of keys", "it says so", written("- 1\n"), "mapping of keys to values", "list"),
    row(
        "no-such-day",
        "a date that does not exist",
        "reported as a YAML error",
        changed("image_size: 32", "image_size: 2026-13-45"),
        "not valid YAML",
        "month",
        do="fix the line",
    ),
    row(
        "long-number",
        "a number of 5,000 digits",
        "reported as a YAML error",
        changed("image_size: 32", f"image_size: {'9' * 5000}"),
        "not valid YAML",
        "4300 digits",
    ),
    row(
        "deep",
        "brackets in brackets, 100,000 deep",
        "reported as a YAML error",
        written("a: " + "[" * 100_000 + "]" * 100_000),
        "not valid YAML",
        ".",
    ),
    row(
        "aliases",
        "aliases that stand for 9 to the power of 9 values",
        "it is refused before they are written out",
        written(TEXT + BOMB),
        "not valid YAML",
        "aliases .* more than 1,000,000 values",
    ),
    row(
        "alias-of-itself",
        "an alias that stands for itself",
        "the same",
        changed("image_size: 32", "image_size: &a [*a]"),
        "not valid YAML",
        "for themselves",
    ),
    row(
        "key-is-a-list",
        "a list as a key",
        "reported as a YAML error",
        written(TEXT + "? [a, b]\n: 3\n"),
        "not valid YAML",
        "unhashable key",
    ),
    row(
        "unknown-key",
        "a key that does not exist",
        "the nearest one is named",
        changed("experiment:", "experimnt:"),
        r"params\.yaml has invalid values(.|\n)*experimnt: no such key; did you mean 'experiment'",
        do="correct the keys",
    ),
    row(
        "yes",
        "a name that YAML reads as true",
        "quotes are asked for",
        changed("experiment: small", "experiment: yes"),
        r"experiment: expected a text \(found True\): put it in quotes, since YAML reads yes, no",
    ),
    row(
        "year",
        "a name that YAML reads as a number",
        "the same",
        changed("methods: [baseline]", "methods: [2024]"),
        r"methods.0: expected a text \(found 2024\): put it in quotes",
    ),
    row(
        "day",
        "a name that YAML reads as a date",
        "its line, and quotes are asked for",
        changed("experiment: small", "experiment: 2024-01-01"),
        r"line 1: YAML reads 2024-01-01 as a date; write '2024-01-01'$",
        expected="in quotes",
    ),
    row(
        "octal",
        "a number with a leading 0, which YAML reads as an octal one",
        "its line, what it is read as, and what to write are named",
        changed("first: 3", "first: 010"),
        "params.yaml has values that are not what they look like(.|\n)*line 10: YAML reads 010 as 8; write 8, or '010'",
        expected="numbers without a leading 0 or colons",
        do="as each line says",
    ),
    row(
        "sexagesimal",
        "numbers with colons, which YAML reads to the base of 60",
        "the same",
        changed("alpha: 0.05", "alpha: 1:30, beta: 0:1:30.5"),
        "line 5: YAML reads 1:30 as 90; write 90(.|\n)*YAML reads 0:1:30.5 as 90.5; write 90.5",
        expected="numbers without a leading 0 or colons",
    ),
    row(
        "name-in-octal",
        "a test set called `012`",
        "the same",
        changed("id: {mine:", "id: {012:"),
        "line 12: YAML reads 012 as 10; write 10, or '012' for a text",
        expected="in quotes",
    ),
    row(
        "nothing",
        "a name that YAML reads as nothing",
        "the same",
        changed("experiment: small", "experiment: ~"),
        r"expected a text \(found None\): put it in quotes, since YAML reads null",
    ),
    row(
        "folder-named-no",
        "a folder called `no` without quotes",
        "quotes are asked for",
        changed("images: photos", "images: no"),
        r"images: expected a text or a list of texts \(found False\): put it in quotes, since YAML reads yes, no",
    ),
    row(
        "choice-off",
        "`off` where one of several texts belongs",
        "the same",
        changed("{mine: {set: mine}}", "{mine: {set: mine, corrupt: [off]}}"),
        r"corrupt.0: input should be 'gaussian_noise'.* \(found False\): put it in quotes, since YAML reads yes, no",
    ),
    row(
        "same-figure",
        "a test set called `mine-isotonic` beside one called `mine`: `-` joins the words of figures' names",
        "the two figures and the name to change are named",
        changed("{mine: {set: mine}}", "{mine: {set: mine}, mine-isotonic: {set: mine}}"),
        r"two figures would be the file reliability-raw-baseline-mine-isotonic\.csv",
        "reliability of raw, baseline, mine and reliability of raw, baseline, mine-isotonic",
        "names of methods and test sets that differ",
        "rename mine-isotonic in params.yaml, such as to mine_isotonic",
    ),
    row(
        "same-figure-of-two",
        "methods `slp` and `slp-x`, test sets `mine` and `x-mine`",
        "the same",
        written(
            TEXT.replace("{mine: {set: mine}}", "{mine: {set: mine}, x-mine: {set: mine}}")
            .replace("[baseline]", "[slp, slp-x]")
            .replace("{alpha: 0.05}", "{alpha: 0.05}, slp-x: {method: slp}")
        ),
        r"two figures would be the file reliability-raw-slp-x-mine\.csv",
        "reliability of raw, slp-x, mine and reliability of raw, slp, x-mine",
        "names of methods and test sets that differ",
        "rename slp-x or x-mine in params.yaml, such as to slp_x",
    ),
    row(
        "set-named-yes",
        "a data set called `yes` without quotes",
        "the same",
        changed("  mine: {images", "  yes: {images"),
        r"datasets.True: expected a text \(found True\): put it in quotes",
    ),
    row(
        "folder-named-by-year",
        "a folder called `2024` without quotes",
        "the same",
        changed("masks: masks", "masks: 2024, folder: 2024"),
        "datasets.mine.folder: expected a text .*quotes",
    ),
    row(
        "exponent",
        "`1e3` where a whole number belongs: YAML reads a text",
        "the key and its value are named",
        changed("image_size: 32", "image_size: 1e3"),
        r"image_size: expected a whole number \(found '1e3'\)",
    ),
    row(
        "infinite",
        "an infinite learning rate",
        "the key is named",
        changed("image_size: 32", "training: {lr: .inf}"),
        r"training.lr: expected a finite number \(found inf\)",
    ),
    row(
        "huge-seed",
        "a seed that random generators do not take",
        "the largest is named",
        changed("image_size: 32", "seeds: [99999999999999999999]"),
        "seeds.0: input should be less than 4294967296",
    ),
    row(
        "seed-is-true",
        "`true` where a whole number belongs",
        "it is not taken for 1",
        changed("image_size: 32", "seeds: [true]"),
        r"seeds: expected a whole number \(found \[True\]\)",
    ),
    row(
        "rate-is-true",
        "`true` where a number belongs",
        "it is not taken for 1",
        changed("image_size: 32", "training: {lr: true}"),
        r"training.lr: expected a number \(found True\)",
    ),
    row(
        "set-is-a-number",
        "a number instead of a data set's entry",
        "the key is named",
        changed(MINE, "  mine: 3\n"),
        r"datasets.mine: expected keys and values \(found 3\)",
        expected="docs/data.md",
    ),
    row(
        "sets-are-a-list",
        "a list instead of data sets by name",
        "the key is named",
        changed(MINE, "  - mine\n"),
        r"datasets: expected keys and values \(found \['mine'\]\)",
    ),
    row(
        "images-are-keys",
        "keys instead of a folder under `images`",
        "the key and what belongs there are named",
        changed("images: photos", "images: {a: b}"),
        "datasets.mine.images: expected a text or a list of texts",
    ),
    row(
        "images-are-a-number",
        "a number instead of a folder under `images`",
        "the same",
        changed("images: photos", "images: 3"),
        r"datasets.mine.images: expected a text or a list of texts \(found 3\)",
    ),
    row(
        "splits-are-a-list",
        "a list instead of splits by name",
        "the key is named",
        changed("masks: masks", "masks: masks, splits: [a]"),
        r"datasets.mine.splits: expected keys and values",
    ),
    row(
        "no-splits",
        "a split of a set that has none",
        "what to write is shown",
        changed("train: {set: mine, first: 3}", "train: {set: mine, split: train}"),
        "data set mine has no split 'train'",
        expected="one of all",
        do=r"splits: \{test: \{.*\}, val: \{.*\}, train: \{.*\}\}",
    ),
    row(
        "split-of-itself",
        "a split that is made from itself",
        "it is named",
        changed("masks: masks", "masks: masks, splits: {a: {of: b, fraction: 0.5}, b: {of: all, without: a}}"),
        "split [ab] is made from itself",
    ),
    row(
        "huge-message",
        "a value of 200,000 letters",
        "the message has its beginning and end",
        changed("image_size: 32", f"image_size: {'x' * 200_000}"),
        r"image_size: expected a whole number \(found 'x{10,40}\.\.\.x{10,40}'\)",
    ),
    row(
        "part-of-300-letters",
        "a test set's name that is too long for a file's",
        "the longest is named",
        changed("id: {mine:", f"id: {{{'m' * 300}:"),
        "at most 80 characters",
    ),
    row(
        "set-of-300-letters",
        "the same of a data set's name",
        "the same",
        changed("  mine: {images", f"  {'m' * 300}: {{images"),
        "at most 80 characters",
    ),
    row(
        "method-of-combination",
        "a sweep whose combinations have names that are too long",
        "the longest is named",
        written(TEXT + f"sweeps: {{grid: {{method: slp, alpha: [{'1' * 90}]}}}}\n"),
        "a method's name, which is that of files, is longer than 80 letters: grid-alpha1",
    ),
    row(
        "combinations-of-one-name",
        "two combinations of a sweep that would have one name",
        "it is named: one of them would not be run",
        written(TEXT + "sweeps: {grid: {file: a.py, kind: [a/b, a_b]}}\n"),
        "duplicate names of methods, sweeps or their combinations: grid-kinda_b",
    ),
    row(
        "feature-twice",
        "a feature of image_temperature that is repeated",
        "it is named",
        written(
            TEXT.replace("slp: {alpha: 0.05}", "t: {method: image_temperature, features: [entropy, entropy]}").replace(
                "[baseline]", "[baseline, t]"
            )
        ),
        r"methods\.t(.|\n)*features: (.*)duplicate entries: entropy",
    ),
    row(
        "methods-by-capitals",
        "two methods whose names differ by capitals alone",
        "they are named: their folders would be one on macOS",
        changed("slp: {alpha: 0.05}", "slp: {alpha: 0.05}, SLP: {method: slp}"),
        "duplicate names of methods, sweeps or their combinations: SLP, slp",
    ),
    row(
        "experiments-by-capitals",
        "the same of experiments",
        "the same",
        changed("  small:", "  SMALL: {methods: [baseline]}\n  small:"),
        "experiments whose folders would be one on some disks: SMALL, small",
    ),
    row(
        "parts-by-capitals",
        "the same of test sets",
        "the same",
        changed("id: {mine: {set: mine}}", "id: {mine: {set: mine}, MINE: {set: mine}}"),
        "each test set needs a name of its own, duplicates are MINE, mine",
    ),
    row(
        "workers",
        "a million processes that load data",
        "the largest number is named",
        changed("image_size: 32", "training: {workers: 1000000}"),
        "training.workers: input should be less than or equal to 1024",
    ),
    *(
        row(
            f"huge-{key.replace('.', '-').replace('_', '-')}",
            f"`{key}` of {value:,}",
            "the largest number is named",
            changed("image_size: 32", text),
            rf"{key}: input should be less than or equal to {most}",
        )
        for key, value, most, text in (
            ("image_size", 10**6, 4096, "image_size: 1000000"),
            ("evaluation.batch_size", 10**7, 4096, "evaluation: {batch_size: 10000000}"),
            ("training.epochs", 10**9, 100_000, "training: {epochs: 1000000000}"),
        )
    ),
    *(
        row(
            f"{name}-of-300-letters",
            f"{what} whose name is too long for a file's",
            "its beginning and end are named",
            written(text),
            r"params\.yaml names a file or folder whose name is too long",
            "m{10,40}\\.\\.\\.",
            "255 bytes",
            "shorten",
        )
        for name, what, text in (
            ("config", "a config", TEXT.replace("image_size: 32", f"model: {{config: {'m' * 300}}}")),
            ("factory", "a factory", TEXT.replace("image_size: 32", f"model: {{factory: '{'m' * 300}.py:build'}}")),
            (
                "file",
                "a method's file",
                TEXT.replace("alpha: 0.05", f"file: {'m' * 300}.py").replace("[base", "[slp, base"),
            ),
        )
    ),
    row(
        "tracker-without-type",
        "a tracker without the name of its class",
        "the key and an example are named",
        written(TEXT + "trackers: [{save_dir: curves}]\n"),
        r"trackers: each needs the name of its class, as in \{type: TensorboardVisBackend\}: \{'save_dir': 'curves'\}",
    ),
    row(
        "huge-sweep",
        "a sweep of 5 million combinations",
        "their number, the limit and its key are named, in no time",
        written(TEXT + f"sweeps: {{grid: {{method: slp, alpha: {[*range(2500)]}, beta: {[*range(2000)]}}}}}\n"),
        r"sweeps.grid has 5,000,000 combinations, more than 1,000: (.|\n)*limits: \{combinations: N\}",
    ),
    *(
        row(
            f"experiment-called-{name}",
            f"an experiment called `{name}`, whose folder is of something else",
            "another name is asked for",
            changed("  small:", f"  {name}:"),
            f"experiments.{name}: results/{name} or data/{name} is a folder of something else",
        )
        for name in ("judged", "Unpacked", "overview", "published", "downloads")
    ),
]


test_it_is_refused = refusals(ROWS)


def test_the_limit_of_a_sweep_can_be_raised(tmp_path):
    text = TEXT + "sweeps: {grid: {method: slp, alpha: [0.1, 0.2, 0.3]}}\nlimits: {combinations: %d}\n"
    file = tmp_path / "params.yaml"
    file.write_text(text % 3)
    assert len(read(file).blocks()) == 5
    file.write_text(text % 2)
    with pytest.raises(Exception, match="3 combinations, more than 2"):
        read(file)
