"""The colours of drawings, each for light and for dark surroundings.

Any text is readable on any fill it can stand on (contrast 4.5 at least); a test holds them to it.
In a drawing that suits itself to its surroundings a style sheet puts the dark colour in place of
the light one, so one light colour has one dark one.
"""

from enum import StrEnum
from typing import NamedTuple

from attractor.base.dataclasses import dataclass


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
class Look:
    """How a node or an edge is drawn."""

    line: Paint
    fill: Paint = PLATE
    text: Paint = INK
    width: float = 1.0
    is_dashed: bool = False


AGENT = Look(*_BLUE)
TOOL = Look(*_AMBER)
HUMAN = Look(*_VIOLET)
CONTROL = Look(*_GREY)
START = Look(*_GREEN, width=2)
EXIT = Look(INK, _GREY[1], width=2)

DONE = Look(*_GREEN, width=1.5)
FAILED = Look(*_RED, width=2.5)
RUNNING = Look(*_BLUE, width=2.5)
WAITING = Look(*_VIOLET, width=2.5)
INTERRUPTED = Look(*_ORANGE, width=2.5, is_dashed=True)
SKIPPED = Look(THREAD, text=MUTED, is_dashed=True)
UNREACHED = Look(BOX_LINE, text=MUTED, is_dashed=True)

WAY = Look(THREAD)
TAKEN = Look(INK, width=2.5)
UNTAKEN = Look(BOX_LINE, text=MUTED)
JUMP = Look(THREAD, text=MUTED, is_dashed=True)
TAKEN_JUMP = Look(INK, width=2.5, is_dashed=True)

UNCHANGED = Look(THREAD, BOX_FILL)
ADDED = Look(*_GREEN, width=2)
REMOVED = Look(*_RED, width=1.5, is_dashed=True)
CHANGED = Look(*_AMBER, width=2)

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


def look_of(type_: str) -> Look:
    """Return how a node of a type looks."""
    return LOOK_OF_TYPE.get(type_, CONTROL)
