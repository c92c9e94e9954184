"""Times of five fields against a search minute by minute."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from attractor.base.cron import InvalidCron, next_time, occurrences, parse_cron
from tests.tables import table

VIENNA = ZoneInfo("Europe/Vienna")
START = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)

TIMES: Mapping[str, str] = {
    "0 8 * * 1": "2026-11-30 08:00",
    "0 8 * * mon": "2026-11-30 08:00",
    "30 10 * * *": "2026-11-27 10:30",
    "*/20 10,11 * * *": "2026-11-26 10:40",
    "0 0 * * sun": "2026-11-29 00:00",
    "0 0 * * 7": "2026-11-29 00:00",
    "0 0 * * 5-7": "2026-11-27 00:00",
    "0 9-17/4 * * mon-fri": "2026-11-26 13:00",
    "0 12 1 jan *": "2027-01-01 12:00",
    "0 12 29 2 *": "2028-02-29 12:00",
    # Either day is enough if both are given.
    "0 12 13 * fri": "2026-11-27 12:00",
    "0 12 */2 * fri": "2026-11-27 12:00",
}


@table("when", TIMES)
def test_next_time_is_the_first_one_after(when: str) -> None:
    assert f"{next_time(when, START, UTC):%Y-%m-%d %H:%M}" == TIMES[when]


def test_day_that_a_century_leaves_out_comes() -> None:
    after = datetime(2096, 3, 1, tzinfo=UTC)
    assert next_time("0 0 29 2 *", after, UTC) == datetime(2104, 2, 29, tzinfo=UTC)


WRONG = (
    *("", "daily", "0 8 * *", "0 8 * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *"),
    *("* * * 13 *", "* * * * 8", "*/0 * * * *", "5/10 * * * *", "5-1 * * * *", "a * * * *"),
    *("1,,2 * * * *", "-1 * * * *", "* * 30 2 *", "* * 31 4,jun *", "* * * * fri-mon", "² * * * *"),
    *("* * * mon *", "99999999999 * * * *", "*-5 * * * *", "1-2-3 * * * *", "*/100 * * * *"),
)


@table("when", WRONG)
def test_other_words_are_refused_with_the_field(when: str) -> None:
    with pytest.raises(InvalidCron, match="^invalid"):
        parse_cron(when)


def fields(least: int, most: int) -> st.SearchStrategy[str]:
    value = st.integers(least, most)
    span = st.tuples(value, value).map(lambda one: f"{min(one)}-{max(one)}")
    part = st.one_of(st.just("*"), value.map(str), span, span.map(lambda one: f"{one}/7"))
    return st.lists(part, min_size=1, max_size=2).map(",".join)


WHEN = st.tuples(fields(0, 59), fields(0, 23), st.just("*"), st.just("*"), fields(0, 7)).map(
    " ".join
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))


@given(WHEN, MOMENTS)
def test_no_time_is_between_a_moment_and_the_next_time(when: str, after: datetime) -> None:
    cron, found = parse_cron(when), next_time(when, after, UTC)
    assert found > after

    def is_time(one: datetime) -> bool:
        return one.minute in cron.minutes and one.hour in cron.hours and cron.is_on(one)

    assert is_time(found)
    minute = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
    passed = int((found - minute) / timedelta(minutes=1))
    # A search of each minute is slow: the newest ones, and steps of an hour and a minute.
    for number in {*range(max(0, passed - 200), passed), *range(0, passed, 61)}:
        assert not is_time(minute + timedelta(minutes=number))


@given(MOMENTS)
def test_time_comes_once_a_day_also_when_the_clock_changes(after: datetime) -> None:
    found = next_time("30 2 * * *", after, VIENNA)
    then = next_time("30 2 * * *", found, VIENNA)
    assert timedelta(hours=22) <= then - found <= timedelta(hours=26)
    assert (then.astimezone(VIENNA).date() - found.astimezone(VIENNA).date()).days == 1


def test_skipped_time_is_an_hour_later_and_a_repeated_one_comes_first() -> None:
    spring = next_time("30 2 * * *", datetime(2026, 3, 29, 0, 0, tzinfo=UTC), VIENNA)
    assert f"{spring.astimezone(VIENNA):%d %H:%M}" == "29 03:30"
    autumn = next_time("30 2 * * *", datetime(2026, 10, 24, 22, 0, tzinfo=UTC), VIENNA)
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


MONTHS = [datetime(2026, month, 1, tzinfo=UTC) for month in (3, 10)]
ZONES: list[tzinfo] = [VIENNA, ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe"), UTC]


@given(WHEN, st.sampled_from(MONTHS), st.sampled_from(ZONES), st.integers(0, 31))
def test_occurrences_are_the_next_times_one_after_the_other(
    when: str, month: datetime, zone: tzinfo, day: int
) -> None:
    after = month + timedelta(days=day)
    found = [*islice(occurrences(parse_cron(when), after, zone), 8)]
    assert found == sorted({*found})
    for before, then in pairwise([after, *found]):
        assert next_time(when, before, zone) == then


def test_day_that_a_zone_skips_has_no_occurrence_twice() -> None:
    samoa = ZoneInfo("Pacific/Apia")
    after = datetime(2011, 12, 29, 12, tzinfo=UTC)
    found = [*islice(occurrences(parse_cron("0 8,20 * * *"), after, samoa), 4)]
    assert [f"{one.astimezone(samoa):%d %H}" for one in found] == [
        "29 08",
        "29 20",
        "31 08",
        "31 20",
    ]
