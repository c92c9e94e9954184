"""A terminal as far as the live display needs one: it obeys a few orders, and knows no others."""

import re
from dataclasses import dataclass, field

from rich.cells import cell_len

_ORDER = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|[\r\n\x07]|[^\x1b\r\n\x07]+")


@dataclass
class Screen:
    """Endless lines, of which the last ones are what a person sees."""

    width: int
    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    has_cursor: bool = True

    def feed(self, text: str) -> None:
        at = 0
        while at < len(text):
            order = _ORDER.match(text, at)
            assert order, f"an order nobody knows: {text[at : at + 20]!r}"
            self._obey(order)
            at = order.end()

    def _obey(self, order: re.Match[str]) -> None:
        words, (private, number, letter) = order.group(), order.groups()
        if words == "\n":
            self.row += 1
            self.lines += [""] if self.row == len(self.lines) else []
        elif words in ("\r", "\x07") or letter == "m":
            pass
        elif private:
            assert number == "25"
            self.has_cursor = letter == "h"
        elif letter == "A":
            self.row -= int(number)
        elif letter == "K":
            self.lines[self.row] = ""
        else:
            assert letter is None, f"an order nobody knows: {words!r}"
            # Whoever writes over something else has not cleared it.
            self.lines[self.row] += words

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def widest(self) -> int:
        return max(map(cell_len, self.lines))
