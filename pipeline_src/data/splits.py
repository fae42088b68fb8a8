"""Which samples are in which split."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline_src.data import pairing, sources
from pipeline_src.data.catalog import ALL, Entry, Split
from pipeline_src.data.manifest import Row
from pipeline_src.data.verify import Problem


def assign(
    entry: Entry,
    located: sources.Located,
    root: Path,
    data_root: Path | str | None,
    rows: list[Row],
    problems: list[Problem],
) -> list[str]:
    """Write each row's place in every split into it, add what is wrong with name lists to `problems`; returns notes."""
    splits = entry.splits_of(located.source)
    by_stem = {row.stem: row for row in rows}
    notes = []

    def listed_stems(name: str, split: Split) -> list[str]:
        stems: dict[str, None] = {}
        for file in split.names:
            path = sources.name_list(file, data_root, root)
            if path is None and entry.built_in:  # some lists of ours are not for everyone to have
                notes.append(
                    f"split {name} is empty: its name list {file} is not in the folder of downloads nor in its splits/"
                )
                return []
            if path is None:
                do = "put it beside the images, into the folder of downloads or its splits/, or correct `splits:`"
                problems.append(Problem(file, f"the name list of split {name} is not there", do))
                return []
            for stem in pairing.names(path):
                if stem in stems:
                    notes.append(f"name list {file} names {stem} twice")
                stems[stem] = None
        files, here = " + ".join(split.names), [stem for stem in stems if stem in by_stem]
        if not entry.ood:
            do = "add it or take it off the list"
            text = f"of split {name} has no usable sample"
            problems.extend(Problem(files, f"{stem} {text}", do) for stem in stems if stem not in by_stem)
        elif len(here) < len(stems):  # fewer textures are textures, too
            notes.append(f"{len(here):,} of the {len(stems):,} names of {files} are here")
        return here

    def members(name: str) -> list[str]:
        if name == ALL:
            return list(by_stem)
        if name not in done:
            split = splits[name]
            if split.names:
                done[name] = listed_stems(name, split)
            elif split.folder is not None:
                done[name] = [row.stem for row in rows if f"/{split.folder}/" in f"/{row.image}"]
            else:
                stems = members(split.of)
                if split.without is not None:
                    gone = set(members(split.without))
                    stems = [stem for stem in stems if stem not in gone]
                if split.fraction is not None:
                    # By hash, so that one more image does not deal all the others anew.
                    drawn = sorted(stems, key=lambda stem: hashlib.sha256(f"{split.seed}/{stem}".encode()).digest())
                    drawn = set(drawn[: round(split.fraction * len(stems))])
                    stems = [stem for stem in stems if stem in drawn]
                done[name] = stems
        return done[name]

    done: dict[str, list[str]] = {}
    for name in splits:
        for rank, stem in enumerate(members(name)):
            by_stem[stem].splits[name] = rank
    if not entry.built_in:
        notes += [f"split {name} is empty" for name, stems in done.items() if not stems]
    return list(dict.fromkeys(notes))
