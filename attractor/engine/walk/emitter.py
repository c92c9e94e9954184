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
from attractor.engine.seams import ParentRun
from attractor.engine.state.identifiers import StageReference
from attractor.engine.truncation import shorten

TOOL_CALL = "TOOL_CALL_START"
"""The event type of a tool call by an agent."""


class Emitter:
    """Writes the events of one attempt into the journal, and keeps their kinds.

    `on_activity` is called for each event. `trouble` is the first error of the journal. `tools`
    counts the calls of each tool.
    """

    def __init__(
        self,
        run: OpenRun,
        place: StageReference,
        *,
        budgets: Budgets = NO_BUDGETS,
        parent: ParentRun | None = None,
        on_activity: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_activity = on_activity
        self._budgets = budgets
        self._parent = parent
        self._run = run
        self._place = place
        self._is_over = False
        self.kinds: set[str] = set()
        self.tools: dict[str, int] = {}
        self.trouble: MachineryError | None = None

    def __call__(self, kind: str, **data: Json) -> None:
        """Write an event into the journal."""
        with self._writing(kind):
            self._run.emit(kind, data, place=self._place)
        self.kinds.add(kind)
        if kind == TOOL_CALL:
            tool = shorten(str(data.get("tool_name", "")), LONGEST_NAME)
            self.tools[tool] = self.tools.get(tool, 0) + 1
        self._on_activity()

    def require_budget(self) -> None:
        """Halt if a budget of the run, or of a run that it is part of, is exhausted."""
        self._budgets.require_left(self._run)
        if self._parent:
            self._parent.require_budget()

    def use(self, usage: Usage) -> None:
        """Count the usage of a model call, and warn of a budget that is nearly exhausted."""
        event = ModelUsed(usage_to_record(usage))
        with self._writing(kind_of(event)):
            self._run.record(event, place=self._place)
            self._budgets.tell(self._run)
        self._on_activity()

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
        """Refuse further events."""
        self._is_over = True
