"""A terminal emulator for the live display; it fails on unknown control sequences."""

import re
from dataclasses import dataclass, field
from itertools import groupby

from rich.cells import cell_len

_ORDER = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|[\r\n\x07]|[^\x1b\r\n\x07]+")


@dataclass
class Screen:
    """Rows without end; the last rows are visible.

    `starts` marks the rows that begin a line; each other row continues the line of the row above.
    When the width changes, a terminal wraps its lines again, or, if it does not reflow, cuts its
    rows.
    """

    width: int
    reflows: bool = True
    rows: list[str] = field(default_factory=lambda: [""])
    starts: list[bool] = field(default_factory=lambda: [True])
    row: int = 0
    column: int = 0
    has_cursor: bool = True
    wraps: bool = True

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            order = _ORDER.match(text, at)
            assert order, f"an order nobody knows: {text[at : at + 20]!r}"
            self._obey(order)
            at = order.end()

    def resize(self, width: int) -> None:
        before, place, self.width = self.rows, self.row, width
        if not self.reflows:
            self.rows, self.starts = [one[:width] for one in before], [True] * len(before)
            self.column = min(self.column, width)
            return
        first = max(at for at in range(place + 1) if self.starts[at])
        offset = sum(map(len, before[first:place])) + self.column
        number, lines = sum(self.starts[: place + 1]) - 1, self.lines
        self.rows, self.starts = [], []
        for at, line in enumerate(lines):
            pieces = [line[start : start + width] for start in range(0, len(line), width)] or [""]
            if at == number:
                below = min(offset // width, len(pieces) - 1)
                self.row, self.column = len(self.rows) + below, offset - below * width
            self.rows += pieces
            self.starts += [True] + [False] * (len(pieces) - 1)

    def _obey(self, order: re.Match[str]) -> None:
        words, (private, number, letter) = order.group(), order.groups()
        if words == "\n":
            self._go_down(starts=True)
        elif words == "\r":
            self.column = 0
        elif words == "\x07" or letter == "m":
            pass
        elif private:
            assert number in ("7", "25")
            name = "wraps" if number == "7" else "has_cursor"
            setattr(self, name, letter == "h")
        elif letter == "A":
            self.row = max(0, self.row - int(number))
        elif letter == "J":
            assert number in ("", "0")
            self.rows[self.row :] = [self.rows[self.row][: self.column]]
            self.starts[self.row + 1 :] = []
        else:
            assert letter is None, f"an order nobody knows: {words!r}"
            for one in words:
                self._write(one)

    def _write(self, one: str) -> None:
        if self.column >= self.width and self.wraps:
            self._go_down(starts=False)
        self.column = min(self.column, self.width - 1)
        row = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = row[: self.column] + one + row[self.column + 1 :]
        self.column += cell_len(one)

    def _go_down(self, *, starts: bool) -> None:
        self.row, self.column = self.row + 1, 0
        if self.row == len(self.rows):
            self.rows.append("")
            self.starts.append(starts)

    @property
    def lines(self) -> list[str]:
        numbers = [sum(self.starts[: at + 1]) for at in range(len(self.rows))]
        numbered = zip(numbers, self.rows, strict=True)
        return ["".join(row for _, row in one) for _, one in groupby(numbered, lambda it: it[0])]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)
