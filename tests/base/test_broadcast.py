import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import timedelta

import pytest

from attractor.base.broadcast import Broadcast, Missed, Stream, Subscription, Undelivered
from attractor.base.errors import MachineryError, UsageError
from tests.counts import count

LONG = timedelta(seconds=30)
AT_ONCE = timedelta(milliseconds=20)
Item = int | Missed


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


class Blocked:
    """A callback that is stuck in its first item until it is let go."""

    def __init__(self) -> None:
        self.got: list[Item] = []
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, item: Item) -> None:
        self.entered.set()
        assert self.let_go.wait(30)
        self.got.append(item)


def refuse(item: Item) -> None:
    raise ValueError(f"no {item}")


def publish_all(broadcast: Broadcast[int], items: Sequence[int]) -> None:
    for item in items:
        broadcast.publish(item)


async def read_all(stream: Stream[int]) -> list[Item]:
    return [item async for item in stream]


# --- callbacks


def test_a_callback_gets_every_item_in_order_before_close_returns():
    broadcast, got = Broadcast[int](), list[Item]()
    broadcast.subscribe(got.append)
    publish_all(broadcast, range(1000))
    assert broadcast.close(LONG) == []
    assert got == list(range(1000))


def test_who_subscribes_late_gets_what_comes_from_then_on():
    broadcast, got = Broadcast[int](), list[Item]()
    broadcast.publish(1)
    broadcast.subscribe(got.append)
    broadcast.publish(2)
    broadcast.close(LONG)
    assert got == [2]


def test_a_blocked_callback_holds_up_nobody():
    broadcast, blocked, got = Broadcast[int](), Blocked(), list[Item]()
    everything = threading.Event()

    def read(item: Item) -> None:
        got.append(item)
        if item == 999:
            everything.set()

    broadcast.subscribe(blocked)
    broadcast.subscribe(read)
    publish_all(broadcast, range(1000))
    assert everything.wait(30)
    assert got == list(range(1000))
    assert blocked.got == []
    # Nor does it keep the program from ending.
    assert [one.daemon for one in threading.enumerate() if one.name == "Blocked"] == [True]
    blocked.let_go.set()
    assert broadcast.close(LONG) == []
    assert blocked.got == list(range(1000))


def test_a_callback_that_lags_is_told_how_many_it_missed_before_it_goes_on():
    broadcast, blocked = Broadcast[int](), Blocked()
    broadcast.subscribe(blocked, buffer=3)
    broadcast.publish(0)
    assert blocked.entered.wait(30)
    publish_all(broadcast, range(1, 11))
    blocked.let_go.set()
    assert broadcast.close(LONG) == []
    assert blocked.got == [0, Missed(7), 8, 9, 10]


def test_what_a_callback_raises_ends_only_its_own_subscription():
    heard: list[Subscription[int]] = []
    broadcast, got = Broadcast[int](on_error=heard.append), list[Item]()
    failing = broadcast.subscribe(refuse)
    broadcast.subscribe(got.append)
    publish_all(broadcast, [1, 2, 3])
    (report,) = broadcast.close(LONG)
    assert got == [1, 2, 3]
    assert heard == [failing]
    assert isinstance(failing.error, ValueError)
    assert (report.reader, report.error) == ("refuse", failing.error)
    assert 1 <= report.count <= 3


def test_an_error_long_past_is_still_reported_at_the_end():
    raised = threading.Event()
    broadcast = Broadcast[int](on_error=lambda _: raised.set())
    failing = broadcast.subscribe(refuse)
    broadcast.publish(1)
    assert raised.wait(30)
    publish_all(broadcast, range(2, count(ci=100, full=10_000)))
    assert broadcast.close(LONG) == [Undelivered("refuse", 1, failing.error)]


def test_even_an_exit_in_a_callback_is_not_lost():
    def leave(_: Item) -> None:
        raise SystemExit(3)

    broadcast = Broadcast[int]()
    broadcast.subscribe(leave)
    broadcast.publish(1)
    (report,) = broadcast.close(LONG)
    assert isinstance(report.error, SystemExit)


def test_what_a_callback_does_not_take_in_time_is_reported_and_never_delivered():
    broadcast, blocked = Broadcast[int](), Blocked()
    broadcast.subscribe(blocked, buffer=3)
    broadcast.publish(0)
    assert blocked.entered.wait(30)
    publish_all(broadcast, range(1, 6))
    (report,) = broadcast.close(AT_ONCE)
    assert (report.count, report.error) == (6, None)
    blocked.let_go.set()
    assert broadcast.close(LONG) == [report]
    assert blocked.got == [0]


def test_a_closed_subscription_is_not_called_again():
    broadcast, blocked = Broadcast[int](), Blocked()
    subscription = broadcast.subscribe(blocked)
    publish_all(broadcast, [0, 1, 2])
    assert blocked.entered.wait(30)
    subscription.close()
    broadcast.publish(3)
    blocked.let_go.set()
    assert broadcast.close(LONG) == []
    assert blocked.got == [0]


def test_a_callback_may_publish_and_close():
    broadcast, got = Broadcast[int](), list[Item]()
    closed = threading.Event()

    def read(item: Item) -> None:
        got.append(item)
        if item == 1:
            broadcast.publish(2)
        else:
            assert broadcast.close(LONG) == []
            closed.set()

    broadcast.subscribe(read)
    broadcast.publish(1)
    assert closed.wait(30)
    assert got == [1, 2]


def test_all_readers_see_what_many_threads_publish_in_one_order():
    broadcast, one, other = Broadcast[int](), list[Item](), list[Item]()
    broadcast.subscribe(one.append, buffer=4000)
    broadcast.subscribe(other.append, buffer=4000)
    threads = [
        threading.Thread(target=publish_all, args=(broadcast, range(start, start + 1000)))
        for start in (0, 1000, 2000, 3000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    broadcast.close(LONG)
    assert one == other
    assert sorted(item for item in one if isinstance(item, int)) == list(range(4000))


# --- async iterators


def test_a_stream_gives_what_comes_from_the_call_on_and_ends_when_drained():
    async def scene() -> None:
        broadcast = Broadcast[int]()
        broadcast.publish(0)
        stream = broadcast.stream()
        publish_all(broadcast, [1, 2, 3])
        assert broadcast.close() == []
        assert await read_all(stream) == [1, 2, 3]
        assert await read_all(stream) == []

    asyncio.run(scene())


def test_two_loops_in_two_threads_read_a_thousand_items():
    broadcast, results = Broadcast[int](), list[list[Item]]()
    ready = threading.Barrier(3)

    async def read() -> None:
        stream = broadcast.stream()
        ready.wait(30)
        results.append(await read_all(stream))

    threads = [threading.Thread(target=lambda: asyncio.run(read())) for _ in range(2)]
    for thread in threads:
        thread.start()
    ready.wait(30)
    publish_all(broadcast, range(1000))
    broadcast.close(LONG)
    for thread in threads:
        thread.join(30)
    assert results == [list(range(1000))] * 2


def test_a_waiting_reader_is_woken_from_another_thread_each_time():
    items = range(count(ci=500, full=50_000))

    async def scene() -> None:
        broadcast = Broadcast[int]()
        stream = broadcast.stream()
        read = threading.Semaphore(0)

        def publish() -> None:
            for item in items:
                broadcast.publish(item)
                assert read.acquire(timeout=30)
            broadcast.close()

        publishing = asyncio.create_task(asyncio.to_thread(publish))
        got: list[Item] = []
        async for item in stream:
            got.append(item)
            read.release()
        await publishing
        assert got == list(items)

    asyncio.run(asyncio.wait_for(scene(), 300))


def test_a_stream_that_lags_is_told_how_many_it_missed_before_it_goes_on():
    async def scene() -> None:
        broadcast = Broadcast[int]()
        stream = broadcast.stream(buffer=2)
        publish_all(broadcast, range(5))
        assert [await anext(stream) for _ in range(2)] == [Missed(3), 3]
        publish_all(broadcast, [5, 6])
        broadcast.close()
        assert await read_all(stream) == [Missed(1), 5, 6]

    asyncio.run(scene())


def test_a_busy_loop_collects_one_call_and_not_one_for_each_item(monkeypatch: pytest.MonkeyPatch):
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        call_soon, calls = loop.call_soon_threadsafe, list[object]()

        def counted(callback: Callable[..., object], *args: object) -> asyncio.Handle:
            calls.append(callback)
            return call_soon(callback, *args)

        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        broadcast = Broadcast[int]()
        stream = broadcast.stream()
        publish_all(broadcast, range(1000))
        broadcast.close()
        assert len(await read_all(stream)) == 1000
        assert len(calls) == 1

    asyncio.run(scene())


def test_a_cancelled_reader_loses_nothing_and_can_go_on():
    async def scene() -> None:
        broadcast = Broadcast[int]()
        stream, got = broadcast.stream(), list[Item]()

        async def read() -> None:
            async for item in stream:
                got.append(item)

        for item in range(10):
            reading = asyncio.create_task(read())
            await asyncio.sleep(0)
            broadcast.publish(item)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        broadcast.close()
        await read()
        assert got == list(range(10))

    asyncio.run(scene())


def test_a_waiting_reader_ends_when_the_broadcast_or_its_stream_is_closed():
    async def scene() -> None:
        broadcast = Broadcast[int]()
        closed, ended = broadcast.stream(), broadcast.stream()
        reading = [asyncio.create_task(read_all(stream)) for stream in (closed, ended)]
        await asyncio.sleep(0)
        closed.close()
        assert await reading[0] == []
        broadcast.publish(1)
        broadcast.close()
        assert await reading[1] == [1]

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_closed_stream_gives_nothing_more():
    async def scene() -> None:
        broadcast = Broadcast[int]()
        with closing(broadcast.stream()) as stream:
            publish_all(broadcast, [1, 2])
            assert await anext(stream) == 1
        broadcast.publish(3)
        assert await read_all(stream) == []
        assert broadcast.close() == []

    asyncio.run(scene())


def test_two_readers_of_one_stream_share_its_items():
    async def scene() -> None:
        broadcast = Broadcast[int]()
        stream = broadcast.stream()
        reading = [asyncio.create_task(read_all(stream)) for _ in range(2)]
        for item in range(50):
            broadcast.publish(item)
            await asyncio.sleep(0)
        broadcast.close()
        shared = await asyncio.gather(*reading)
        assert sorted(item for got in shared for item in got if isinstance(item, int)) == [
            *range(50)
        ]

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_stream_outlives_its_loop_and_what_it_still_held_is_reported():
    broadcast, got = Broadcast[int](), list[Item]()
    broadcast.subscribe(got.append)

    async def leave() -> Stream[int]:
        stream = broadcast.stream()
        publish_all(broadcast, [1, 2])
        assert await anext(stream) == 1
        return stream

    asyncio.run(leave())
    read_enough = asyncio.run(leave())
    read_enough.close()
    publish_all(broadcast, [3, 4])
    assert broadcast.close(LONG) == [Undelivered("stream", 1, None)]
    assert got == [1, 2, 1, 2, 3, 4]


def test_a_stream_that_nobody_waits_on_after_its_loop_is_closed_does_not_stop_the_end():
    broadcast = Broadcast[int]()

    async def wait_in_vain() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(broadcast.stream()), 0.01)

    asyncio.run(wait_in_vain())
    assert broadcast.close() == []


# --- the end


def test_nothing_can_be_published_or_read_after_the_end():
    broadcast = Broadcast[int]()
    assert broadcast.close() == []
    assert broadcast.close() == []
    with pytest.raises(MachineryError, match="this broadcast is closed"):
        broadcast.publish(1)
    with pytest.raises(MachineryError, match="this broadcast is closed"):
        broadcast.subscribe(refuse)
    with pytest.raises(MachineryError, match="this broadcast is closed"):
        broadcast.stream()


def test_a_buffer_for_nothing_is_refused():
    with pytest.raises(UsageError, match="a buffer cannot hold 0 items"):
        Broadcast[int]().subscribe(refuse, buffer=0)
