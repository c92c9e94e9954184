import asyncio
import threading

import pytest

from attractor.base.broadcast import Broadcast, Stream, Undelivered
from attractor.base.errors import MachineryError, UsageError
from tests.base.readers import LONG, Blocked, Item, publish_all, refuse

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


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
