"""The files of a dataset: found in the user's folders, and images paired with masks by name.

A name list, which this module also finds and reads, is a text file that names the images of a
split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePath, PurePosixPath

from pipeline_src.data.entry import Entry, Layout
from pipeline_src.data.manifest import Problem, Row
from pipeline_src.errors import UserError, listed
from pipeline_src.files import composed, read_bytes, reading, visible_folders

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
LISTS = Path(__file__).parent / "lists"  # name lists that come with the package


def find_path(name: str | PurePath, *folders: Path) -> Path | None:
    """Return the path of a file or folder in the first folder that has it, or None.

    The folders are `folders`, then the working folder.
    """
    for folder in (*folders, Path()):
        path = folder / Path(name).expanduser()
        if path.exists():
            return path
    return None


def find_name_list(name: str, data_root: Path, root: Path | None = None) -> Path | None:
    """Return the path of a name list (the images of a split), or None if there is none.

    It is searched in the dataset's folder `root`, the folder of downloads `data_root`, its
    sub-folder splits/, the working folder, and the package.
    """
    return find_path(name, root or data_root, data_root, data_root / "splits", Path(), LISTS)


def read_name_list(path: Path) -> list[str]:
    """Return the names of images in a name list, without folder and suffix.

    A line names an image, with or without folder and suffix. Empty lines and those that start with
    # are skipped.

    Raises:
        UserError: the file cannot be read.
    """
    with reading(
        f"name list {path} cannot be read",
        expected="a text file in UTF-8, one name a line",
        fix="correct the file, or the split that names it",
    ):
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    stems = []
    for line in map(str.strip, lines):
        if line and not line.startswith("#"):
            name = PurePosixPath(line.replace("\\", "/"))
            # The dot of another ending, such as "img.2", belongs to the name.
            is_image = name.suffix.lower() in IMAGE_SUFFIXES
            stems.append(composed(name.stem if is_image else name.name))
    return stems


def pair_files(entry: Entry, layout: Layout, root: Path) -> tuple[list[Row], list[Problem]]:
    """Return a row for each stem with one image and one mask, and a problem for each other file.

    The stem is a file's name without suffix and the fixed part of its pattern. A file that matches
    the patterns of images and masks (`*.png`, `*_mask.png`) is a mask. Sets out of distribution
    (`ood`) need no masks. With `skip_unmasked`, an image without a mask is no problem, and has no
    row.

    Args:
        layout: the folders of images and masks, with or without a pattern.
        root: folder of the dataset.

    Raises:
        UserError: a folder does not exist, a file's name is not UTF-8, or images and masks are the
            same files.
    """
    image_files = find_files(root, layout.images)
    mask_files = {} if entry.ood else find_files(root, layout.masks)
    mask_paths = set(chain(*mask_files.values()))
    if image_files and mask_paths.issuperset(chain(*image_files.values())):
        raise UserError(
            "the same files are images and masks",
            found=listed(sorted(mask_paths), 3),
            fix="distinguish them by pattern, such as  images: Imgs/*.jpg  masks: Imgs/*.png",
        )
    rows: list[Row] = []
    problems: list[Problem] = []

    def report(paths: Sequence[str], problem: str, fix: str) -> None:
        """Add the same problem for each path."""
        problems.extend(Problem(path, problem, fix) for path in paths)

    for stem in sorted({*image_files, *mask_files}):
        images = [path for path in image_files.get(stem, []) if path not in mask_paths]
        masks = mask_files.get(stem, [])
        for paths in (images, masks):
            if len(paths) > 1:
                report(paths, "same stem as another file", "rename or remove one")
        if not images:
            report(masks, "mask without an image", "add the image or remove the mask")
        if not (masks or entry.ood or entry.skip_unmasked):
            report(images, "image without a mask", "add the mask or remove the image")
        if len(images) == 1 and len(masks) == (0 if entry.ood else 1):
            mask = masks[0] if masks else ""
            rows.append(Row(id=f"{entry.name}/{stem}", stem=stem, image=images[0], mask=mask))
    return rows, problems


def split_pattern(path: PurePath) -> tuple[PurePath, str]:
    """Return the folder of a path, and its pattern of file names; empty if it has no *."""
    return (path.parent, path.name) if "*" in path.name else (path, "")


def find_files(root: Path, alternatives: Sequence[str]) -> dict[str, list[str]]:
    """Return the image files of each stem, as sorted paths relative to `root`.

    The stem is a file's name without suffix and the fixed part of its pattern. Stems are sorted,
    in composed Unicode (NFC), because file systems store letters with accents in two forms.

    Args:
        root: folder of the source.
        alternatives: folders at any depth, with or without a pattern of file names, such as
            `masks/*_mask.png`; the first that exists is used.

    Raises:
        UserError: no alternative exists, or the name of an image file is not UTF-8.
    """
    for alternative in alternatives:
        folder, pattern = split_pattern(PurePosixPath(alternative))
        tops = [root / folder]
        if not tops[0].is_dir():  # archives often have folders around it
            tops = [root / top for top in _folders(root) if _ends(top, folder)]
        if tops:
            break
    else:
        raise UserError(
            f"no folder {' or '.join(alternatives)} in {root}",
            found="the folders" + listed(_folders(root)),
            fix="correct `images:` or `masks:` under `datasets:` of params.yaml, also for a "
            "built-in dataset:  SOD: {folder: SOD, images: Imgs/*.jpg, masks: Imgs/*.png}",
        )
    stems: dict[str, list[str]] = {}
    for file in sorted(set(chain(*map(walk, tops)))):
        stem = _stem(file.name, pattern)
        if stem:
            relative = file.relative_to(root).as_posix()
            composed(relative)  # a UserError if it is not UTF-8
            stems.setdefault(composed(stem), []).append(relative)
    return dict(sorted(stems.items()))


def walk(top: Path) -> Iterator[Path]:
    """Yield the files at any depth below `top`, without hidden files and hidden folders."""
    for folder, _, names in visible_folders(top):
        for name in names:
            yield folder / name


def _folders(root: Path) -> Iterator[PurePosixPath]:
    """Yield the folders at any depth below `root`, without hidden ones, relative to `root`."""
    for folder, names, _ in visible_folders(root):
        for name in names:
            yield PurePosixPath((folder / name).relative_to(root).as_posix())


def _ends(path: PurePosixPath, folder: PurePath) -> bool:
    """Return whether `path` ends with `folder`, in which a * stands for any text but a slash.

    Whole names of folders are compared.
    """
    # `match` gives [ a meaning, which is a part of names here.
    pattern = composed(str(folder)).replace("[", "[[]")
    return PurePosixPath(composed(str(path))).match(pattern)


def _stem(name: str, pattern: str) -> str:
    """Return the stem of an image file: what the * of `pattern` stands for in its name.

    Without a pattern it is the name without suffix. It is empty for files that are no images, and
    for files that the pattern, such as `*_mask.png`, excludes. Cameras write .JPG: in the end of
    a name case does not matter.
    """
    start, _, end = pattern.partition("*")
    suffix = PurePath(name).suffix
    end = end or suffix  # without a pattern, and for '*' and 'a*', only the suffix is cut off
    matches = name.lower().endswith(end.lower())
    if suffix.lower() in IMAGE_SUFFIXES and name.startswith(start) and matches:
        return name[len(start) : -len(end)]
    return ""
