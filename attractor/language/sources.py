"""The text of a file, and where in it an offset stands."""

import re
from bisect import bisect_right
from functools import cached_property

from attractor.language.spans import Span

_NEWLINE = re.compile("\n")


class Source:
    """A text with the name of its file."""

    def __init__(self, text: str, file: str = "") -> None:
        self.text = text
        self.file = file

    def span(self, start: int, end: int) -> Span:
        """Return the place between two offsets."""
        starts = self._line_starts
        # One number for all that stands in a line: a large text has as many spans as letters.
        line = end_line = self._numbers[bisect_right(starts, start)]
        if line < len(starts) and end >= starts[line]:
            end_line = self._numbers[bisect_right(starts, end)]
        return Span(
            self.file, line, start - starts[line - 1] + 1, end_line, end - starts[end_line - 1] + 1
        )

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a place."""
        return self._line_starts[line - 1] + column - 1

    def line(self, number: int) -> str:
        """Return a line without its end; an empty text when there is no such line."""
        starts = self._line_starts
        if not 0 < number <= len(starts):
            return ""
        start = starts[number - 1]
        end = starts[number] - 1 if number < len(starts) else len(self.text)
        return self.text[start:end].removesuffix("\r")

    @cached_property
    def _numbers(self) -> list[int]:
        return list(range(len(self._line_starts) + 1))

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(newline.end() for newline in _NEWLINE.finditer(self.text))]
