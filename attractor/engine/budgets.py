"""What a run may use at most, and how near it is to that (ruling R12).

What handlers emit events with, and count what they use: of one attempt, while it lasts.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError
from attractor.base.json import Json
from attractor.engine.child_runs import ALONE, ParentRun
from attractor.engine.errors import StageOver
from attractor.engine.interfaces import Exhausted
from attractor.engine.journal.events import BudgetWarning, ModelUsed, StageReference, kind_of
from attractor.engine.json_files import Fields
from attractor.engine.outcome import Usage, usage_to_record
from attractor.engine.prompts.preamble import LONGEST_NAME
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.stage_report import shorten
from attractor.language.graph.graph import Graph

_Amount = TypeVar("_Amount", float, int, timedelta)

BUDGETS_SET = "BudgetsSet"
"""The kind emitted when a walk begins or goes on under budgets."""

WARNING_SHARE = 0.8
"""From this share of a budget on people are told."""


@dataclass(frozen=True)
class Budgets:
    """What a run may use at most; None is no limit."""

    cost_usd: float | None = None
    tokens: int | None = None
    duration: timedelta | None = None

    def over(self, other: "Budgets") -> "Budgets":
        """Return these budgets, and those of the other where there is none."""
        return Budgets(
            other.cost_usd if self.cost_usd is None else self.cost_usd,
            other.tokens if self.tokens is None else self.tokens,
            other.duration if self.duration is None else self.duration,
        )

    def within(self, other: "Budgets") -> "Budgets":
        """Return the lesser one of each two."""
        return Budgets(
            _lesser(self.cost_usd, other.cost_usd),
            _lesser(self.tokens, other.tokens),
            _lesser(self.duration, other.duration),
        )

    def left_by(self, run: OpenRun) -> "Budgets":
        """Return what a run has left for the stage that it is at."""
        used, spent = run.state.used, timedelta(seconds=run.progress.seconds)
        return Budgets(
            None if self.cost_usd is None else self.cost_usd - used.cost_usd,
            None if self.tokens is None else self.tokens - used.tokens,
            None if self.duration is None else self.duration - spent,
        )

    def require_left(self, run: OpenRun, used: Usage | None = None) -> None:
        """Tell of a budget that is nearly used up, once; halt the walk when one is.

        What is used counts as it stands in the run, unless more is known of it.
        """
        for use in self._uses(run, used):
            # Told first: what several use at the same time may be used up at one stroke.
            _tell(run, use)
            if use.spent >= use.limit:
                raise Exhausted(f"the budget {use.name} is used up: {use}")

    def tell(self, run: OpenRun) -> None:
        """Tell of a budget that is nearly used up, or is, once."""
        for use in self._uses(run):
            _tell(run, use)

    def _uses(self, run: OpenRun, used: Usage | None = None) -> Iterator["_Use"]:
        if self == NO_BUDGETS:
            return
        used = used or run.state.used
        if self.cost_usd is not None:
            yield _Use("max_cost_usd", round(used.cost_usd, 6), self.cost_usd)
        if self.tokens is not None:
            yield _Use("max_tokens", used.tokens, self.tokens)
        if self.duration is not None:
            spent = run.state.seconds(run.clock.now())
            yield _Use("max_duration", round(spent, 3), self.duration.total_seconds())


NO_BUDGETS = Budgets()


@dataclass(frozen=True)
class _Use:
    """How much of a budget is used."""

    name: str
    spent: float
    limit: float

    def __str__(self) -> str:
        return f"{self.spent:.12g} of {self.limit:.12g}"


def read_budgets(graph: Graph) -> Budgets:
    """Return the budgets that a graph asks for."""
    attributes = graph.attributes
    cost = attributes.text("max_cost_usd")
    return Budgets(
        cost_usd=float(cost) if cost else None,
        tokens=attributes.number("max_tokens"),
        duration=attributes.duration("max_duration"),
    )


def tell_budgets(run: OpenRun, budgets: Budgets) -> None:
    """Say in the journal which budgets count from now on, if any do."""
    if budgets != NO_BUDGETS:
        run.emit(BUDGETS_SET, budgets_to_record(budgets))


def budgets_to_record(budgets: Budgets) -> dict[str, Json]:
    """Return budgets as the manifest has them."""
    duration = budgets.duration
    return {
        "cost_usd": budgets.cost_usd,
        "tokens": budgets.tokens,
        "seconds": duration.total_seconds() if duration is not None else None,
    }


def budgets_from_record(fields: Fields) -> Budgets:
    """Read budgets back."""
    return Budgets(
        fields.real("cost_usd") if fields.has("cost_usd") else None,
        fields.number("tokens") if fields.has("tokens") else None,
        timedelta(seconds=fields.real("seconds")) if fields.has("seconds") else None,
    )


def _lesser(one: _Amount | None, other: _Amount | None) -> _Amount | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


def _tell(run: OpenRun, use: _Use) -> None:
    if use.spent >= WARNING_SHARE * use.limit and use.name not in run.state.warned:
        run.record(BudgetWarning(use.name, use.spent, use.limit))


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
