"""Lays two paths under each other, so that one sees where they part."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from attractor.language.source.text import visible

_WIDTH = 96
# To compare takes longer than linear; what comes before the first difference says nothing anyway.
_MOST_NODES = 60
_KEPT_BEFORE = 3


class _Column(NamedTuple):
    expected: str
    actual: str
    is_different: bool

    @property
    def width(self) -> int:
        return max(len(self.expected), len(self.actual))


def aligned(expected: Sequence[str], actual: Sequence[str], *, gap: str) -> list[str]:
    """Return the lines that show two paths; a gap in the expected one fits anything."""
    start = _same_before(expected, actual) - _KEPT_BEFORE
    start = start if start > 1 else 0
    columns = list(_columns(_cut(expected, start), _cut(actual, start), gap))
    return [line for row in _rows(columns) for line in _lines(row)]


def _same_before(expected: Sequence[str], actual: Sequence[str]) -> int:
    pairs = enumerate(zip(expected, actual, strict=False))
    shorter = min(len(expected), len(actual))
    return next((at for at, (one, other) in pairs if one != other), shorter)


def _cut(path: Sequence[str], start: int) -> list[str]:
    before = ["…"] if start else []
    after = ["…"] if len(path) > start + _MOST_NODES else []
    return [*before, *map(visible, path[start : start + _MOST_NODES]), *after]


def _columns(expected: Sequence[str], actual: Sequence[str], gap: str) -> Iterator[_Column]:
    matcher = SequenceMatcher(None, expected, actual, autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        left, right = list(expected[i:i_end]), list(actual[j:j_end])
        fits = kind == "equal" or left == [gap]
        for at in range(max(len(left), len(right))):
            one = left[at] if at < len(left) else ""
            yield _Column(one, right[at] if at < len(right) else "", not fits and one != gap)


def _rows(columns: Sequence[_Column]) -> Iterator[list[_Column]]:
    row: list[_Column] = []
    width = 0
    for column in columns:
        if row and width + column.width > _WIDTH:
            yield row
            row, width = [], 0
        row.append(column)
        width += column.width + 2
    if row:
        yield row


def _lines(row: Sequence[_Column]) -> Iterator[str]:
    yield f"expected  {'  '.join(one.expected.ljust(one.width) for one in row)}".rstrip()
    yield f"actual    {'  '.join(one.actual.ljust(one.width) for one in row)}".rstrip()
    if any(one.is_different for one in row):
        marks = ("^" * one.width if one.is_different else " " * one.width for one in row)
        yield f"          {'  '.join(marks)}".rstrip()
