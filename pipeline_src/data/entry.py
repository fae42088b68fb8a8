"""The entry of a dataset, which describes it: sources, layout of files, splits and facts.

Built-in datasets (catalog.yaml) and users' datasets (`datasets:` in params.yaml) have one form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from pipeline_src.errors import hint
from pipeline_src.labels import NO_CLASS
from pipeline_src.params.schema import ALL
from pipeline_src.validation import LONGEST, Count, Strict

GROUPS_FILE = ".csv"  # suffix of `groups` if it names a file
MAX_PIXELS = 178_956_970  # Pillow's limit
BACKGROUND = "background"  # a class 0 of this name is right on pixels that show no object


def _as_tuple(value: Any) -> Any:
    """Return a text as a tuple of one, because YAML may give one value or a list."""
    return (value,) if isinstance(value, str) else value


def check_groups(groups: str) -> str:
    """Return `groups` of a dataset, which tells which images are not independent, after a check.

    Raises:
        ValueError: it is neither a csv file nor a regular expression with one group in brackets.
    """
    if not groups or groups.endswith(GROUPS_FILE):
        return groups
    try:
        number = re.compile(groups).groups
    except re.error as error:
        raise ValueError(
            f"neither a {GROUPS_FILE} file nor a regular expression: {error}"
        ) from None
    if number != 1:
        raise ValueError(
            f"a regular expression needs one group in brackets, as '^([^_]+)_'; this has {number}"
        )
    return groups


# Names of datasets and splits become folder names and parts of ids.
SetName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=LONGEST)
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Byte = Annotated[int, Field(ge=0, le=255)]
Strings = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class Split(Strict):
    """A named choice of samples: name lists (joined in their order), a folder, or a share of
    another split.

    In YAML `val: names.txt` or `val: [one.txt, two.txt]` for lists, `{folder: Train}` for the
    images in a folder of that name, `{of: train, fraction: 0.1, seed: 0}` for a seeded share and
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
    def _short_form(cls, value: Any) -> Any:
        """Return a split as a mapping: YAML may have the name lists in place of {names: lists}."""
        return {"names": value} if isinstance(value, str | list | tuple) else value

    @model_validator(mode="after")
    def _one_form(self) -> Split:
        """Return the split after checking that it has one form: names, a folder, or `of`.

        `of` needs `fraction` for a share of that split, or `without` for its rest.
        """
        if bool(self.names) + (self.folder is not None) + (self.of is not None) != 1:
            raise ValueError("give a list of names, `folder`, or `of`")
        is_share = self.fraction is not None or self.without is not None
        if is_share != (self.of is not None):
            raise ValueError("`of` goes with `fraction` or `without`")
        return self

    @property
    def parents(self) -> tuple[str, ...]:
        """The names of the splits that this split is made from, none for lists and folders."""
        return tuple(name for name in (self.of, self.without) if name is not None)


class Generator(Strict):
    """A synthetic dataset: its kind of pictures, the number of images per split, and a seed.

    `data.synthetic.scenes.write_set` draws each split.
    """

    kind: Literal["scenes", "textures"]
    counts: dict[SetName, Count]
    seed: int = 0


class Layout(Strict):
    """The folders of images and masks: a folder at any depth of the source, or a list of
    alternatives.

    `folder/*_mask.png` selects files by pattern; the text that `*` stands for is the stem. Without
    a pattern the stem is the file name up to its last dot, and every image file at any depth in the
    folder counts.
    """

    images: Strings = ()
    masks: Strings = ()
    foreground: Byte | None = None  # the mask value of the foreground where it is not 255


class NameList(Strict):
    """The address and digest of a name list, a text file that names the images of a split."""

    download: str
    sha256: Sha256


class Source(Layout):
    """A source of a dataset: archives, a folder, a generator, or only folders of images and masks.

    Its layout and splits override those of the dataset. `sha256` has a digest for each archive,
    `count` is the number of images. `get` is the authors' page, `download` the address of each
    archive, `lists` the name lists that have an address, `note` a remark for users who get it.
    `max_unpacked_gb` raises the limit of an archive's unpacked size (`data.unpacking`).
    """

    archive: Strings = ()
    folder: str | None = None
    generator: Generator | None = None
    sha256: Annotated[tuple[Sha256 | None, ...], BeforeValidator(_as_tuple)] = ()
    count: Count | None = None
    max_unpacked_gb: Annotated[float, Field(ge=0)] = 0
    get: str | None = None
    download: Strings = ()
    lists: dict[str, NameList] = Field({})
    note: str = ""
    splits: dict[SetName, Split] = Field({})

    @model_validator(mode="after")
    def _one_kind(self) -> Source:
        """Return the source after checking that it is of one kind, with one value per archive.

        The kinds are archives, a folder and a generator. `sha256` and `download` have one value for
        each archive, or none.
        """
        kinds = [key for key in ("archive", "folder", "generator") if getattr(self, key)]
        if len(kinds) > 1:
            raise ValueError(
                f"{' and '.join(kinds)} cannot be given together; give several `sources` instead"
            )
        for key in ("sha256", "download"):
            if len(getattr(self, key)) not in (0, len(self.archive)):
                raise ValueError(f"give one {key} for each archive")
        return self

    @property
    def label(self) -> str:
        """The names of the source's archives or folders, as messages show them."""
        if self.generator:
            return "the generator"
        if self.archive:
            return " + ".join(self.archive)
        paths = [self.folder] if self.folder else self.images + self.masks
        return " and ".join(f"{path}/" for path in paths)

    @property
    def description(self) -> str:
        """The source's archives or folders, the number of images, and the authors' page.

        Messages show it to users, who have to get the files.
        """
        text = self.label
        if self.count:
            text += f" ({self.count:,} images)"
        if self.get:
            text += f", from {self.get}"
        return text


class Entry(Source):
    """A dataset. Without `sources`, the entry itself is the only source.

    Attributes:
        ood: the images show no object: no masks are needed, all pixels are background.
        built_in: the entry is in catalog.yaml. Not everyone has all name lists of these datasets.
        classes: with classes, masks hold ids 0, 1, 2...; without, they are grey, from background to
            object.
        void: the id of pixels that never count.
        in_paper: the paper reports numbers on the dataset. Claims on textures use these textures
            first.
        max_pixels: of an image or mask.
        skip_unmasked: leave out images without a mask, instead of reporting them as problems.
        groups: which images are not independent (`data.groups`); confidence intervals are then over
            groups.
        caption: facts for readers of numbers on the dataset; tables print it.
        faults: known issues, which `data check` repeats.
    """

    name: SetName = Field(exclude=True)  # `catalog.load` sets it, and `built_in`
    task: str = "custom"
    ood: bool = False
    built_in: bool = Field(False, exclude=True)
    sources: dict[SetName, Source] = Field(default_factory=dict)
    classes: tuple[str, ...] = ()
    void: Byte = 255
    in_paper: bool = False
    max_pixels: Count = MAX_PIXELS
    skip_unmasked: bool = False
    groups: Annotated[str, AfterValidator(check_groups)] = ""
    caption: str = ""
    terms: str = ""
    citation: str = ""
    faults: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _valid_sources(self) -> Entry:
        """Return the entry after checking its sources, their layouts and their splits.

        Without `sources`, the entry's own fields become its only source, with the key "given".
        With `sources`, only the layout and the splits may be given for all of them.
        """
        # The fields of a source that the entry itself gives.
        given = self.model_dump(include=set(Source.model_fields), exclude_unset=True)
        if not self.sources:
            self.sources["given"] = Source(**given)
        elif misplaced := given.keys() - Layout.model_fields.keys() - {"splits"}:
            raise ValueError(f"move {', '.join(sorted(misplaced))} into the `sources` of the set")
        for key, source in self.sources.items():
            where = f"source {key}: " if len(self.sources) > 1 else ""
            layout = self.layout(source)
            if not layout.images:
                raise ValueError(f"{where}`images` is missing, the folder of the images")
            if not layout.masks and not self.ood:
                raise ValueError(
                    f"{where}`masks` is missing (a set without objects has `ood: true`)"
                )
            _check_splits(self.splits_of(source))
        return self

    @model_validator(mode="after")
    def _valid_classes(self) -> Entry:
        """Return the entry after checking that its number of classes is 0 or 3 to `NO_CLASS`.

        Without classes a mask shows one object. Two classes would be the same in another form.
        """
        if len(self.classes) > NO_CLASS:
            raise ValueError(
                f"`classes` are at most {NO_CLASS}: masks have 8 bits, and two values are reserved"
            )
        if 0 < len(self.classes) < 3:
            raise ValueError(
                "two `classes` are an object and its background: leave `classes` out, and write "
                "`foreground: 1` if the object's value is not 255"
            )
        return self

    @property
    def without_background(self) -> bool:
        """Whether no class is right on an image without an object.

        Class 0 is right there for masks of one object, and if it is called `BACKGROUND`.
        """
        return self.classes[:1] not in ((), (BACKGROUND,))

    @property
    def generated(self) -> bool:
        """Whether the images of a source of the dataset are synthetic."""
        return any(source.generator for source in self.sources.values())

    def layout(self, source: Source) -> Layout:
        """Return the layout of a source, whose values override the dataset's values."""
        keys = set(Layout.model_fields)
        given = source.model_dump(include=keys, exclude_defaults=True)
        return Layout(**self.model_dump(include=keys) | given)

    def splits_of(self, source: Source) -> dict[str, Split]:
        """Return the splits of a source by name; they override the dataset's splits."""
        return {**self.splits, **source.splits}

    @property
    def draws_groups(self) -> bool:
        """Whether images of one group (such as frames of a video) are drawn into a split together.

        It holds for datasets with groups and with splits that are seeded shares. Splits of built-in
        datasets stay as they were published.
        """
        if self.built_in or not self.groups:
            return False
        splits = [self.splits, *(source.splits for source in self.sources.values())]
        return any(split.fraction is not None for named in splits for split in named.values())

    @property
    def split_names(self) -> tuple[str, ...]:
        """The names of the splits of all sources, and `ALL`, which every dataset has."""
        names = [ALL, *self.splits]
        for source in self.sources.values():
            names += source.splits
        return tuple(dict.fromkeys(names))


def _check_splits(splits: Mapping[str, Split]) -> None:
    """Check that splits are made from existing splits, without a cycle.

    Raises:
        ValueError: a split is called `ALL`, a parent does not exist, or splits form a cycle.
    """
    if ALL in splits:
        raise ValueError(f"`{ALL}` is a split of every dataset, choose another name")
    names = [ALL, *splits]
    for name, split in splits.items():
        for parent in split.parents:
            if parent not in names:
                raise ValueError(
                    f"split {name}: split {parent!r} does not exist{hint(parent, names)}"
                )
    try:
        TopologicalSorter({name: split.parents for name, split in splits.items()}).prepare()
    except CycleError as error:
        raise ValueError(f"splits are made from each other: {', '.join(error.args[1])}") from None
