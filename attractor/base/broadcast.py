"""Publishes items to callbacks; each callback has its own thread and a bounded buffer.

This module replaces anyio's memory object streams, because those belong to one event loop, refuse
an item when the buffer is full instead of dropping the oldest, and cost 60 to 140 ms of start-up to
import.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import monotonic
from typing import Generic, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError

T = TypeVar("T")

DEFAULT_BUFFER = 1024
"""The default size of a callback's buffer; a full buffer drops its oldest items."""
_GATHERING_S = 0.02
"""How long a thread gathers items before it delivers them: to wake it for each item is slow."""


@dataclass(frozen=True)
class Missed:
    """Delivered in place of items that were dropped because a callback was too slow."""

    count: int


class Subscription(Generic[T]):
    """Delivers items to one callback in order, on its own thread, until the callback raises.

    Items wait for others for a moment, unless a thread waits for them or half the buffer is full.
    """

    def __init__(self, callback: Callable[[T | Missed], None], *, buffer: int) -> None:
        self.error: BaseException | None = None
        self._callback = callback
        self._items: deque[T] = deque(maxlen=buffer)
        self._missed = 0
        self._changed = threading.Condition()
        self._is_ending = False
        self._is_calling = False
        self._is_hurried = False
        name = getattr(callback, "__qualname__", type(callback).__qualname__)
        # A daemon: a callback that never returns does not keep the program from exiting.
        self._thread = threading.Thread(target=self._deliver, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Buffer an item; a full buffer drops its oldest item."""
        with self._changed:
            if not self._is_ending:
                self._missed += len(self._items) == self._items.maxlen
                self._items.append(item)
                if len(self._items) == 1 or self._is_half_full:
                    self._changed.notify_all()

    def catch_up(self, seconds: float) -> None:
        """Wait until all buffered items are delivered, at most the given time."""
        if self._thread is threading.current_thread():
            return
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._items or self._is_calling), seconds)

    def end(self) -> None:
        """Accept no more items; buffered items are still delivered."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until all items are delivered; drop the items that are not delivered in time."""
        if self._thread is threading.current_thread():
            return
        self._thread.join(seconds)
        self._drop()

    def _deliver(self) -> None:
        for item in self._next_items():
            try:
                self._callback(item)
            # A failing callback must not stop the run or the other callbacks.
            except BaseException as error:  # noqa: BLE001
                self.error = error
                self._drop()
                return

    @property
    def _is_half_full(self) -> bool:
        return len(self._items) * 2 >= (self._items.maxlen or 0)

    def _next_items(self) -> Iterator[T | Missed]:
        while True:
            with self._changed:
                if not self._items:
                    self._gather()
                if not self._items:
                    return
                missed, self._missed = self._missed, 0
                item = Missed(missed) if missed else self._items.popleft()
                self._is_calling = True
            yield item

    def _gather(self) -> None:
        """Wait for items, and then for more of them."""
        self._is_calling = self._is_hurried = False
        self._changed.notify_all()
        self._changed.wait_for(lambda: self._items or self._is_ending)
        self._changed.wait_for(
            lambda: self._is_hurried or self._is_ending or self._is_half_full, _GATHERING_S
        )

    def _drop(self) -> None:
        with self._changed:
            self._is_ending = True
            self._is_calling = False
            self._items.clear()
            self._changed.notify_all()


class Broadcast(Generic[T]):
    """Publishes items from any thread to all callbacks, in the same order, without waiting for
    them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self._subscriptions: list[Subscription[T]] = []

    def publish(self, item: T) -> None:
        """Put an item into the buffer of every subscription."""
        with self._lock:
            self._require_open()
            for subscription in self._subscriptions:
                subscription.put(item)

    def subscribe(
        self, callback: Callable[[T | Missed], None], *, buffer: int = DEFAULT_BUFFER
    ) -> Subscription[T]:
        """Call a function for each item published from now on."""
        with self._lock:
            self._require_open()
            subscription = Subscription(callback, buffer=buffer)
            self._subscriptions.append(subscription)
        return subscription

    def close(self, timeout: timedelta = timedelta(seconds=5)) -> None:
        """Accept no more items, and wait until the buffered items are delivered or the time limit
        is reached.
        """
        with self._lock:
            self._is_closed = True
        for subscription in self._subscriptions:
            subscription.end()
        until = monotonic() + timeout.total_seconds()
        for subscription in self._subscriptions:
            subscription.wait(max(0.0, until - monotonic()))

    def _require_open(self) -> None:
        if self._is_closed:
            raise MachineryError(
                "this broadcast is closed", hint="publish and subscribe before it is closed"
            )
