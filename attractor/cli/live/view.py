"""What the live display knows of a run: values only, a bounded number of them."""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.outcome import NOTHING_USED, Usage

KEPT = 100
"""How many stages that ended are kept; of the others only the number."""

LAST_LINES = 3
"""How many lines of what a stage at work printed are kept."""

WAITS = "waits"
"""The state of a stage that waits to be tried again."""

WORKS = "works"
"""The state of a stage that is at work."""

StageKey = tuple[str, str]
"""The run, and what an attempt's visit goes by in it."""


def stage_key(event: Event) -> StageKey:
    """Return what the visit goes by that an event is about."""
    return event.run_id, f"{event.node}@{event.visit}"


@dataclass(frozen=True)
class StageRow:
    """One visit of a node: at work, or ended with an outcome."""

    node: str
    since: datetime
    visit: int = 1
    attempt: int = 1
    branch: str = ""
    state: str = WORKS
    seconds: float = 0.0
    usage: Usage = NOTHING_USED
    why: str = ""
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A question that waits for an answer; parked, no process waits with it."""

    stage: str
    text: str
    choices: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    is_parked: bool = False


@dataclass(frozen=True)
class Trials:
    """How far an evaluation has come, and what the gate said of it."""

    played: int = 0
    satisfied: int = 0
    gate: str = ""


@dataclass(frozen=True)
class View:
    """A run as far as the events told of it; `seq` is the last one of its own journal.

    `trouble` is what went wrong last without stopping it. `started` is when its process began,
    `seconds` how long the stages of its walk took in all.
    """

    run_id: str = ""
    seq: int = 0
    pipeline: str = ""
    started: datetime | None = None
    status: str = ""
    reason: str = ""
    trouble: str = ""
    is_paused: bool = False
    ended: int = 0
    failed: int = 0
    path: tuple[StageRow, ...] = ()
    at_work: Mapping[StageKey, StageRow] = field(default_factory=dict[StageKey, StageRow])
    questions: Mapping[str, Asked] = field(default_factory=dict[str, Asked])
    usage: Usage = NOTHING_USED
    seconds: float = 0.0
    budgets: Budgets = NO_BUDGETS
    trials: Trials = Trials()

    @property
    def used(self) -> Usage:
        """What was used of models so far, also by stages at work; a child's counts at its end."""
        own = (row.usage for (run_id, _), row in self.at_work.items() if run_id == self.run_id)
        return sum(own, self.usage)
