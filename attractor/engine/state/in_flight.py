"""The attempt that a walk is at: its times, its usage, and the failures before it."""

import re
from datetime import datetime

from attractor.base.dataclasses import changed, dataclass
from attractor.base.json import Json
from attractor.engine.outcome import (
    NOTHING_USED,
    Usage,
    usage_from_record,
    usage_to_record,
)
from attractor.engine.state.identifiers import stage_id
from attractor.engine.storage.json_files import Fields

LONGEST = 200


TRIED_OUT = "max retries exceeded"
"""What stands before the reason of a stage that wants to be tried again once too often."""


_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,64}\b|[0-9]+")


@dataclass(frozen=True)
class Streak:
    """How often in a row a stage failed in the same way, over visits and attempts together."""

    failure: str = ""
    count: int = 0

    def and_then(self, failure: str) -> "Streak":
        """Return the streak with one more failure, by its signature."""
        return Streak(failure, self.count + 1 if failure == self.failure else 1)


NO_STREAK = Streak()


def signature(reason: str) -> str:
    """Return a failure's reason without what differs from time to time: numbers, ids, blanks."""
    reason = reason.removeprefix(f"{TRIED_OUT}: ")
    return " ".join(_VARYING.sub("#", reason.casefold()).split())[:LONGEST]


@dataclass(frozen=True)
class InFlight:
    """The attempt at work, whose stage is not in the journal yet, and when its visit began.

    One that is aside writes into a folder of its own: another walk is at work in the node's. It was
    started more than once when it was interrupted, and not at all while it waits for its time.
    `used` is what the attempts of the visit that are over used of models, also those that were cut
    off, and `told` what this one used so far. A process is `at_work` on the visit since then, if
    one is, after others `worked` on it for so many seconds. `streak` counts the failures before
    this attempt, and `failed` is the signature of its own, once it has failed.
    """

    node: str
    visit: int
    attempt: int
    since: datetime
    is_aside: bool = False
    starts: int = 1
    used: Usage = NOTHING_USED
    reported: Usage = NOTHING_USED
    at_work: datetime | None = None
    worked: float = 0.0
    streak: Streak = NO_STREAK
    failed: str | None = None

    @property
    def id(self) -> str:
        """The id of the attempt; no other attempt of the run has the same."""
        return stage_id(self.node, self.visit, self.attempt)

    @property
    def interruption(self) -> str:
        """What a person is asked by when it was interrupted: each time it is another question."""
        name = f"{self.id}#interrupted"
        return name if self.starts < 2 else f"{name}.{self.starts}"

    @property
    def spent(self) -> Usage:
        """What the visit used of models so far."""
        return self.used + self.reported

    def seconds(self, now: datetime) -> float:
        """Return how long processes were at work on the visit until now, where one still is."""
        if self.at_work is None:
            return self.worked
        return self.worked + max(0.0, (now - self.at_work).total_seconds())

    def begun(self, attempt: int, at: datetime, *, is_aside: bool) -> "InFlight":
        """Return it when an attempt of the same visit begins: the next one, or one made again."""
        is_again = attempt == self.attempt and self.starts > 0
        return changed(
            self,
            attempt=attempt,
            is_aside=is_aside,
            starts=self.starts + 1 if is_again else 1,
            used=self.spent,
            reported=NOTHING_USED,
            at_work=at if is_again else self.at_work or at,
            worked=self.seconds(at) if is_again else self.worked,
            failed=None,
        )

    def ended(self, used: Usage | None, failed: str | None) -> "InFlight":
        """Return it when the attempt ended, which says what it used in all, or used what it told.

        It may be made again all the same: what is not in the journal whole did not happen.
        """
        if used is None and failed is None and self.reported is NOTHING_USED:
            return self
        spent = self.used + (self.reported if used is None else used)
        return changed(self, used=spent, reported=NOTHING_USED, failed=failed)

    def awaiting(self, attempt: int) -> "InFlight":
        """Return it when the attempt is over, and another one waits for its time."""
        streak = self.streak if self.failed is None else self.streak.and_then(self.failed)
        return changed(self, attempt=attempt, starts=0, streak=streak, failed=None)

    def left(self, at: datetime) -> "InFlight":
        """Return it when the process that was at work on it ended."""
        return changed(self, worked=self.seconds(at), at_work=None)


def flight_to_record(flight: InFlight) -> dict[str, Json]:
    """Return an attempt at work as the checkpoint has it."""
    return {
        "node": flight.node,
        "visit": flight.visit,
        "attempt": flight.attempt,
        "since": flight.since.isoformat(),
        "is_aside": flight.is_aside,
        "starts": flight.starts,
        "used": usage_to_record(flight.used),
        "told": usage_to_record(flight.reported),
        "at_work": flight.at_work.isoformat() if flight.at_work else None,
        "worked": flight.worked,
        "streak": streak_to_record(flight.streak),
        "failed": flight.failed,
    }


def flight_from_record(fields: Fields) -> InFlight:
    """Read an attempt at work back; an older checkpoint says less of it."""
    return InFlight(
        fields.text("node"),
        fields.number("visit"),
        fields.number("attempt"),
        fields.time("since"),
        fields.flag("is_aside"),
        fields.number("starts") if fields.has("starts") else 1,
        _usage(fields, "used"),
        _usage(fields, "told"),
        fields.time("at_work") if fields.has("at_work") else None,
        fields.real("worked") if fields.has("worked") else 0.0,
        streak_from_record(fields.inner("streak")) if fields.has("streak") else NO_STREAK,
        fields.text("failed") if fields.has("failed") else None,
    )


def streak_to_record(streak: Streak) -> dict[str, Json]:
    """Return a streak as the journal has it."""
    return {"failure": streak.failure, "alike": streak.count}


def streak_from_record(fields: Fields) -> Streak:
    """Read a streak back."""
    return Streak(fields.text("failure"), fields.number("alike"))


def _usage(fields: Fields, name: str) -> Usage:
    return usage_from_record(fields.inner(name)) if fields.has(name) else NOTHING_USED
