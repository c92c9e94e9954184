"""Waits for a duration, or until a time."""

from datetime import UTC, datetime, time, timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.outcome import FailureClass, Outcome, failure, success
from attractor.engine.seams import Parts, Stage

# The clock is checked every minute: a machine may sleep, and its clock may be set.
_LOOK = timedelta(minutes=1)


@dataclass(frozen=True)
class Wait:
    """Waits from the start of the visit; a resumed run only waits for the remaining time."""

    parts: Parts

    async def execute(self, stage: Stage) -> Outcome:
        """Wait for `duration`, or until the time in `until`."""
        try:
            moment, longest = _goal(stage)
        except UsageError as mistake:
            reason = f"{stage.node.id}: {mistake} ({mistake.hint})"
            return failure(reason, FailureClass.PIPELINE)
        left = min(moment - stage.clock.now(), longest)
        if left > timedelta():
            stage.emit("WaitStarted", until=moment.isoformat(), seconds=left.total_seconds())
        while left > timedelta():
            nap = min(left, _LOOK)
            await stage.clock.sleep(nap)
            longest -= nap
            left = min(moment - stage.clock.now(), longest)
        return success(f"Waited until {moment.isoformat(timespec='seconds')}")


def _goal(stage: Stage) -> tuple[datetime, timedelta]:
    """Return the end of the wait, and the maximum duration in case the clock is set back."""
    duration = stage.node.attributes.duration("duration")
    until = stage.node.attributes.text("until").strip()
    if (duration is None) == (not until):
        which = "neither duration nor until" if duration is None else "both duration and until"
        raise UsageError(f"it has {which}", hint="set duration or until")
    if duration is None:
        return read_moment(until, stage.since), timedelta.max
    return stage.since + duration, duration


def read_moment(written: str, since: datetime) -> datetime:
    """Return a date and time; for a time of day, return the next occurrence after `since`.

    The default time zone is UTC, so the result is the same on every machine.
    """
    try:
        return _in_utc(datetime.fromisoformat(written))
    except (ValueError, OverflowError):
        pass
    try:
        of_day = time.fromisoformat(written)
    except ValueError as cause:
        hint = "write 2026-01-31T09:30:00Z, or the time of day: 09:30"
        raise UsageError(f"invalid time until={written!r}", hint=hint) from cause
    today = datetime.combine(since.astimezone(of_day.tzinfo or UTC), of_day)
    moment = _in_utc(today)
    return moment if moment > since else moment + timedelta(days=1)


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


part = Wait
