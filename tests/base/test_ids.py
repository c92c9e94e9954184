from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from secrets import token_bytes
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_run_id_is_a_ulid():
    # The example of the ULID specification: 1469918176385 ms, and its random part.
    moment = datetime(1970, 1, 1, tzinfo=UTC) + 1469918176385 * MILLISECOND
    assert new_run_id(moment, always(bytes(10))) == "01ARYZ6S410000000000000000"
    assert new_run_id(moment, always(b"\xff" * 10)) == "01ARYZ6S41ZZZZZZZZZZZZZZZZ"


@given(times, randomness)
def test_the_time_of_an_id_is_when_it_was_made(moment: datetime, drawn: bytes):
    run_id = new_run_id(moment, always(drawn))
    assert is_run_id(run_id)
    assert timedelta() <= moment - time_of(run_id) < MILLISECOND
    assert new_run_id(time_of(run_id), always(drawn)) == run_id


@given(times, times, randomness, randomness)
def test_ids_sort_as_their_times(one: datetime, other: datetime, drawn: bytes, too: bytes):
    first, second = new_run_id(one, always(drawn)), new_run_id(other, always(too))
    if time_of(first) != time_of(second):
        assert (first < second) == (one < other)


def test_a_time_in_another_zone_is_the_same_time():
    elsewhere = NEW_YEAR.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert new_run_id(elsewhere, always(bytes(10))) == new_run_id(NEW_YEAR, always(bytes(10)))


@given(st.lists(times, min_size=1, max_size=20), randomness)
def test_one_generator_only_goes_up(moments: list[datetime], drawn: bytes):
    ids = RunIds(now=in_turn(moments), randomness=always(drawn))
    made = [ids.new() for _ in moments]
    assert made == sorted(set(made))
    assert all(is_run_id(one) for one in made)


def test_within_a_millisecond_the_random_part_counts_on():
    ids = RunIds(now=lambda: NEW_YEAR, randomness=always(b"\x00" * 9 + b"\x07"))
    assert [ids.new()[-2:] for _ in range(3)] == ["07", "08", "09"]


def test_a_clock_set_back_does_not_bring_ids_back():
    ids = RunIds(now=in_turn([NEW_YEAR, NEW_YEAR - timedelta(days=1)]), randomness=token_bytes)
    first, second = ids.new(), ids.new()
    assert first < second
    assert time_of(second) == NEW_YEAR


def test_used_up_random_bits_carry_into_the_time():
    ids = RunIds(now=lambda: NEW_YEAR, randomness=always(b"\xff" * 10))
    first, second, third = ids.new(), ids.new(), ids.new()
    assert first < second < third
    assert time_of(second) == NEW_YEAR + MILLISECOND


def test_threads_that_share_a_generator_never_get_the_same_id():
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


@pytest.mark.parametrize(
    "text",
    [
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
    ],
)
def test_what_is_no_run_id_is_told_apart(text: str):
    assert not is_run_id(text)
    with pytest.raises(UsageError, match="invalid run id"):
        time_of(text)


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1), datetime(1969, 12, 31, tzinfo=UTC)])
def test_a_time_that_no_id_can_hold_is_refused(moment: datetime):
    with pytest.raises(UsageError, match="invalid time"):
        new_run_id(moment, token_bytes)
