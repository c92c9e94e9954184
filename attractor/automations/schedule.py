"""Schedules: the occurrences between two times, and those of them that are to start now.

An occurrence is a time of five fields in a time zone, and is the same for every process: its time
in UTC. A time that the clock skips is later by what it skips; a repeated one is the first of both.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from zoneinfo import ZoneInfo

from attractor.automations.errors import InvalidAutomation
from attractor.base.cron import InvalidCron, next_time, occurrences, parse_cron
from attractor.base.dataclasses import dataclass

PUNCTUAL = timedelta(minutes=1)
"""An occurrence that starts later than this was missed, such as while no server was there."""

_SEARCHED = timedelta(days=2)


class CatchUp(StrEnum):
    """Which missed occurrences start as soon as a server is there again."""

    NONE = "none"
    LAST = "last"
    ALL = "all"


@dataclass(frozen=True)
class Schedule:
    """The times at which runs start: `cron` has five fields, in the time zone `zone`."""

    cron: str
    zone: str = "UTC"
    catch_up: CatchUp = CatchUp.NONE

    def require_valid(self, now: datetime) -> None:
        """Refuse an unknown time zone, and times that are invalid or never come."""
        try:
            ZoneInfo(self.zone)
        except (ValueError, OSError, LookupError) as cause:
            hint = "write a name such as Europe/Vienna or UTC"
            raise InvalidAutomation(f"unknown time zone {self.zone!r}", hint=hint) from cause
        try:
            self.next_after(now)
        except InvalidCron as cause:
            hint = "write minute, hour, day, month and weekday, such as '0 8 * * mon'"
            raise InvalidAutomation(f"schedule: {cause}", hint=hint) from cause

    def next_after(self, moment: datetime) -> datetime:
        """Return the first occurrence after a moment, in UTC."""
        return next_time(self.cron, moment, ZoneInfo(self.zone))

    def between(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield the occurrences after a time up to another one, in order, each once."""
        found = occurrences(parse_cron(self.cron), after, ZoneInfo(self.zone))
        return takewhile(lambda moment: moment <= until, found)

    def due(self, since: datetime, now: datetime) -> Iterator[datetime]:
        """Yield the occurrences that are to start now, in order.

        `since` is the last occurrence that started, or the time from which the schedule counts.
        """
        late = now - PUNCTUAL
        on_time = self.between(max(since, late), now)
        match self.catch_up:
            case CatchUp.NONE:
                yield from on_time
            case CatchUp.LAST:
                yield from [*on_time] or self._last(since, late)
            case CatchUp.ALL:
                yield from self.between(since, now)

    def _last(self, after: datetime, until: datetime) -> Sequence[datetime]:
        """Return the last occurrence after a time up to another one, if there is one."""
        searched = _SEARCHED
        while after < until:
            begin = max(after, until - searched)
            if found := [*self.between(begin, until)]:
                return found[-1:]
            if begin == after:
                break
            searched *= 2
        return ()
