"""Reads the colours that authors write as Graphviz does, and tells what can be read on them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from colorsys import hsv_to_rgb
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

READABLE = 4.5
"""The least contrast of a text to what is behind it (WCAG 2.2, level AA)."""

_HEXADECIMAL = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})")
_SCHEME = re.compile(r"/(?:x11)?/")
_CLEAR = frozenset({"transparent", "none"})
# Graphviz' scheme X11: a name, its colour, and those of the names with 1 to 4 at their end.
_NAMES = Path(__file__).with_name("colors.txt")


class Rgb(NamedTuple):
    """One colour, which nothing shines through."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"

    @property
    def luminance(self) -> float:
        """How light it is, from 0 to 1."""
        red, green, blue = (_linear(part / 255) for part in self)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def mixed(self, other: "Rgb", share: float) -> "Rgb":
        """Return it with a share of another colour in it."""
        return Rgb(
            *(round(one + (two - one) * share) for one, two in zip(self, other, strict=True))
        )


BLACK, WHITE = Rgb(0, 0, 0), Rgb(255, 255, 255)


class Stop(NamedTuple):
    """A colour in a list, and how much of the whole it takes, as it is written."""

    color: Rgb
    share: str = ""


class Colors(NamedTuple):
    """One colour, or several that run into each other; none where all shines through."""

    stops: tuple[Stop, ...]

    def __str__(self) -> str:
        return ":".join(f"{color}{share}" for color, share in self.stops) or "transparent"

    @property
    def is_clear(self) -> bool:
        """Whether there is nothing to be seen."""
        return not self.stops

    @property
    def first(self) -> "Colors":
        """The first colour alone."""
        return Colors(tuple(Stop(one.color) for one in self.stops[:1]))

    @property
    def shades(self) -> Sequence[Rgb]:
        """Every colour, and some of those between two of them."""
        colors = [one.color for one in self.stops]
        between = (one.mixed(two, part / 4) for one, two in pairwise(colors) for part in (1, 2, 3))
        return [*colors, *between]


def read_colors(text: str) -> Colors | None:
    """Return what a list of colours means; None when there is one in it that nobody knows."""
    if text.strip().casefold() in _CLEAR:
        return Colors(())
    stops: list[Stop] = []
    for written, share in _pieces(text):
        color = _read(written)
        if color is None:
            return None
        stops.append(Stop(color, share))
    return Colors(tuple(stops))


def unknown_in(text: str) -> str:
    """Return what of a list of colours is none; nothing when all are, or there is no list."""
    pieces = (written for written, _ in _pieces(text) if text.strip())
    return next((written or text for written in pieces if _read(written) is None), "")


def as_rgb(hexadecimal: str) -> Rgb:
    """Return the colour that is written `#rrggbb`."""
    return _hexadecimal(hexadecimal)


def color_names() -> Iterator[str]:
    """Yield the names that colours have."""
    yield from _by_name()


def contrast(one: Rgb, other: Rgb) -> float:
    """Return by how much two colours differ in light, from 1 to 21."""
    darker, lighter = sorted((one.luminance, other.luminance))
    return (lighter + 0.05) / (darker + 0.05)


def reads_on(text: Rgb, behind: Iterable[Rgb]) -> bool:
    """Tell whether a text in a colour can be read on each of some others."""
    return all(contrast(text, one) >= READABLE for one in behind)


def lightened(colors: Colors, text: Rgb) -> Colors:
    """Return colours with as much white in them as a text needs to be read on them."""
    shares = (part / 20 for part in range(21))
    steps = (_whiter(colors, share) for share in shares)
    return next((one for one in steps if reads_on(text, one.shades)), Colors((Stop(WHITE),)))


def _whiter(colors: Colors, share: float) -> Colors:
    return Colors(tuple(Stop(one.color.mixed(WHITE, share), one.share) for one in colors.stops))


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    for piece in text.split(":"):
        written, semicolon, share = piece.partition(";")
        yield written.strip(), semicolon + share.strip()


def _read(written: str) -> Rgb | None:
    text = written.casefold()
    if _HEXADECIMAL.fullmatch(text):
        return _hexadecimal(text)
    name = _SCHEME.sub("", text, count=1).replace("grey", "gray")
    known = WHITE if name in _CLEAR else _by_name().get(name)
    return known or _by_hue(text)


def _hexadecimal(text: str) -> Rgb:
    digits = text[1:] if len(text) > 4 else "".join(2 * one for one in text[1:])
    red, green, blue, *alpha = (int(digits[at : at + 2], 16) for at in range(0, len(digits), 2))
    color = Rgb(red, green, blue)
    # What shines through is taken for what it is on white: so it is one colour everywhere.
    return WHITE.mixed(color, alpha[0] / 255) if alpha else color


def _by_hue(text: str) -> Rgb | None:
    try:
        parts = [float(one) for one in text.replace(",", " ").split()]
    except ValueError:
        return None
    if len(parts) != 3 or not all(0 <= one <= 1 for one in parts):
        return None
    return Rgb(*(round(255 * one) for one in hsv_to_rgb(*parts)))


@cache
def _by_name() -> Mapping[str, Rgb]:
    return dict(_read_names(_NAMES.read_text("ascii")))


def _read_names(text: str) -> Iterator[tuple[str, Rgb]]:
    for line in text.splitlines():
        name, color, *numbered = line.split()
        yield name, _hexadecimal(f"#{color}")
        yield from ((f"{name}{at}", _hexadecimal(f"#{one}")) for at, one in enumerate(numbered, 1))


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4
