import threading
from datetime import timedelta

import pytest

from attractor.base.broadcast import Broadcast, Missed, Subscription, Undelivered
from tests.base.readers import LONG, Blocked, Item, publish_all, refuse
from tests.counts import count

AT_ONCE = timedelta(milliseconds=20)

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def test_a_callback_gets_every_item_in_order_before_close_returns():
    broadcast, got = Broadcast[int](), list[Item]()
    broadcast.subscribe(got.append)
    publish_all(broadcast, range(1000))
    assert broadcast.close(LONG) == []
    assert got == list(range(1000))


def test_whoever_waits_for_a_callback_goes_on_when_it_has_all_so_far():
    broadcast, got = Broadcast[int](), list[Item]()
    subscription = broadcast.subscribe(got.append)
    publish_all(broadcast, range(100))
    subscription.catch_up(LONG.total_seconds())
    assert got == list(range(100))
    broadcast.close(LONG)
    subscription.catch_up(LONG.total_seconds())


def test_a_callback_that_does_not_go_on_is_waited_for_no_longer_than_said():
    broadcast, blocked = Broadcast[int](), Blocked()
    subscription = broadcast.subscribe(blocked)
    broadcast.publish(0)
    assert blocked.entered.wait(30)
    subscription.catch_up(AT_ONCE.total_seconds())
    assert blocked.got == []
    blocked.let_go.set()
    broadcast.close(LONG)


def test_who_subscribes_late_gets_what_comes_from_then_on():
    broadcast, got = Broadcast[int](), list[Item]()
    broadcast.publish(1)
    broadcast.subscribe(got.append)
    broadcast.publish(2)
    broadcast.close(LONG)
    assert got == [2]


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
