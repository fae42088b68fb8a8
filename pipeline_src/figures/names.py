"""Names of methods and data sets, as figures have room for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# As `params.sweep` names its blocks: the sweep, then each parameter with its value.
SWEPT = re.compile(r".+?((?:-[a-z_]*[a-z]\d+(?:_\d+)?)+)")
VALUE = re.compile(r"-([a-z_]*[a-z])(\d+(?:_\d+)?)")
GREEK = {"alpha": "α", "beta": "β"}


def labels(names: Iterable[str], letters: int, lines: int = 2) -> list[str]:
    """Labels that differ where the names do, of one line or two of at most `letters` letters. A long name of a sweep's
    block gives way to its values."""
    names = list(names)
    shorter = _distinct({name: _values(name) if len(name) > letters else name for name in names})
    shown = {name: _in_lines(text, letters) for name, text in shorter.items()}
    if lines == 1 or len(set(shown.values())) < len(shown):
        shown = {name: shortened(text, letters, shorter.values()) for name, text in shorter.items()}
    return [shown[name] for name in names]


def _values(name: str) -> str:
    """The values of a block of a sweep, "static-alpha0_025-beta0_5" -> "α 0.025, β 0.5"; another name as it is."""
    if not (match := SWEPT.fullmatch(name)):
        return name
    return ", ".join(f"{GREEK.get(key, key)} {value.replace('_', '.')}" for key, value in VALUE.findall(match[1]))


def _distinct(labels_of: Mapping[str, str]) -> dict[str, str]:
    """The labels by name; a name is its own label where it would have that of another."""
    texts = list(labels_of.values())
    return {name: text if texts.count(text) == 1 else name for name, text in labels_of.items()}


def _in_lines(text: str, letters: int) -> str:
    """A long text in two lines, broken after one of its words; what is too long even so loses letters."""
    places = [match.end() for match in re.finditer(r"[_-]|, ", text)]
    heads = [place for place in places if len(text[:place].rstrip()) <= letters and place < len(text)]
    if len(text) <= letters or not heads:
        return shortened(text, letters)
    head = min(heads, key=lambda place: max(place, len(text) - place))
    return f"{text[:head].rstrip()}\n{shortened(text[head:], letters)}"


def shortened(text: str, width: int, among: Iterable[str] = ()) -> str:
    """`text` in at most `width` characters: its middle is left out, or another part where one of `among`, which are
    cut at the same place, would read alike."""
    names = {text, *among}

    def cut(name: str, head: int) -> str:
        return name if len(name) <= width else f"{name[:head]}…{name[head + 1 - width :]}"

    heads = sorted(range(1, width - 1), key=lambda head: abs(head - (width - 1) // 2))
    if head := next((head for head in heads if len({cut(name, head) for name in names}) == len(names)), 0):
        return cut(text, head)
    return f"{text[: width - 3]}…{sorted(names).index(text) + 1}" if len(text) > width else text
