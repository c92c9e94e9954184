"""Finds the lines of a hunk in a file: exactly, else forgiving what models get wrong.

Line ends never count. Then in this order are forgiven: space at the end of a line, space at both
ends, runs of space and the shape of quotes, dashes and spaces.
"""

import unicodedata
from collections.abc import Callable, Sequence

_LIKENESSES = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("‘’‚‛", "'"),
        **dict.fromkeys("“”„‟", '"'),
    }
)


def find_lines(
    lines: Sequence[str], wanted: Sequence[str], *, start: int = 0, at_end: bool = False
) -> int | None:
    """Return where the wanted lines stand, the strictest reading first, or None."""
    last = len(lines) - len(wanted)
    first = max(start, last) if at_end else start
    for read in _READINGS:
        pattern = [read(line) for line in wanted]
        file = [read(line) for line in lines]
        for place in range(first, last + 1):
            if file[place : place + len(pattern)] == pattern:
                return place
    return None


def _without_line_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _plain(line: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", line).translate(_LIKENESSES).split())


_READINGS: tuple[Callable[[str], str], ...] = (_without_line_end, str.rstrip, str.strip, _plain)
