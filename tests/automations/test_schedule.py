"""Schedules against a search minute by minute, and a simulated week of two servers."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from attractor.automations.errors import InvalidAutomation
from attractor.automations.schedule import PUNCTUAL, CatchUp, Schedule
from attractor.base.cron import parse_cron
from tests.counts import count
from tests.tables import table

MINUTE = timedelta(minutes=1)
WEEKS = {
    # Each week has a change of the clock: of an hour, or of half an hour.
    "Europe/Vienna": [datetime(2026, 3, 26, tzinfo=UTC), datetime(2026, 10, 22, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 10, 29, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 2, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)],
    "UTC": [datetime(2026, 3, 26, tzinfo=UTC)],
}
SCHEDULES = count(ci=50, full=1000)


def field(chance: random.Random, least: int, most: int) -> str:
    """Return some values of a field, often around the change of the clock."""
    some = sorted(chance.sample(range(least, most + 1), chance.randint(1, 3)))
    return chance.choice(
        ["*", f"*/{chance.randint(2, 30)}", ",".join(map(str, some)), f"{least}-3"]
    )


def some_schedule(chance: random.Random) -> tuple[Schedule, datetime]:
    zone = chance.choice([*WEEKS])
    times = (
        f"{field(chance, 0, 59)} {field(chance, 0, 23)} * * {chance.choice(['*', '0,1', '6-7'])}"
    )
    return Schedule(times, zone, CatchUp.ALL), chance.choice(WEEKS[zone])


def expected(schedule: Schedule, begin: datetime, end: datetime) -> set[datetime]:
    """Return the occurrences of a week by a search of all minutes of the zone's clock."""
    cron, zone = parse_cron(schedule.cron), ZoneInfo(schedule.zone)
    local = begin.astimezone(zone).replace(tzinfo=None) - timedelta(days=1)
    found: set[datetime] = set()
    while (moment := local.replace(tzinfo=zone).astimezone(UTC)) <= end + timedelta(days=1):
        if local.minute in cron.minutes and local.hour in cron.hours and cron.is_on(local):
            found.add(moment)
        local += MINUTE
    return {moment for moment in found if begin < moment <= end}


def looks(chance: random.Random, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the times at which a server looks: it may be away for hours."""
    now = begin
    while now < end:
        now += timedelta(seconds=chance.choice([1, 59, 61, 900, 20_000, 50_000, 90_000]))
        yield min(now, end)


def test_each_occurrence_of_a_week_with_clock_changes_starts_once() -> None:
    chance = random.Random(60)
    for _ in range(SCHEDULES):
        schedule, begin = some_schedule(chance)
        end = begin + timedelta(days=7)
        wanted = expected(schedule, begin, end)
        assert {*schedule.between(begin, end)} == wanted, schedule
        claims: list[datetime] = []
        known = [begin, begin]
        for now in looks(chance, begin, end):
            server = chance.randrange(2)
            if chance.random() < 0.8:
                # It reads the journal; otherwise it knows an older state.
                known[server] = max([begin, *claims])
            for moment in schedule.due(known[server], now):
                if chance.random() < 0.1:
                    break  # It is killed.
                if moment not in claims:
                    claims.append(moment)
        last = max([begin, *claims])
        claims += [moment for moment in schedule.due(last, end) if moment not in claims]
        assert claims == sorted(wanted), schedule


SUNDAY = datetime(2026, 3, 29, 12, tzinfo=UTC)


@table(
    ("catch_up", "hours"),
    [(CatchUp.NONE, []), (CatchUp.LAST, [8]), (CatchUp.ALL, [5, 6, 7, 8])],
)
def test_missed_occurrences_start_as_the_schedule_says(catch_up: CatchUp, hours: list[int]) -> None:
    schedule = Schedule("30 5-8 * * *", "UTC", catch_up)
    found = [*schedule.due(SUNDAY.replace(hour=0), SUNDAY)]
    assert [moment.hour for moment in found] == hours


@table("catch_up", CatchUp)
def test_occurrence_that_is_due_now_starts(catch_up: CatchUp) -> None:
    schedule = Schedule("0 12 * * *", "UTC", catch_up)
    since = SUNDAY - timedelta(hours=1)
    assert [*schedule.due(since, SUNDAY + PUNCTUAL / 2)] == [SUNDAY]
    assert [*schedule.due(SUNDAY, SUNDAY + PUNCTUAL / 2)] == []


def test_last_missed_occurrence_of_a_rare_schedule_is_found() -> None:
    schedule = Schedule("0 0 1 1 *", "UTC", CatchUp.LAST)
    found = [*schedule.due(datetime(2020, 6, 1, tzinfo=UTC), SUNDAY)]
    assert found == [datetime(2026, 1, 1, tzinfo=UTC)]


@table(
    ("schedule", "words"),
    [
        (Schedule("0 0 30 2 *"), "no month has this day"),
        (Schedule("61 * * * *"), "invalid minute '61'"),
        (Schedule("0 0 * * *", "Europe/Wien"), "unknown time zone 'Europe/Wien'"),
        (Schedule("0 0 * * *", "../zone"), "unknown time zone '../zone'"),
        (Schedule("0 0 * * *", ""), "unknown time zone ''"),
    ],
)
def test_invalid_schedule_is_refused(schedule: Schedule, words: str) -> None:
    with pytest.raises(InvalidAutomation, match=words):
        schedule.require_valid(SUNDAY)
