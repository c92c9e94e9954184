import asyncio
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from attractor.base.broadcast import Broadcast, Missed
from tests.base.readers import LONG, Item, publish_all, read_all
from tests.counts import count

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


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


def test_a_stream_that_nobody_waits_on_after_its_loop_is_closed_does_not_stop_the_end():
    broadcast = Broadcast[int]()

    async def wait_in_vain() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(broadcast.stream()), 0.01)

    asyncio.run(wait_in_vain())
    assert broadcast.close() == []
