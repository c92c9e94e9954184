"""Records the events and the model usage of one attempt."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from attractor.base.errors import MachineryError
from attractor.base.json import Json
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.errors import StageOver
from attractor.engine.journal.events import ModelUsed, kind_of
from attractor.engine.outcome import Usage, usage_to_record
from attractor.engine.prompts.preamble import LONGEST_NAME
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.seams import ALONE, ParentRun
from attractor.engine.state.identifiers import StageReference
from attractor.engine.truncation import shorten

TOOL_CALL = "TOOL_CALL_START"
"""The kind that an agent emits for each call of a tool."""


class Emitter:
    """Writes events of one attempt into the journal, and remembers their kinds.

    `heard` is called for each one; `trouble` is what the journal could not take first, if anything.
    `tools` is how often each tool was called.
    """

    def __init__(
        self,
        run: OpenRun,
        place: StageReference,
        *,
        budgets: Budgets = NO_BUDGETS,
        above: ParentRun = ALONE,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._heard = heard
        self._budgets = budgets
        self._above = above
        self._run = run
        self._place = place
        self._is_over = False
        self.kinds: set[str] = set()
        self.tools: dict[str, int] = {}
        self.trouble: MachineryError | None = None

    def __call__(self, kind: str, **data: Json) -> None:
        """Write the event into the run's journal."""
        with self._writing(kind):
            self._run.emit(kind, data, place=self._place)
        self.kinds.add(kind)
        if kind == TOOL_CALL:
            tool = shorten(str(data.get("tool_name", "")), LONGEST_NAME)
            self.tools[tool] = self.tools.get(tool, 0) + 1
        self._heard()

    def require_left(self) -> None:
        """Halt where a budget of the run is used up, or of one that it is part of."""
        self._budgets.require_left(self._run)
        self._above.require_left()

    def use(self, usage: Usage) -> None:
        """Count what a call to a model used, and tell of a budget that is nearly used up."""
        happening = ModelUsed(usage_to_record(usage))
        with self._writing(kind_of(happening)):
            self._run.record(happening, place=self._place)
            self._budgets.tell(self._run)
        self._heard()

    @contextmanager
    def _writing(self, kind: str) -> Generator[None]:
        if self._is_over:
            raise StageOver(f"the stage is over: {kind} was not recorded")
        try:
            yield
        except MachineryError as trouble:
            self.trouble = self.trouble or trouble
            raise

    def close(self) -> None:
        """Take nothing more."""
        self._is_over = True
