"""The timeline of a run: its rows by branches, their bars, and where a fork can begin."""

from collections.abc import Callable, Sequence
from datetime import datetime
from zlib import crc32

from attractor.base.dataclasses import dataclass
from attractor.engine.state.attempts import attempt_key
from attractor.language.drawing.run_overlay import StageState
from attractor.records.timeline import StageAttempt, Timeline

MOST_ROWS = 50
"""The attempts outside of branches in the timeline, and the visits to fork at, in a page."""


def fork_point(attempt: StageAttempt, attempts: Sequence[StageAttempt]) -> str:
    """Return the visit from which a fork repeats an attempt.

    A fork cannot begin in a branch: it begins at the parallel node that started the branch.
    """
    outer = (
        each
        for each in attempts
        if not each.branch
        and attempt.branch.startswith(attempt_key("", each.node, each.visit, each.attempt))
    )
    begin = next(outer, attempt) if attempt.branch else attempt
    return f"{begin.node}@{begin.visit}"


def list_fork_points(attempts: Sequence[StageAttempt]) -> Sequence[str]:
    """Return the newest visits at which a fork can begin, the newest first."""
    visits = dict.fromkeys(fork_point(each, attempts) for each in attempts if not each.branch)
    return list(reversed(visits))[:MOST_ROWS]


@dataclass(frozen=True)
class Bar:
    """A bar of the timeline, in seconds since the start; the bar of an open period has no end."""

    start: float
    width: float


_ENDLESS = 1e9
"""The width of a bar that reaches beyond the end of the timeline, which cuts it off."""


def timeline_span(timeline: Timeline, now: datetime) -> float:
    """Return the seconds that the timeline shows; a live run's timeline reaches to now."""
    begin = timeline.start
    if begin is None:
        return 1.0
    ends = [period.end for each in timeline.attempts for period in each.periods if period.end]
    # The time of a decision after the last stage would make the bars short.
    end = now if timeline.is_live else max(ends, default=begin)
    return round(max((end - begin).total_seconds(), 0.01), 2)


def bars_of(attempt: StageAttempt, timeline: Timeline) -> Sequence[Bar]:
    """Return the bars of an attempt, which do not change while other attempts go on."""
    begin = timeline.start or attempt.started
    return [
        Bar(
            round((period.start - begin).total_seconds(), 2),
            round((period.end - period.start).total_seconds(), 2) if period.end else _ENDLESS,
        )
        for period in attempt.periods
    ]


@dataclass(frozen=True)
class TimelineGroup:
    """Attempts of a timeline: those of a branch, or an attempt outside of branches."""

    branch: str
    attempts: Sequence[StageAttempt]
    is_short: bool

    @property
    def id(self) -> str:
        """A short name of the branch for elements of a page."""
        return f"group-{crc32(self.branch.encode()):08x}"

    @property
    def name(self) -> str:
        """The first node of the branch."""
        return self.attempts[0].node

    @property
    def state(self) -> StageState:
        """The state of the branch: of what is at work or failed, otherwise of its last attempt."""
        states = {attempt.state for attempt in self.attempts if not attempt.will_retry}
        urgent = (StageState.FAILED, StageState.WAITING, StageState.RUNNING, StageState.INTERRUPTED)
        return next((state for state in urgent if state in states), self.attempts[-1].state)

    @property
    def seconds(self) -> float:
        """The time of all attempts, also of those that were cut."""
        return sum(attempt.worked for attempt in self.attempts)

    def is_open(self, selected: str) -> bool:
        """Return whether the rows of the branch are shown at first."""
        return self.is_short or any(attempt.id == selected for attempt in self.attempts)

    def bars(self, of: Callable[[StageAttempt], Sequence[Bar]]) -> Sequence[Bar]:
        """Return one bar from the first start to the last end."""
        found = [bar for attempt in self.attempts for bar in of(attempt)]
        start = min(bar.start for bar in found)
        return [Bar(start, round(max(bar.start + bar.width for bar in found) - start, 2))]


def timeline_groups(attempts: Sequence[StageAttempt], *, is_short: bool) -> Sequence[TimelineGroup]:
    """Return the attempts of a timeline, with those of each branch together."""
    groups: dict[str, list[StageAttempt]] = {}
    for number, attempt in enumerate(attempts):
        key = "/".join(attempt.branch.split("/")[:2]) or f"/{number}"
        groups.setdefault(key, []).append(attempt)
    return [
        TimelineGroup("" if key.startswith("/") else key, attempts, is_short)
        for key, attempts in groups.items()
    ]


def newest_groups(groups: Sequence[TimelineGroup], picked: str) -> Sequence[TimelineGroup]:
    """Return all branches, and the newest attempts outside of them with the one that is open."""
    rows = [one for one in groups if not one.branch]
    left_out = {
        id(one) for one in rows[:-MOST_ROWS] if all(each.id != picked for each in one.attempts)
    }
    return [one for one in groups if id(one) not in left_out]
