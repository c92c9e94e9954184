"""Times of five fields, such as `0 8 * * mon`: minute, hour, day of the month, month, weekday.

A field is `*` or a list of numbers, ranges and steps: `0,30`, `1-5`, `*/10`. Months and weekdays
have names (`jan`, `mon`), and Sunday is 0 or 7. If both days are given, either of them is enough.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import count

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_PART = late_pattern(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/([0-9]{1,2}))?")
# The longest time between two 29ths of February on one weekday, over a century without a leap year.
_MOST_DAYS = 41 * 366


class InvalidCron(ValueError):
    """Words that are no time of five fields."""


@dataclass(frozen=True)
class Cron:
    """The allowed values of each field; `either` of the two days is enough."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    def is_on(self, moment: datetime) -> bool:
        """Return whether the day of a moment is a day of the times."""
        is_day = moment.day in self.days
        is_weekday = moment.isoweekday() % 7 in self.weekdays
        is_both = is_day or is_weekday if self.either else is_day and is_weekday
        return moment.month in self.months and is_both


def parse_cron(when: str) -> Cron:
    """Return the times of five fields, or raise InvalidCron."""
    words = when.casefold().split()
    if len(words) != len(_FIELDS):
        raise InvalidCron(f"invalid time {when!r}: write five fields, such as '0 8 * * mon'")
    pairs = zip(words, _FIELDS, strict=True)
    minutes, hours, days, months, weekdays = [
        frozenset(_values(word, *field)) for word, field in pairs
    ]
    either = not words[2].startswith("*") and not words[4].startswith("*")
    if not either and min(days) > max(_DAYS[month - 1] for month in months):
        raise InvalidCron(f"invalid time {when!r}: no month has this day")
    return Cron(minutes, hours, days, months, frozenset(one % 7 for one in weekdays), either)


def _values(word: str, name: str, least: int, most: int) -> Iterator[int]:
    for part in word.split(","):
        found = _PART.fullmatch(part)
        first = last = None
        if found:
            every, begin, end, _ = found.groups()
            first = least if every else _number(begin, name)
            last = most - (name == "weekday") if every else _number(end or begin, name)
        step = int(found[4] or 1) if found else 0
        is_single = bool(found and found[4] and not found[1] and not found[3])
        if first is None or last is None or not least <= first <= last <= most:
            raise InvalidCron(f"invalid {name} {part!r}: use {least} to {most}")
        if not step or is_single:
            raise InvalidCron(f"invalid {name} {part!r}: a step follows a range, such as */10")
        yield from range(first, last + 1, step)


def _number(word: str, name: str) -> int | None:
    match name:
        case "month" if word in _MONTHS:
            return _MONTHS.index(word) + 1
        case "weekday" if word in _WEEKDAYS:
            return _WEEKDAYS.index(word)
        case _:
            return int(word) if re.fullmatch("[0-9]{1,2}", word) else None


def next_time(when: str, after: datetime, zone: tzinfo | None = None) -> datetime:
    """Return the first time after a moment, in UTC; without a zone, the one of the machine."""
    for found in occurrences(parse_cron(when), after, zone):
        return found
    raise InvalidCron(f"invalid time {when!r}: it never comes")


def occurrences(cron: Cron, after: datetime, zone: tzinfo | None = None) -> Iterator[datetime]:
    """Yield the times after a moment in order, each once, in UTC.

    A time that the clock skips in spring is as much later as it skips, and one that it repeats in
    autumn is the first of both. End when no more time comes.
    """
    midnight = datetime.combine(after.astimezone(zone).date(), time())
    found, silent = set[datetime](), 0
    # A time that the clock skipped yesterday may be later than midnight.
    for number in count(-1):
        day = midnight + timedelta(days=number)
        if cron.is_on(day):
            found |= {
                day.replace(hour=hour, minute=minute, tzinfo=zone).astimezone(UTC)
                for hour in cron.hours
                for minute in cron.minutes
            }
        if found:
            end = (day + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC)
            complete = sorted(moment for moment in found if moment < end)
            found = {moment for moment in found if moment >= end}
            yield from (moment for moment in complete if moment > after)
            silent = 0
        elif (silent := silent + 1) > _MOST_DAYS:
            return
