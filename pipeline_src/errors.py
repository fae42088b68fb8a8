"""The error whose message users read, and functions that return parts of such messages."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Wrong input: the command line prints the message, without a traceback, and exits with code 2.

    Args:
        problem: the file or key that is wrong, and in which way.
        found: the value that was found there.
        expected: the values that are allowed.
        fix: what the user can do, best as the line to type or write.
    """

    def __init__(
        self, problem: str, *, found: object = None, expected: object = None, fix: str | None = None
    ):
        """Join the problem and the given details into the message, a line for each."""
        lines = [problem]
        for label, text in (("found", found), ("expected", expected), ("fix", fix)):
            if text is not None:
                lines.append(f"  {label + ':':<10}{text}")
        super().__init__("\n".join(lines))


@contextmanager
def naming_files() -> Iterator[None]:
    """Turn a system error about a name or a permission into a UserError that names the file."""
    try:
        yield
    except OSError as error:
        # A missing file is a fault of the code, because commands check that their files exist.
        if error.filename is None or isinstance(error, FileNotFoundError):
            raise
        raise UserError(
            f"{error.filename} cannot be read or written",
            found=error.strerror,
            fix="correct the name, or the permissions of the file and its folder",
        ) from error


def listed(items: Iterable[object], most: int = 20) -> str:
    """Return lines of text, an indented line for each of the first `most` items.

    The text starts with a line break, and ends with the number of further items. It is empty
    without items.
    """
    rows = [f"\n    - {item}" for item in items]
    if len(rows) > most:
        rows[most:] = [f"\n    ... and {len(rows) - most} more"]
    return "".join(rows)


def few(items: Iterable[object], most: int = 10) -> str:
    """Return the first `most` items in one line, with the number of further items."""
    texts = list(map(str, items))
    if len(texts) > most:
        return f"{', '.join(texts[:most])} and {len(texts) - most} more"
    return ", ".join(texts)


def did_you_mean(name: str, valid: Iterable[str]) -> str | None:
    """Return the question "did you mean ...?" with the most similar valid name.

    Case does not matter. The result is None if no name is similar.
    """
    lower = {str(text).lower(): text for text in valid}
    for near in difflib.get_close_matches(str(name).lower(), lower, n=1, cutoff=0.5):
        return f"did you mean {lower[near]!r}?"
    return None


def check_name(
    name: str,
    valid: Collection[str],
    problem: str,
    *,
    found: object = None,
    fix: str | None = None,
) -> None:
    """Raise a UserError with the valid names, and the most similar one, if `name` is none of them.

    Args:
        problem, found, fix: parts of the error; `fix` is used if no valid name is similar.
    """
    if name not in valid:
        fix = did_you_mean(name, valid) or fix
        raise UserError(problem, found=found, expected=", ".join(valid), fix=fix)


def hint(name: str, valid: Iterable[str]) -> str:
    """Return `did_you_mean` as the end of a message, "; did you mean ...?", or an empty text."""
    text = did_you_mean(name, valid)
    return f"; {text}" if text else ""
