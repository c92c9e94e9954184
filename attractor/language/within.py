"""Finds where a part of an attribute's text stands in the file."""

import re
from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import NamedTuple

from attractor.language.literals import read_text
from attractor.language.patterns import TEXT
from attractor.language.spans import Span
from attractor.language.values import Value

_ESCAPE_OR_NEWLINE = re.compile(r"\\(?:\r\n|.)|\n", re.DOTALL)


def span_within(value: Value, start: int, end: int) -> Span:
    """Return the place between two offsets in a value; all of it where it is not one text."""
    plain, whole = value.plain, value.span
    places = _places(value.text, plain) if isinstance(plain, str) else None
    if places is None or not whole.is_somewhere:
        return whole
    line, column = places.of_start(max(start, 0))
    end_line, end_column = places.of_end(max(end, start + 1, 1))
    return Span(
        whole.file,
        whole.line + line,
        column if line else whole.column + column,
        whole.line + end_line,
        end_column if end_line else whole.column + end_column,
    )


class _Places(NamedTuple):
    """Where the text goes on behind each escape and newline: there alone offsets and columns part.

    In the first line columns count from the opening quote. A width is 0 where a line is continued.
    """

    offsets: list[int]
    lines: list[int]
    columns: list[int]
    widths: list[int]

    def of_start(self, offset: int) -> tuple[int, int]:
        return self._behind(bisect_right(self.offsets, offset) - 1, offset)

    def of_end(self, offset: int) -> tuple[int, int]:
        at = bisect_left(self.offsets, offset)
        is_behind_one = at < len(self.offsets) and self.offsets[at] == offset and self.widths[at]
        return self._behind(at if is_behind_one else at - 1, offset)

    def _behind(self, at: int, offset: int) -> tuple[int, int]:
        return self.lines[at], self.columns[at] + offset - self.offsets[at]


# One value is asked about again and again, and each time to go over it would take long.
@lru_cache(maxsize=8)
def _places(text: str, plain: str) -> _Places | None:
    """Return the places in a text as it was written, unless something else came of it."""
    inside = text[1:-1]
    if not TEXT.fullmatch(text) or read_text(inside)[0] != plain:
        return None
    places = _Places([0], [0], [1], [0])
    offset = done = line = 0
    line_start = -1
    for found in _ESCAPE_OR_NEWLINE.finditer(inside):
        width = len(read_text(found[0])[0])
        offset += found.start() - done + width
        done = found.end()
        if found[0].endswith("\n"):
            line, line_start = line + 1, done - 1
        for kept, one in zip(places, (offset, line, done - line_start, width), strict=True):
            kept.append(one)
    return places
