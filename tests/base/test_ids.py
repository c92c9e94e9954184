from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from secrets import token_bytes

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.base.ids import is_run_id, new_run_id, time_of

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

times = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
)
randomness = st.binary(min_size=10, max_size=10)


def always(fixed: bytes) -> Callable[[int], bytes]:
    return lambda size: fixed[:size]


def test_run_id_is_a_ulid() -> None:
    # The example of the ULID specification: 1469918176385 ms, and its random part.
    moment = datetime(1970, 1, 1, tzinfo=UTC) + 1469918176385 * MILLISECOND
    assert new_run_id(moment, always(bytes(10))) == "01ARYZ6S410000000000000000"
    assert new_run_id(moment, always(b"\xff" * 10)) == "01ARYZ6S41ZZZZZZZZZZZZZZZZ"
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert new_run_id(elsewhere, always(bytes(10))) == "01ARYZ6S410000000000000000"


@given(times, times, randomness, randomness)
def test_ids_contain_their_time_and_sort_by_it(
    one: datetime, other: datetime, drawn: bytes, too: bytes
) -> None:
    first, second = new_run_id(one, always(drawn)), new_run_id(other, always(too))
    assert is_run_id(first)
    assert timedelta() <= one - time_of(first) < MILLISECOND
    assert new_run_id(time_of(first), always(drawn)) == first
    if time_of(first) != time_of(second):
        assert (first < second) == (one < other)


def test_invalid_ids_and_times_are_refused() -> None:
    for text in (
        "",
        "latest",
        "01ARYZ6S41000000000000000",
        "01ARYZ6S4100000000000000000",
        "01aryz6s410000000000000000",
        "01ARYZ6S41000000000000000U",
        "01ARYZ6S41000000000000000\n",
        "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
        "０" * 26,
    ):
        assert not is_run_id(text)
        with pytest.raises(UsageError, match="invalid run id"):
            time_of(text)
    for moment in (datetime(2026, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)):
        with pytest.raises(UsageError, match="invalid time"):
            new_run_id(moment, token_bytes)
