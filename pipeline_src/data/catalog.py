"""What is known of every data set: one form for ours (catalog.yaml) and for a user's (`datasets:` in params.yaml)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from pipeline_src.errors import UserError, did_you_mean, listed

ALL = "all"  # the split that every set has: all pairs, sorted by stem

# Names become folder names and parts of ids, so they are plain.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Role = Literal["train", "val", "test", "ood"]


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Strings = Annotated[tuple[str, ...], BeforeValidator(_several)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Split(Model):
    """A named choice of samples: name lists (joined in their order), a folder, or part of another split.

    In YAML `val: names.txt` or `val: [one.txt, two.txt]` for lists, `{folder: Train}` for the samples whose image lies
    in a folder of that name, `{of: train, fraction: 0.1, seed: 0}` for a seeded share and
    `{of: train, without: val}` for the rest.
    """

    names: Strings = ()
    folder: str | None = None
    of: str | None = None
    fraction: float | None = Field(default=None, gt=0, lt=1)
    seed: int = 0
    without: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"names": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _one_form(self) -> Split:
        if sum((bool(self.names), self.folder is not None, self.of is not None)) != 1:
            raise ValueError("give a list of names, `folder`, or `of`")
        if (self.of is not None) != ((self.fraction is not None) or (self.without is not None)):
            raise ValueError("`of` goes with `fraction` or `without`")
        return self


class Generator(Model):
    """Drawn, not downloaded: `data.synthetic.scenes.write_set(kind, split, count, seed, folder)` for each split."""

    kind: str
    counts: dict[Name, Annotated[int, Field(ge=1)]]
    seed: int = 0
    options: dict[str, Any] = {}


class Layout(Model):
    """Where images and masks lie: a folder below the source's root (at any depth), or a list of alternatives.

    `folder/*_mask.png` picks files by pattern; what `*` stands for is the stem. Without a pattern the stem is the file
    name up to its last dot, and every image file at any depth in the folder counts.
    """

    images: Strings = ()
    masks: Strings = ()
    foreground: int | None = Field(default=None, ge=0, le=255)  # the mask value of the foreground where it is not 255


class Source(Layout):
    """One place from which a set can be had; sha256 and count are its own, layout and splits may overrule the set's."""

    archive: Strings = ()
    folder: str | None = None
    url: str | None = None
    generator: Generator | None = None
    sha256: Annotated[tuple[Sha256 | None, ...], BeforeValidator(_several)] = ()
    count: int | None = Field(default=None, ge=1)
    get: str | None = None
    splits: dict[Name, Split] = {}

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        kinds = [key for key in ("archive", "folder", "url", "generator") if getattr(self, key)]
        if len(kinds) > 1:
            raise ValueError(f"{' and '.join(kinds)} cannot be given together; give several `sources` instead")
        if self.url and not (self.url.startswith(("https://", "http://")) and self.sha256 and self.sha256[0]):
            raise ValueError(
                "a `url` starts with https:// or http:// and needs `sha256`, since what it serves can change"
            )
        if self.sha256 and len(self.sha256) != len(self.files):
            raise ValueError("one sha256 for each archive (null where it is unknown)")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the archives, as they lie in the download folder."""
        return (self.url.rsplit("/", 1)[-1],) if self.url else self.archive

    @property
    def kind(self) -> str:
        """archive, url, folder, generator, or paths (images and masks given directly)."""
        return next((key for key in ("archive", "url", "folder", "generator") if getattr(self, key)), "paths")

    @property
    def label(self) -> str:
        """The source in a user's words."""
        if self.kind == "paths":
            return " and ".join(f"{path}/" for path in (*self.images, *self.masks))
        return " + ".join(self.files) or (f"{self.folder}/" if self.folder else "the generator")

    @property
    def offer(self) -> str:
        """The source with its number of images and where to get it."""
        count = f" ({self.count:,} images)" if self.count else ""
        return f"{self.label}{count}{f', from {self.get}' if self.get else ''}"


class Entry(Layout):
    """A data set. `ood: true`: its images show no object, so it needs no masks and all pixels are background.

    `built_in`: of catalog.yaml, some of whose name lists not everyone has.
    """

    name: Name
    task: str = "custom"
    roles: tuple[Role, ...] = get_args(Role)
    ood: bool = False
    built_in: bool = False
    sources: dict[Name, Source]
    splits: dict[Name, Split] = {}
    terms: str = ""
    citation: str = ""
    faults: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Entry:
        for key, source in self.sources.items():
            layout = self.layout(source)
            if not layout.images:
                raise ValueError(f"source {key}: `images` says in which folder the images lie")
            if not layout.masks and not self.ood:
                raise ValueError(f"source {key}: `masks` is missing (a set without objects says `ood: true`)")
            splits = self.splits_of(source)
            if ALL in splits:
                raise ValueError(f"`{ALL}` is every set's own split, choose another name")
            for name, split in splits.items():
                for other in (split.of, split.without):
                    if other is not None:
                        _known(other, [ALL, *splits], f"split {name}: split")
                _no_circle(name, splits)
        return self

    def layout(self, source: Source) -> Layout:
        """The layout of one source: its own values before the set's."""
        own = source.model_dump(include=set(Layout.model_fields), exclude_defaults=True)
        return Layout(**{**self.model_dump(include=set(Layout.model_fields)), **own})

    def splits_of(self, source: Source) -> dict[str, Split]:
        """The splits of one source: its own before the set's."""
        return {**self.splits, **source.splits}

    @cached_property
    def split_names(self) -> tuple[str, ...]:
        """All split names that some source of the set has."""
        return (
            ALL,
            *dict.fromkeys([*self.splits, *(name for source in self.sources.values() for name in source.splits)]),
        )


class Part(Model):
    """A part of a set: `{set: DUTS-TR, split: val, last: 500}`; the order is that of the split's list."""

    set: str
    split: str = ALL
    first: int | None = Field(default=None, ge=1)
    last: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_end(self) -> Part:
        if self.first is not None and self.last is not None:
            raise ValueError("`first` and `last` cannot be given together")
        return self

    def __str__(self) -> str:
        ends = [f"{key} {getattr(self, key)} of " for key in ("first", "last") if getattr(self, key) is not None]
        return f"{''.join(ends)}{self.set}/{self.split}"


def load(datasets: Mapping[str, Any] | None = None) -> dict[str, Entry]:
    """The built-in sets and the user's, by name; a user's entry replaces a built-in one of the same name.

    Raises:
        UserError: naming every wrong key and value of the user's entries.
    """
    catalog = dict(_built_in())
    problems = []
    for name, raw in (datasets or {}).items():
        try:
            catalog[name] = _entry(name, raw)
        except ValidationError as error:
            problems += [f"datasets.{name}{_told(detail)}" for detail in error.errors()]
        except ValueError as error:
            problems.append(f"datasets.{name}: {error}")
    if problems:
        raise UserError(
            f"`datasets:` in params.yaml has faults:{listed(problems)}",
            expected="an entry like  mine: {images: photos/images, masks: photos/masks}",
        )
    return catalog


def find(catalog: Mapping[str, Entry], name: str) -> Entry:
    """The set called `name`; UserError names the nearest one there is."""
    if name not in catalog:
        raise UserError(
            f"there is no data set {name!r}{_nearest(name, catalog)}",
            expected=f"one of {', '.join(catalog)}",
            do="or add it under `datasets:` in params.yaml:  mine: {images: path, masks: path}",
        )
    return catalog[name]


def check_part(catalog: Mapping[str, Entry], part: Part | Mapping[str, Any]) -> Part:
    """`part` with its set and split known to the catalog (no file is looked at)."""
    part = part if isinstance(part, Part) else Part(**part)
    names = find(catalog, part.set).split_names
    if part.split not in names:
        raise UserError(
            f"data set {part.set} has no split {part.split!r}{_nearest(part.split, names)}",
            expected=f"one of {', '.join(names)}",
        )
    return part


def _built_in() -> dict[str, Entry]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser where PyYAML has it: this runs at every start
    raw = yaml.load((Path(__file__).parent / "catalog.yaml").read_text(encoding="utf-8"), Loader=loader)
    return {name: _entry(name, value, built_in=True) for name, value in raw["datasets"].items()}


def _entry(name: str, raw: Any, built_in: bool = False) -> Entry:
    """An entry may give its one source's keys directly; a plain user's is nothing but images and masks."""
    if not isinstance(raw, Mapping):
        raise ValueError(f"expected keys and values, found {raw!r}")
    raw = dict(raw)
    if "sources" not in raw:
        keys = set(Source.model_fields) - set(Layout.model_fields) - {"splits"}
        raw["sources"] = {"given": {key: raw.pop(key) for key in keys & set(raw)}}
        if raw["sources"]["given"] == {}:
            raw["sources"]["given"] = {key: raw[key] for key in ("images", "masks") if key in raw}
    return Entry(**raw | {"name": str(name), "built_in": built_in})


def _known(name: str, names: Iterable[str], what: str) -> None:
    names = list(names)
    if name not in names:
        raise ValueError(f"{what} {name!r} does not exist{_nearest(name, names)}")


def _no_circle(name: str, splits: Mapping[str, Split], above: tuple[str, ...] = ()) -> None:
    if name in above:
        raise ValueError(f"split {name} is made from itself")
    if name in splits:
        for other in (splits[name].of, splits[name].without):
            if other is not None:
                _no_circle(other, splits, (*above, name))


def _nearest(name: str, names: Iterable[str]) -> str:
    hint = did_you_mean(name, names)
    return f"; {hint}" if hint else ""


def _told(detail: Mapping[str, Any]) -> str:
    """One of pydantic's errors in the user's words."""
    where = [str(part) for part in detail["loc"] if part != "given"]
    path = "".join(f".{part}" for part in where)
    if detail["type"] == "extra_forbidden":
        model: type[BaseModel] = {"sources": Source, "splits": Split}.get(where[-3] if len(where) > 2 else "", Entry)
        keys = set(model.model_fields) - {"name", "built_in"} | (set(Source.model_fields) if model is Entry else set())
        return f"{path}: unknown key{_nearest(where[-1], sorted(keys))}"
    return f"{path}: {detail['msg'].removeprefix('Value error, ')}"
