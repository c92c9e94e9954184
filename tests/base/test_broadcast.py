import threading
from datetime import timedelta

import pytest

from attractor.base import broadcast as module
from attractor.base.broadcast import Broadcast, Missed
from attractor.base.errors import MachineryError
from tests.patience import PATIENCE_S

LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=20)
Item = int | Missed

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class Blocked:
    """A callback that blocks in its first item until it is released."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.entered = threading.Event()
        self.released = threading.Event()

    def __call__(self, item: Item) -> None:
        self.entered.set()
        assert self.released.wait(PATIENCE_S)
        self.items.append(item)


def publish_all(broadcast: Broadcast[int], items: range) -> None:
    for item in items:
        broadcast.publish(item)


def block(broadcast: Broadcast[int], *, buffer: int = 2000) -> Blocked:
    """Subscribe a callback and return it once it blocks in item 0."""
    blocked = Blocked()
    broadcast.subscribe(blocked, buffer=buffer)
    broadcast.publish(0)
    assert blocked.entered.wait(PATIENCE_S)
    return blocked


def test_callbacks_get_items_of_many_threads_in_one_order_before_close_returns() -> None:
    broadcast, first, second = Broadcast[int](), list[Item](), list[Item]()
    broadcast.publish(-1)
    broadcast.subscribe(first.append, buffer=4000)
    broadcast.subscribe(second.append, buffer=4000)
    threads = [
        threading.Thread(target=publish_all, args=(broadcast, range(start, start + 1000)))
        for start in (0, 1000, 2000, 3000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    broadcast.close(LONG)
    assert first == second
    assert sorted(item for item in first if isinstance(item, int)) == list(range(4000))


def test_blocked_callback_delays_neither_other_callbacks_nor_program_exit() -> None:
    broadcast, items = Broadcast[int](), list[Item]()
    blocked = block(broadcast)
    reader = broadcast.subscribe(items.append)
    publish_all(broadcast, range(1, 1000))
    reader.catch_up(LONG.total_seconds())
    assert items == list(range(1, 1000))
    assert [one.daemon for one in threading.enumerate() if one.name == "Blocked"] == [True]
    blocked.released.set()
    broadcast.close(LONG)
    assert blocked.items == list(range(1000))


def test_items_are_delivered_together_and_at_once_if_a_thread_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_GATHERING_S", PATIENCE_S)
    broadcast, items = Broadcast[int](), list[Item]()
    reader = broadcast.subscribe(items.append, buffer=1000)
    publish_all(broadcast, range(8))
    assert items == []
    for item in range(8, 58):
        broadcast.publish(item)
        reader.catch_up(LONG.total_seconds())
        assert items[-1] == item
    publish_all(broadcast, range(58, 558))
    broadcast.close(LONG)
    assert items == list(range(558))


def test_slow_callback_gets_count_of_missed_items() -> None:
    broadcast = Broadcast[int]()
    blocked = block(broadcast, buffer=3)
    publish_all(broadcast, range(1, 11))
    blocked.released.set()
    broadcast.close(LONG)
    assert blocked.items == [0, Missed(7), 8, 9, 10]


def test_catch_up_waits_at_most_the_given_time() -> None:
    broadcast = Broadcast[int]()
    blocked = Blocked()
    subscription = broadcast.subscribe(blocked)
    broadcast.publish(0)
    assert blocked.entered.wait(PATIENCE_S)
    subscription.catch_up(SHORT.total_seconds())
    assert blocked.items == []
    blocked.released.set()
    subscription.catch_up(LONG.total_seconds())
    assert blocked.items == [0]
    broadcast.close(LONG)


def test_items_undelivered_at_close_are_dropped() -> None:
    broadcast = Broadcast[int]()
    blocked = block(broadcast)
    publish_all(broadcast, range(1, 6))
    broadcast.close(SHORT)
    blocked.released.set()
    broadcast.close(LONG)
    assert blocked.items == [0]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)], ids=repr)
def test_exception_of_a_callback_ends_only_its_own_subscription(error: BaseException) -> None:
    def fail(_: Item) -> None:
        raise error

    broadcast, items = Broadcast[int](), list[Item]()
    failing = broadcast.subscribe(fail)
    broadcast.subscribe(items.append)
    publish_all(broadcast, range(3))
    failing.catch_up(LONG.total_seconds())
    broadcast.publish(3)
    broadcast.close(LONG)
    assert items == [0, 1, 2, 3]
    assert failing.error is error


def test_callback_may_publish_and_close() -> None:
    broadcast, items = Broadcast[int](), list[Item]()
    closed = threading.Event()

    def read(item: Item) -> None:
        items.append(item)
        if item == 1:
            broadcast.publish(2)
        else:
            broadcast.close(LONG)
            closed.set()

    broadcast.subscribe(read)
    broadcast.publish(1)
    assert closed.wait(PATIENCE_S)
    assert items == [1, 2]


def test_closed_broadcast_refuses_items_and_subscriptions() -> None:
    broadcast = Broadcast[int]()
    broadcast.close()
    broadcast.close()
    with pytest.raises(MachineryError, match="this broadcast is closed"):
        broadcast.publish(1)
    with pytest.raises(MachineryError, match="this broadcast is closed"):
        broadcast.subscribe(print)
