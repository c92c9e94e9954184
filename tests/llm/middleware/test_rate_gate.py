"""The gate alone: who passes when, by a clock that is turned by hand."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from attractor.base.clock import SystemClock, TurnableClock
from attractor.llm.middleware.rate_gate import RateGate
from tests.llm.middleware.asked import run, settle


def gate(
    clock: TurnableClock | SystemClock,
    *,
    requests: int | None = None,
    tokens: int | None = None,
    at_once: int | None = None,
) -> RateGate:
    return RateGate(requests=requests, tokens=tokens, at_once=at_once, clock=clock)


def passing_times(
    make: Callable[[TurnableClock], RateGate],
    sizes: Sequence[int],
    *,
    turns: int = 30,
    used: int | None = None,
) -> list[tuple[int, float]]:
    """Return who passed when: all come at once, and leave when they have passed."""
    clock = TurnableClock()
    passed: list[tuple[int, float]] = []

    async def come(gate: RateGate, number: int, size: int) -> None:
        async with gate.place(size) as place:
            passed.append((number, clock.monotonic()))
            place.leave(used)

    async def coming() -> None:
        made = make(clock)
        tasks = [
            asyncio.ensure_future(come(made, number, size)) for number, size in enumerate(sizes)
        ]
        for _ in range(turns):
            await settle()
            await clock.turn(timedelta(seconds=10))
        await asyncio.wait_for(asyncio.gather(*tasks), 5)

    run(coming())
    return passed


def test_so_many_requests_pass_in_any_minute() -> None:
    passed = passing_times(lambda clock: gate(clock, requests=2), [1] * 5)
    assert passed == [(0, 0), (1, 0), (2, 60), (3, 60), (4, 120)]


def test_so_many_tokens_pass_in_any_minute() -> None:
    passed = passing_times(lambda clock: gate(clock, tokens=100), [60, 40, 1, 99, 50])
    assert passed == [(0, 0), (1, 0), (2, 60), (3, 60), (4, 120)]


def test_what_was_used_in_truth_counts() -> None:
    assert passing_times(lambda clock: gate(clock, tokens=100), [90, 90], used=10)[1] == (1, 0)
    assert passing_times(lambda clock: gate(clock, tokens=100), [10, 10], used=100)[1] == (1, 60)


def test_a_request_larger_than_the_limit_passes_alone() -> None:
    passed = passing_times(lambda clock: gate(clock, tokens=100), [10, 5000, 10])
    assert passed == [(0, 0), (1, 60), (2, 120)]


@given(st.integers(1, 4), st.integers(5, 40), st.lists(st.integers(1, 60), max_size=8))
def test_no_minute_has_more_than_the_limits_and_the_order_is_kept(
    requests: int, tokens: int, sizes: list[int]
) -> None:
    passed = passing_times(
        lambda clock: gate(clock, requests=requests, tokens=tokens), sizes, turns=60
    )
    assert [number for number, _ in passed] == list(range(len(sizes)))
    for _, begin in passed:
        within = [number for number, time in passed if begin <= time < begin + 60]
        assert len(within) <= requests
        assert sum(min(sizes[number], tokens) for number in within) <= tokens


def test_a_pause_lets_nobody_pass_and_a_shorter_one_does_not_end_it() -> None:
    clock = TurnableClock()

    async def pausing() -> float:
        made = gate(clock)
        made.pause(30)
        made.pause(5)
        task = asyncio.ensure_future(made.place(1).__aenter__())
        await clock.until_asleep()
        await clock.turn(timedelta(seconds=29))
        assert not task.done()
        await clock.turn(timedelta(seconds=1))
        return (await task).waited

    assert run(pausing()) == 30


def test_so_many_are_inside_at_once_and_the_next_is_the_one_who_came_first() -> None:
    order: list[int] = []

    async def come(made: RateGate, number: int, leave: asyncio.Event) -> None:
        async with made.place(1):
            order.append(number)
            await leave.wait()

    async def coming() -> None:
        made = gate(TurnableClock(), at_once=2)
        events = [asyncio.Event() for _ in range(4)]
        tasks = [asyncio.ensure_future(come(made, *one)) for one in enumerate(events)]
        await asyncio.sleep(0.01)
        assert order == [0, 1]
        events[1].set()
        await asyncio.sleep(0.01)
        assert order == [0, 1, 2]
        for one in events:
            one.set()
        await asyncio.gather(*tasks)

    run(coming())
    assert order == [0, 1, 2, 3]


def test_who_is_cancelled_gives_the_place_back_waiting_or_inside() -> None:
    async def coming() -> None:
        made = gate(TurnableClock(), at_once=1)

        async def stay() -> None:
            async with made.place(1):
                await asyncio.Event().wait()

        inside, waiting, last = (asyncio.ensure_future(stay()) for _ in range(3))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.sleep(0.01)
        inside.cancel()
        await asyncio.sleep(0.01)
        last.cancel()
        await asyncio.wait([inside, waiting, last])
        async with asyncio.timeout(1), made.place(1):
            pass

    run(coming())


def test_threads_with_event_loops_of_their_own_share_it() -> None:
    made = gate(SystemClock(), at_once=3)
    lock, counts, most = threading.Lock(), [0], [0]

    async def come() -> None:
        async with made.place(1):
            with lock:
                counts[0] += 1
                most[0] = max(most[0], counts[0])
            await asyncio.sleep(0.001)
            with lock:
                counts[0] -= 1

    async def many() -> None:
        await asyncio.gather(*(come() for _ in range(20)))

    threads = [threading.Thread(target=lambda: asyncio.run(many())) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
        assert not one.is_alive()
    assert (counts, most) == ([0], [3])


def test_who_waits_in_an_event_loop_that_was_closed_is_passed_over() -> None:
    made = gate(SystemClock(), at_once=1)

    async def stay() -> None:
        async with made.place(1):
            await asyncio.Event().wait()

    def begin_and_close() -> asyncio.Task[None]:
        loop = asyncio.new_event_loop()
        waiting = loop.create_task(stay())
        loop.run_until_complete(settle())
        loop.close()
        return waiting

    async def within() -> None:
        async with made.place(1):
            left = await asyncio.to_thread(begin_and_close)
            assert not left.done()
        async with asyncio.timeout(1), made.place(1):
            pass

    run(within())
