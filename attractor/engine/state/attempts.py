"""Attempts in flight, and the ids of stages, branches and trees."""

from datetime import datetime, timedelta

from attractor.base.dataclasses import changed, dataclass
from attractor.base.patterns import late_pattern
from attractor.engine.outcome import NOTHING_USED, Usage

TreeId = str
"""The git id of a tree."""


def stage_id(node: str, visit: int, attempt: int) -> str:
    """Return the id of an attempt, as used in questions and by backends."""
    return f"{node}@{visit}.{attempt}"


@dataclass(frozen=True)
class StageReference:
    """The attempt and the branch to which an event belongs."""

    node: str | None = None
    visit: int | None = None
    attempt: int | None = None
    branch: str | None = None


NO_PLACE = StageReference()

MAIN = ""
"""The key of the walk from the start, and of its workspace."""


# The separators within keys; the id of a node may contain them too.
_ENCODED = str.maketrans({character: f"%{ord(character):02X}" for character in "%/@"})


def visit_key(parent: str, node: str, visit: int) -> str:
    """Return the common prefix of the keys of all branches of a visit."""
    place = f"{node.translate(_ENCODED)}@{visit}."
    return f"{parent}/{place}" if parent else place


def attempt_key(parent: str, node: str, visit: int, attempt: int) -> str:
    """Return the common prefix of the keys of all branches of an attempt.

    The name of the branch follows, so each branch of a run has a unique key.
    """
    return f"{visit_key(parent, node, visit)}{attempt}/"


def branch_key(attempt: str, name: str) -> str:
    """Return the key of a branch: the key of an attempt, followed by the name of the branch."""
    return attempt + name.translate(_ENCODED)


LONGEST = 200

TRIED_OUT = "max retries exceeded"
"""The beginning of the failure reason if the last attempt asked for a retry."""

_VARYING = late_pattern(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,64}\b|[0-9]+")


@dataclass(frozen=True)
class Streak:
    """The number of times in a row that a stage failed in the same way.

    Visits and attempts all count.
    """

    failure: str = ""
    count: int = 0

    def and_then(self, failure: str, times: int = 1) -> "Streak":
        """Return the streak after one more failure, or after several equal failures."""
        return Streak(failure, (self.count if failure == self.failure else 0) + times)


NO_STREAK = Streak()


def signature(reason: str) -> str:
    """Return a failure reason without numbers, ids and blanks, to compare failures."""
    reason = reason.removeprefix(f"{TRIED_OUT}: ")
    return " ".join(_VARYING.sub("#", reason.casefold()).split())[:LONGEST]


@dataclass(frozen=True)
class InFlight:
    """The current attempt and visit of a walk; no recorded step contains the attempt yet.

    An attempt that `is_aside` has its own folder, because another walk uses the folder of the node.
    `starts` is above 1 after an interruption, and 0 while a retry waits for its delay. `used` is
    the usage of earlier attempts of the visit, `reported` the usage of this attempt so far, and
    `calling` the estimate of its model calls that have not ended, which began at `calling_since`.
    `worked` is the time in seconds that earlier processes spent on the visit; the current process
    began the visit at `working_since`; since `waiting_since` the run waits, and no time counts.
    `streak` counts the failures before this attempt; `failed` is the signature of the failure of
    this attempt. `tree` is the tree that the attempt before this one left, if this attempt starts
    from it; `before` says how that attempt ended.
    """

    node: str
    visit: int
    attempt: int
    since: datetime
    is_aside: bool = False
    starts: int = 1
    used: Usage = NOTHING_USED
    reported: Usage = NOTHING_USED
    working_since: datetime | None = None
    worked: float = 0.0
    streak: Streak = NO_STREAK
    failed: str | None = None
    tree: TreeId = ""
    before: str = ""
    waiting_since: datetime | None = None
    calling: Usage = NOTHING_USED
    calling_since: datetime | None = None
    is_parked: bool = False

    @property
    def id(self) -> str:
        """The unique id of the attempt."""
        return stage_id(self.node, self.visit, self.attempt)

    @property
    def interruption(self) -> str:
        """The id of the question about the interruption; each interruption has another id."""
        name = f"{self.id}#interrupted"
        return name if self.starts < 2 else f"{name}.{self.starts}"

    @property
    def spent(self) -> Usage:
        """The usage of the visit so far."""
        return self.used + self.reported

    def seconds(self, now: datetime) -> float:
        """Return how many seconds processes have worked on the visit until now."""
        if self.working_since is None:
            return self.worked
        until = self.waiting_since or now
        return self.worked + max(0.0, (until - self.working_since).total_seconds())

    def begun(self, attempt: int, at: datetime, *, is_aside: bool) -> "InFlight":
        """Return the flight after an attempt has begun, which is the next attempt of the visit or a
        repeated attempt.
        """
        is_again = attempt == self.attempt and self.starts > 0
        return changed(
            self,
            attempt=attempt,
            is_aside=is_aside,
            starts=self.starts + 1 if is_again else 1,
            used=self.spent,
            reported=NOTHING_USED,
            calling=NOTHING_USED,
            calling_since=None,
            working_since=at if is_again else self.working_since or at,
            worked=self.seconds(at) if is_again else self.worked,
            waiting_since=None,
            failed=None,
            is_parked=False,
        )

    def ended(self, used: Usage | None, failed: str | None) -> "InFlight":
        """Return the flight after the attempt has ended, with the usage of the attempt.

        The attempt can still be repeated, until its step is recorded.
        """
        if used is None and failed is None and self.reported is NOTHING_USED:
            return self
        spent = self.used + (self.reported if used is None else used)
        after = changed(self, used=spent, reported=NOTHING_USED, failed=failed)
        return after.with_calls(NOTHING_USED, None)

    def with_calls(self, calling: Usage, at: datetime | None) -> "InFlight":
        """Return the flight after a model call has begun or ended."""
        since = (self.calling_since or at) if calling != NOTHING_USED else None
        return changed(self, calling=calling, calling_since=since)

    def awaiting(self, attempt: int, *, tree: TreeId = "", before: str = "") -> "InFlight":
        """Return the flight after the attempt, while a retry waits for its delay."""
        streak = self.streak if self.failed is None else self.streak.and_then(self.failed)
        return changed(
            self,
            attempt=attempt,
            starts=0,
            streak=streak,
            failed=None,
            tree=tree,
            before=before,
        )

    def left(self, at: datetime) -> "InFlight":
        """Return the flight after the process that executed the attempt has ended."""
        return changed(self, worked=self.seconds(at), working_since=None, waiting_since=None)

    def waiting(self, at: datetime) -> "InFlight":
        """Return the flight after the run has begun to wait."""
        return self if self.waiting_since else changed(self, waiting_since=at)

    def continued(self, at: datetime) -> "InFlight":
        """Return the flight after the run continues: the time of the wait is left out."""
        if self.waiting_since is None or self.working_since is None:
            return changed(self, waiting_since=None)
        waited = max(timedelta(), at - self.waiting_since)
        return changed(self, working_since=self.working_since + waited, waiting_since=None)
