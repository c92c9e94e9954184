"""Reads the colours that authors write as Graphviz does, and tells what can be read on them.

The colours of drawings, each for light and for dark surroundings.

Any text is readable on any fill it can stand on (contrast 4.5 at least); a test holds them to it.
In a drawing that suits itself to its surroundings a style sheet puts the dark colour in place of
the light one, so one light colour has one dark one.

Finds the colours that nobody knows: a drawing leaves them out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from colorsys import hsv_to_rgb
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.language.diagnostics import Diagnostic, Severity, suggester
from attractor.language.graph.graph import Graph
from attractor.language.graph.queries import each_attribute
from attractor.language.source.syntax_tree import Attribute
from attractor.language.source.text import quote

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


class Theme(StrEnum):
    """The surroundings that a drawing is made for."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class Paint(NamedTuple):
    """One colour in its two forms."""

    light: str
    dark: str

    def on(self, theme: Theme) -> str:
        """Return the colour in a theme."""
        return self.dark if theme is Theme.DARK else self.light


PLATE = Paint("#fefefe", "#0d1117")
INK = Paint("#1f2328", "#e6edf3")
MUTED = Paint("#57606a", "#9da7b3")
THREAD = Paint("#6e7781", "#8b949e")
BOX_FILL = Paint("#f6f8fa", "#161b22")
BOX_LINE = Paint("#848d97", "#6e7681")

_BLUE = Paint("#0969da", "#58a6ff"), Paint("#ddf4ff", "#0f2c4d")
_GREEN = Paint("#1a7f37", "#3fb950"), Paint("#dafbe1", "#0f3220")
_RED = Paint("#cf222e", "#f85149"), Paint("#ffebe9", "#47161a")
_AMBER = Paint("#9a6700", "#d29922"), Paint("#fff8c5", "#3a2e08")
_ORANGE = Paint("#bc4c00", "#f0883e"), Paint("#fff1e5", "#43260b")
_VIOLET = Paint("#8250df", "#bc8cff"), Paint("#fbefff", "#33205a")
_GREY = MUTED, Paint("#eaeef2", "#262c36")

PAINTS = (
    *(PLATE, INK, MUTED, THREAD, BOX_FILL, BOX_LINE, _GREY[1]),
    *(paint for pair in (_BLUE, _GREEN, _RED, _AMBER, _ORANGE, _VIOLET) for paint in pair),
)
"""Every colour there is."""


@dataclass(frozen=True)
class ElementStyle:
    """How a node or an edge is drawn."""

    line: Paint
    fill: Paint = PLATE
    text: Paint = INK
    width: float = 1.0
    is_dashed: bool = False


AGENT = ElementStyle(*_BLUE)
TOOL = ElementStyle(*_AMBER)
HUMAN = ElementStyle(*_VIOLET)
CONTROL = ElementStyle(*_GREY)
START = ElementStyle(*_GREEN, width=2)
EXIT = ElementStyle(INK, _GREY[1], width=2)

DONE = ElementStyle(*_GREEN, width=1.5)
FAILED = ElementStyle(*_RED, width=2.5)
RUNNING = ElementStyle(*_BLUE, width=2.5)
WAITING = ElementStyle(*_VIOLET, width=2.5)
INTERRUPTED = ElementStyle(*_ORANGE, width=2.5, is_dashed=True)
SKIPPED = ElementStyle(THREAD, text=MUTED, is_dashed=True)
UNREACHED = ElementStyle(BOX_LINE, text=MUTED, is_dashed=True)

WAY = ElementStyle(THREAD)
TAKEN = ElementStyle(INK, width=2.5)
UNTAKEN = ElementStyle(BOX_LINE, text=MUTED)
JUMP = ElementStyle(THREAD, text=MUTED, is_dashed=True)
TAKEN_JUMP = ElementStyle(INK, width=2.5, is_dashed=True)

UNCHANGED = ElementStyle(THREAD, BOX_FILL)
ADDED = ElementStyle(*_GREEN, width=2)
REMOVED = ElementStyle(*_RED, width=1.5, is_dashed=True)
CHANGED = ElementStyle(*_AMBER, width=2)

LOOKS = (
    *(AGENT, TOOL, HUMAN, CONTROL, START, EXIT),
    *(DONE, FAILED, RUNNING, WAITING, INTERRUPTED, SKIPPED, UNREACHED),
    *(WAY, TAKEN, UNTAKEN, JUMP, TAKEN_JUMP, UNCHANGED, ADDED, REMOVED, CHANGED),
)
"""Every look there is."""

LOOK_OF_TYPE = {
    "start": START,
    "exit": EXIT,
    "codergen": AGENT,
    "tool": TOOL,
    "wait.human": HUMAN,
}
"""The looks of types; the others are ways the walk takes, or types of somebody else."""


def look_of(type_: str) -> ElementStyle:
    """Return how a node of a type looks."""
    return LOOK_OF_TYPE.get(type_, CONTROL)


RULE = "color_known"
"""By what name they are told."""

COLORS = frozenset({"bgcolor", "color", "fillcolor", "fontcolor"})
"""The attributes that hold colours."""


def unknown_colors(graph: Graph, severity: Severity = Severity.WARNING) -> Iterator[Diagnostic]:
    """Yield every colour that is none; one in a default block comes once."""
    near = suggester(color_names())
    for node, attribute in _attributes(graph):
        unknown = unknown_in(str(attribute.value))
        if unknown:
            yield Diagnostic(
                severity,
                f"{quote(unknown)} is no colour: it is left out of drawings",
                attribute.value.span,
                node=node,
                fix=near(unknown.casefold()) or "write a name that Graphviz knows, or #rrggbb",
            )


def _attributes(graph: Graph) -> Iterator[tuple[str, Attribute]]:
    for holder, attribute in each_attribute(graph, COLORS):
        yield holder.node, attribute
    for subgraph in graph.subgraphs:
        by_key = subgraph.attributes.by_key
        yield from (("", by_key[key]) for key in COLORS & by_key.keys())
