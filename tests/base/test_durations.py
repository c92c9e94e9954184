import re
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from attractor.base.durations import (
    DURATION_PATTERN,
    describe_duration,
    format_duration,
    parse_duration,
)
from attractor.base.errors import ExitCode, InvalidDuration

HUNDRED_YEARS_MS = 36_500 * 24 * 60 * 60 * 1000

durations = st.integers(0, HUNDRED_YEARS_MS).map(lambda number: timedelta(milliseconds=number))


def fits_schema(text: str) -> bool:
    # In JSON Schema, `$` is the end of the text only.
    return re.search(DURATION_PATTERN.replace("$", r"\Z"), text) is not None


def test_number_with_unit_is_a_duration() -> None:
    for text, meant in (
        ("250ms", timedelta(milliseconds=250)),
        ("900s", timedelta(seconds=900)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("0s", timedelta()),
        ("007s", timedelta(seconds=7)),
        ("0" * 5000 + "7s", timedelta(seconds=7)),
        ("36500d", timedelta(days=36_500)),
    ):
        assert parse_duration(text) == meant
        assert fits_schema(text)


def test_invalid_duration_is_refused_with_a_hint() -> None:
    for text, mistake, hint in (
        ("", "empty duration", "whole number and a unit"),
        (" \t", "empty duration", "whole number and a unit"),
        ("15", "has no unit", "write 15s"),
        ("2hours", "has an unknown unit 'hours'", "did you mean 2h?"),
        ("5min", "has an unknown unit 'min'", "did you mean 5m?"),
        ("5sec", "has an unknown unit 'sec'", "did you mean 5s?"),
        ("5minuts", "has an unknown unit 'minuts'", "did you mean 5m?"),
        ("30S", "has an unknown unit 'S'", "did you mean 30s?"),
        ("5us", "has an unknown unit 'us'", "whole number and a unit"),
        ("3fortnights", "has an unknown unit 'fortnights'", "whole number and a unit"),
        ("1.5s", "is a fraction", "write 1500ms"),
        (".5h", "is a fraction", "write 30m"),
        ("1,5 hours", "contains a blank", "whole number and a unit"),
        ("1,5hours", "is a fraction", "write 90m"),
        ("0.5ms", "is a fraction", "the smallest duration is 1ms"),
        ("1.5", "is a fraction", "whole number and a unit"),
        ("99999999.5d", "is a fraction", "write 36500d"),
        ("-5s", "is negative", "whole number and a unit"),
        ("−5s", "is negative", "whole number and a unit"),
        ("5 m", "contains a blank", "write 5m"),
        (" 5m", "contains a blank", "write 5m"),
        ("5m\n", "contains a blank", "write 5m"),
        ("1h30m", "has more than one unit", "write 90m"),
        ("999999d1s", "has more than one unit", "whole number and a unit"),
        ("36501d", "is too large", "the maximum is 36500d"),
        ("9" * 5000 + "s", "is too large", "the maximum is 36500d"),
        ("soon", "is not a duration", "whole number and a unit"),
        ("5s!", "is not a duration", "whole number and a unit"),
        ("٣s", "is not a duration", "whole number and a unit"),
    ):
        with pytest.raises(InvalidDuration) as caught:
            parse_duration(text)
        assert mistake in caught.value.message
        assert mistake == "is too large" or not fits_schema(text)
        assert hint in caught.value.hint
        assert caught.value.exit_code is ExitCode.USAGE
        assert len(caught.value.message) < 120


def test_duration_is_written_in_its_shortest_form() -> None:
    for duration, text in (
        (timedelta(seconds=900), "15m"),
        (timedelta(seconds=90), "90s"),
        (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(hours=24), "1d"),
        (timedelta(hours=25), "25h"),
        (timedelta(), "0s"),
    ):
        assert format_duration(duration) == text


def test_unwritable_duration_is_refused() -> None:
    for duration in (timedelta(microseconds=1500), timedelta(seconds=-1), timedelta(days=36_501)):
        with pytest.raises(InvalidDuration, match="invalid duration"):
            format_duration(duration)


@given(durations)
def test_written_duration_reads_back(duration: timedelta):
    assert parse_duration(format_duration(duration)) == duration


def test_description_has_the_two_largest_units() -> None:
    for duration, text in (
        (timedelta(seconds=90), "1m 30s"),
        (timedelta(hours=2, minutes=5, seconds=59), "2h 5m"),
        (timedelta(milliseconds=340.7), "340ms"),
        (timedelta(milliseconds=1500), "1s 500ms"),
        (timedelta(days=3, seconds=7), "3d"),
        (timedelta(), "0ms"),
        (timedelta(microseconds=300), "0ms"),
        (timedelta(seconds=-3), "0ms"),
    ):
        assert describe_duration(duration) == text
