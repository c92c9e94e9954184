"""Rate limits, with a manual clock."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from attractor.base.clock import Clock, ManualClock, SystemClock
from attractor.llm import (
    Client,
    ConfigurationError,
    ContentKind,
    ContentPart,
    ImageData,
    Message,
    RateLimitError,
    RateLimitInfo,
    Request,
    Response,
    Role,
    ThinkingData,
)
from attractor.llm.middleware import Limit, RateLimit, RateLimits
from attractor.llm.middleware.rate_limit import RateGate, estimated_tokens
from tests.agent.scripted import ScriptedProvider, Step, said
from tests.llm.middleware.asked import HELLO, client_of, codes, run, settle, whole
from tests.patience import PATIENCE_S
from tests.tables import table

pytestmark = pytest.mark.anyio

Ask = Callable[[Client, Request], Awaitable[object]]


async def complete(client: Client, request: Request) -> object:
    return await client.complete(request)


async def listen(client: Client, request: Request) -> object:
    return [one async for one in client.stream(request)]


both = table("ask", [complete, listen])


class Timed(ScriptedProvider):
    """Records the time of each request, and reports the remaining limits."""

    def __init__(self, clock: Clock, *steps: Step, left: RateLimitInfo | None = None) -> None:
        super().__init__(*steps)
        self._clock, self._left = clock, left
        self.times: list[float] = []

    async def complete(self, request: Request) -> Response:
        self.times.append(self._clock.monotonic())
        return replace(await super().complete(request), rate_limit=self._left)


def times(
    ask: Ask,
    *steps: Step,
    limit: Limit | None = None,
    left: RateLimitInfo | None = None,
    request: Request = HELLO,
    longest: float = 60,
) -> list[float]:
    """Return the times of requests to a provider, by several clients that share the limits."""
    clock = ManualClock()
    limits = RateLimits(
        {"openai": limit} if limit else None, clock=clock, longest_pause=timedelta(seconds=longest)
    )
    provider = Timed(clock, *steps, left=left)

    async def asking() -> None:
        for _ in steps:
            client = client_of(provider, around=[RateLimit(limits)])
            asked = asyncio.ensure_future(ask(client, request))
            await settle()
            while not asked.done():
                await clock.turn(timedelta(seconds=5))
                await settle()
            assert asked.exception() is None or isinstance(asked.exception(), RateLimitError)

    run(asking())
    return provider.times


@both
def test_pause_requested_by_a_provider_is_kept(ask: Ask) -> None:
    busy = RateLimitError("busy", provider="openai", retry_after=20.0)
    assert times(ask, busy, said("hi")) == [0, 20]
    later = RateLimitError("busy", provider="openai", retry_after=3600.0)
    assert times(ask, later, said("hi"), longest=30) == [0, 30]


@both
def test_exhausted_provider_gets_no_request(ask: Ask) -> None:
    soon = ManualClock().now() + timedelta(seconds=15)
    steps = [said("one"), said("two")]
    assert times(ask, *steps, left=RateLimitInfo(0, 10, reset_at=soon)) == [0, 15]
    assert times(ask, *steps, left=RateLimitInfo(1, 10, reset_at=soon)) == [0, 0]
    assert times(ask, *steps, left=RateLimitInfo(0, 10)) == [0, 0]
    assert times(ask, *steps, left=RateLimitInfo(tokens_remaining=0, reset_after=20.0)) == [0, 20]


@both
def test_clock_skew_does_not_change_a_pause(ask: Ask) -> None:
    steps = [said("one"), said("two")]
    for skew in (timedelta(hours=-1), timedelta(hours=1)):
        theirs = ManualClock().now() + skew + timedelta(seconds=15)
        left = RateLimitInfo(0, 10, reset_at=theirs, reset_after=15.0)
        assert times(ask, *steps, left=left) == [0, 15]


async def test_a_stream_that_takes_long_does_not_make_the_pause_longer() -> None:
    clock = ManualClock()
    limits = RateLimits(clock=clock)
    left = RateLimitInfo(0, 10, reset_after=15.0)
    provider = Timed(clock, said("one two"), said("three"), left=left)
    client = client_of(provider, around=[RateLimit(limits)])
    async for event in client.stream(HELLO):
        if event.start is not None:
            await clock.turn(timedelta(seconds=10))
    asked = asyncio.ensure_future(client.complete(HELLO))
    await clock.until_asleep()
    await clock.turn(timedelta(seconds=5))
    await asked
    assert provider.times == [0, 15]


async def test_abandoned_stream_releases_its_place() -> None:
    limits = RateLimits({"openai": Limit(concurrent_requests=1)})
    client = client_of(ScriptedProvider(said("a b"), said("c")), around=[RateLimit(limits)])
    events = client.stream(HELLO)
    await anext(events)
    await events.aclose()
    assert [one async for one in client.stream(HELLO)][-1].response is not None


async def test_long_wait_is_logged_at_its_start_and_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    limits = RateLimits({"openai": Limit(requests_per_minute=1)}, clock=clock)
    provider = ScriptedProvider(said("one"), said("two"))
    with caplog.at_level(logging.INFO, "attractor.llm"):
        client = client_of(provider, around=[RateLimit(limits)])
        await client.complete(HELLO)
        assert caplog.records == []
        asked = asyncio.ensure_future(client.complete(HELLO))
        await clock.until_asleep()
        begun = [one.getMessage() for one in caplog.records]
        assert begun == ["waiting 60.0 s for the rate limit of openai"]
        await clock.turn(timedelta(seconds=60))
        await asked
    assert [(one.getMessage(), vars(one)["llm"]["event"]) for one in caplog.records] == [
        ("waiting 60.0 s for the rate limit of openai", "waiting"),
        ("waited 60.0 s for the rate limit of openai", "wait"),
    ]


@table(("seconds", "messages"), [(9, []), (10, ["waited"])])
def test_a_very_long_wait_is_a_warning_of_the_answer(seconds: int, messages: list[str]) -> None:
    clock = ManualClock()
    limits = RateLimits(clock=clock)
    provider = ScriptedProvider(said("one"), said("two"))

    async def answered(asked: "asyncio.Future[Response]") -> Response:
        await clock.until_asleep()
        await clock.turn(timedelta(seconds=seconds))
        return await asked

    async def asking() -> list[Response]:
        client = client_of(provider, around=[RateLimit(limits)])
        limits.pause("openai", seconds)
        first = await answered(asyncio.ensure_future(client.complete(HELLO)))
        limits.pause("openai", seconds)
        return [first, await answered(asyncio.ensure_future(heard(client)))]

    async def heard(client: Client) -> Response:
        return whole([one async for one in client.stream(HELLO)])

    answers = run(asking())
    assert [codes(one) for one in answers] == [messages, messages]
    if messages:
        words = "waited 10.0 s for the rate limit of openai"
        assert [one.warnings[0].message for one in answers] == [words, words]


def test_zero_rate_limit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="invalid limit 0"):
        Limit(requests_per_minute=0)


def test_the_size_of_a_request_is_about_a_token_for_four_letters() -> None:
    request = replace(HELLO, messages=[Message.user("a" * 400)], max_tokens=50)
    assert 150 <= estimated_tokens(request) <= 152
    thinking = ContentPart(ContentKind.THINKING, thinking=ThinkingData("a" * 400))
    image = ContentPart(ContentKind.IMAGE, image=ImageData(data=b"png"))
    said = Message(Role.ASSISTANT, [thinking, image])
    assert estimated_tokens(replace(HELLO, messages=[said])) > 200
    result = Message.tool_result("1", {"a": "b" * 400})
    assert estimated_tokens(replace(HELLO, messages=[result])) >= 100


def gate(
    clock: ManualClock | SystemClock,
    *,
    requests: int | None = None,
    tokens: int | None = None,
    at_once: int | None = None,
) -> RateGate:
    return RateGate(requests=requests, tokens=tokens, at_once=at_once, clock=clock)


def passing_times(
    make: Callable[[ManualClock], RateGate],
    sizes: Sequence[int],
    *,
    turns: int = 30,
    used: int | None = None,
) -> list[tuple[int, float]]:
    """Return the passing times: all requests arrive at once, and end when they have passed."""
    clock = ManualClock()
    passed: list[tuple[int, float]] = []

    async def come(gate: RateGate, number: int, size: int) -> None:
        async with gate.admit(size) as place:
            passed.append((number, clock.monotonic()))
            place.release(used)

    async def coming() -> None:
        made = make(clock)
        tasks = [
            asyncio.ensure_future(come(made, number, size)) for number, size in enumerate(sizes)
        ]
        for _ in range(turns):
            await settle()
            await clock.turn(timedelta(seconds=10))
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_S)

    run(coming())
    return passed


def test_so_many_requests_and_tokens_pass_in_any_minute() -> None:
    def by_tokens(*sizes: int, used: int | None = None) -> list[tuple[int, float]]:
        return passing_times(lambda clock: gate(clock, tokens=100), sizes, used=used)

    in_pairs = [(0, 0), (1, 0), (2, 60), (3, 60), (4, 120)]
    assert passing_times(lambda clock: gate(clock, requests=2), [1] * 5) == in_pairs
    assert by_tokens(60, 40, 1, 99, 50) == in_pairs
    # A request larger than the limit passes alone.
    assert by_tokens(10, 5000, 10) == [(0, 0), (1, 60), (2, 120)]
    # The tokens of the answer count, once they are known.
    assert by_tokens(90, 90, used=10)[1] == (1, 0)
    assert by_tokens(10, 10, used=100)[1] == (1, 60)


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


async def test_pause_blocks_all_and_is_not_shortened() -> None:
    clock = ManualClock()
    made = gate(clock)
    made.pause(30)
    made.pause(5)
    task = asyncio.ensure_future(made.admit(1).__aenter__())
    await clock.until_asleep()
    await clock.turn(timedelta(seconds=29))
    assert not task.done()
    await clock.turn(timedelta(seconds=1))
    assert (await task).waited == 30


async def test_concurrency_limit_admits_in_order_of_arrival() -> None:
    order: list[int] = []

    async def come(made: RateGate, number: int, leave: asyncio.Event) -> None:
        async with made.admit(1):
            order.append(number)
            await leave.wait()

    made = gate(ManualClock(), at_once=2)
    events = [asyncio.Event() for _ in range(4)]
    tasks = [asyncio.ensure_future(come(made, *one)) for one in enumerate(events)]
    await settle()
    assert order == [0, 1]
    events[1].set()
    await settle()
    assert order == [0, 1, 2]
    for one in events:
        one.set()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3]


async def test_canceled_call_releases_its_slot() -> None:
    made = gate(ManualClock(), at_once=1)

    async def stay() -> None:
        async with made.admit(1):
            await asyncio.Event().wait()

    inside, waiting, last = (asyncio.ensure_future(stay()) for _ in range(3))
    await settle()
    waiting.cancel()
    await settle()
    inside.cancel()
    await settle()
    last.cancel()
    ended, _ = await asyncio.wait([inside, waiting, last])
    assert all(one.cancelled() for one in ended)
    async with asyncio.timeout(PATIENCE_S), made.admit(1):
        pass


def test_limit_is_shared_by_threads_with_their_own_event_loops() -> None:
    made = gate(SystemClock(), at_once=3)
    lock, counts, most = threading.Lock(), [0], [0]

    async def come() -> None:
        async with made.admit(1):
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
        one.join(PATIENCE_S)
        assert not one.is_alive()
    assert (counts, most) == ([0], [3])


def test_waiter_of_a_closed_event_loop_is_skipped() -> None:
    made = gate(SystemClock(), at_once=1)

    async def stay() -> None:
        async with made.admit(1):
            await asyncio.Event().wait()

    def begin_and_close() -> asyncio.Task[None]:
        loop = asyncio.new_event_loop()
        waiting = loop.create_task(stay())
        # Otherwise asyncio prints an error when it destroys the task.
        waiting._log_destroy_pending = False  # pyright: ignore
        loop.run_until_complete(settle())
        loop.close()
        return waiting

    async def within() -> None:
        async with made.admit(1):
            left = await asyncio.to_thread(begin_and_close)
            assert not left.done()
        async with asyncio.timeout(PATIENCE_S), made.admit(1):
            pass

    run(within())
