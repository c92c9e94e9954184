"""What handlers emit events with: those of one attempt, as long as it lasts."""

from collections.abc import Callable

from attractor.base.canonical import Json
from attractor.base.errors import MachineryError
from attractor.engine.errors import StageOver
from attractor.engine.events import Place
from attractor.engine.excerpts import shorten
from attractor.engine.open_run import OpenRun
from attractor.engine.past import LONGEST_NAME

TOOL_CALL = "TOOL_CALL_START"
"""The kind that an agent emits for each call of a tool."""


class Emitter:
    """Writes events of one attempt into the journal, and remembers their kinds.

    `heard` is called for each one; `trouble` is what the journal could not take first, if anything.
    `tools` is how often each tool was called.
    """

    def __init__(
        self, run: OpenRun, place: Place, *, heard: Callable[[], None] = lambda: None
    ) -> None:
        self._heard = heard
        self._run = run
        self._place = place
        self._is_over = False
        self.kinds: set[str] = set()
        self.tools: dict[str, int] = {}
        self.trouble: MachineryError | None = None

    def __call__(self, kind: str, **data: Json) -> None:
        """Write the event into the run's journal."""
        if self._is_over:
            raise StageOver(f"the stage is over: {kind} was not recorded")
        try:
            self._run.emit(kind, data, place=self._place)
        except MachineryError as trouble:
            self.trouble = self.trouble or trouble
            raise
        self.kinds.add(kind)
        if kind == TOOL_CALL:
            tool = shorten(str(data.get("tool_name", "")), LONGEST_NAME)
            self.tools[tool] = self.tools.get(tool, 0) + 1
        self._heard()

    def close(self) -> None:
        """Take nothing more."""
        self._is_over = True
