"""Finds lines in a file, exactly or with increasing tolerance.

The readings, from strict to tolerant: the lines themselves (without their line ends), without space
at the end, without space at both ends, and with runs of space and the shape of quotes and dashes
ignored. A tolerant reading is tried only if no stricter reading matches anywhere.
"""

import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from attractor.base.dataclasses import dataclass

_LIKENESSES = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("‘’‚‛", "'"),
        **dict.fromkeys("“”„‟", '"'),
    }
)

MOST_PLACES = 20
"""The number of positions that a search returns."""


@dataclass(frozen=True)
class LineMatch:
    """The first positions of lines in a file, and the ignored difference (empty: none)."""

    places: Sequence[int]
    ignored: str


def find_lines(
    lines: Sequence[str], wanted: Sequence[str], *, start: int = 0, at_end: bool = False
) -> int | None:
    """Return the first position of lines by the strictest reading that matches, otherwise None."""
    last = len(lines) - len(wanted)
    found = find_all_lines(lines, wanted, start=max(start, last) if at_end else start)
    return found.places[0] if found else None


def find_all_lines(
    lines: Sequence[str], wanted: Sequence[str], *, start: int = 0
) -> LineMatch | None:
    """Return the first positions of lines by the strictest reading that matches, otherwise None."""
    for ignored, read in _READINGS.items():
        # As texts, because the search of Python is linear.
        pattern = "\n".join(["", *map(read, wanted), ""])
        text = "\n".join(["", *map(read, lines[start:]), ""])
        places: list[int] = []
        line, before, at = start, 0, text.find(pattern)
        while at >= 0 and len(places) < MOST_PLACES:
            line += text.count("\n", before, at)
            places.append(line)
            before, at = at, text.find(pattern, at + 1)
        if places:
            return LineMatch(tuple(places), ignored)
    return None


def _without_line_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _plain(line: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", line).translate(_LIKENESSES).split())


_READINGS: Mapping[str, Callable[[str], str]] = {
    "": _without_line_end,
    "white space at the end of lines": str.rstrip,
    "indentation": str.strip,
    "white space, quotes or dashes": _plain,
}


def reindent(
    there: Sequence[str], wanted: Sequence[str], fresh: Sequence[str]
) -> Sequence[str] | None:
    """Indent new lines as the file does; None if the indentation does not differ uniformly."""
    pairs = [
        (_indentation(line), _indentation(old))
        for line, old in zip(there, wanted, strict=True)
        if old.strip()
    ]
    for more, less in {_difference(line, old) for line, old in pairs}:
        uniform = all(
            (line[: len(more)], old[: len(less)]) == (more, less)
            and line[len(more) :] == old[len(less) :]
            for line, old in pairs
        )
        if uniform and all(line.startswith(less) for line in fresh if line.strip()):
            return [more + line[len(less) :] if line.strip() else line for line in fresh]
    return None


def _difference(line: str, old: str) -> tuple[str, str]:
    """Return two indentations without their common end."""
    common = len(os.path.commonprefix([line[::-1], old[::-1]]))
    return line[: len(line) - common], old[: len(old) - common]


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
