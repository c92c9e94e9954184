"""The themes of drawings, and the style of nodes and edges of each kind.

Every text has a contrast of at least 4.5 to the fill behind the text, in light and in dark.
"""

from enum import StrEnum
from typing import NamedTuple

from attractor.base.dataclasses import dataclass


class Theme(StrEnum):
    """The background that a drawing is made for; `auto` follows the reader's preference."""

    AUTO = "auto"
    LIGHT = "light"
    DARK = "dark"


class Paint(NamedTuple):
    """A colour of a drawing: for light and for dark themes."""

    light: str
    dark: str

    def on(self, theme: Theme) -> str:
        """Return the colour to use in a theme."""
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
"""Every colour of a drawing; a style sheet replaces each light colour by the dark colour."""


@dataclass(frozen=True)
class ElementStyle:
    """The colours and the line of a node or an edge."""

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

EDGE = ElementStyle(THREAD)
TAKEN = ElementStyle(INK, width=2.5)
UNTAKEN = ElementStyle(BOX_LINE, text=MUTED)
JUMP = ElementStyle(THREAD, text=MUTED, is_dashed=True)
TAKEN_JUMP = ElementStyle(INK, width=2.5, is_dashed=True)

UNCHANGED = ElementStyle(THREAD, BOX_FILL)
ADDED = ElementStyle(*_GREEN, width=2)
REMOVED = ElementStyle(*_RED, width=1.5, is_dashed=True)
CHANGED = ElementStyle(*_AMBER, width=2)

STYLE_OF_TYPE = {
    "start": START,
    "exit": EXIT,
    "codergen": AGENT,
    "tool": TOOL,
    "wait.human": HUMAN,
}
"""The styles of node types; every other type has the style of control nodes."""


def style_of_type(type_: str) -> ElementStyle:
    """Return the style of a node type."""
    return STYLE_OF_TYPE.get(type_, CONTROL)
