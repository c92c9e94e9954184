from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from secrets import token_bytes
from threading import Thread

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.base.ids import RunIds, is_run_id, new_run_id, time_of

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

times = st.datetimes(
    min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
)
randomness = st.binary(min_size=10, max_size=10)


def always(fixed: bytes) -> Callable[[int], bytes]:
    return lambda size: fixed[:size]


def in_turn(moments: list[datetime]) -> Callable[[], datetime]:
    following: Iterator[datetime] = iter(moments)
    return lambda: next(following)


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


@given(st.lists(times, min_size=1, max_size=20), randomness)
def test_generator_makes_increasing_ids_with_any_clock(
    moments: list[datetime], drawn: bytes
) -> None:
    ids = RunIds(now=in_turn(moments), randomness=always(drawn))
    made = [ids.new() for _ in moments]
    assert made == sorted(set(made))
    assert all(is_run_id(one) for one in made)


def test_ids_of_one_millisecond_count_up_and_carry_into_the_time() -> None:
    ids = RunIds(now=lambda: NEW_YEAR, randomness=always(b"\x00" * 9 + b"\x07"))
    assert [ids.new()[-2:] for _ in range(3)] == ["07", "08", "09"]
    ids = RunIds(now=lambda: NEW_YEAR, randomness=always(b"\xff" * 10))
    first, second = ids.new(), ids.new()
    assert first < second
    assert time_of(second) == NEW_YEAR + MILLISECOND


def test_threads_never_get_the_same_id() -> None:
    ids = RunIds(now=lambda: NEW_YEAR, randomness=always(bytes(10)))
    made: list[str] = []
    threads = [
        Thread(target=lambda: made.extend([ids.new() for _ in range(1000)])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(made)) == len(made) == 4000


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
