"""Hands what is published to many readers; a slow one holds up neither the writer nor the others.

Every reader has a bounded buffer of its own. Who lags further behind loses the oldest items and is
told how many by a `Missed` in their place, so that it can read them again where they are kept.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from time import monotonic
from typing import Generic, TypeVar

from attractor.base.errors import MachineryError
from attractor.base.reader_buffer import DEFAULT_BUFFER, Missed, Undelivered
from attractor.base.stream import Stream
from attractor.base.subscription import Subscription

T = TypeVar("T")


class Broadcast(Generic[T]):
    """Publishes items, from any thread, to callbacks and async iterators, all in one order."""

    def __init__(self, *, on_error: Callable[[Subscription[T]], None] | None = None) -> None:
        self._on_error = on_error
        self._lock = threading.Lock()
        self._closed = False
        self._readers: list[Subscription[T] | Stream[T]] = []
        self._past: list[Undelivered] = []

    def publish(self, item: T) -> None:
        """Put an item into every reader's buffer, and wait for none of them."""
        with self._lock:
            self._refuse_when_closed()
            over = [reader for reader in self._readers if not reader.put(item)]
            for reader in over:
                self._readers.remove(reader)
                self._past.extend(reader.report())

    def subscribe(
        self, callback: Callable[[T | Missed], None], *, buffer: int = DEFAULT_BUFFER
    ) -> Subscription[T]:
        """Call back for each item from now on, on a thread of its own, until it raises."""
        with self._lock:
            self._refuse_when_closed()
            subscription = Subscription(callback, buffer=buffer, on_error=self._on_error)
            self._readers.append(subscription)
        return subscription

    def stream(self, *, buffer: int = DEFAULT_BUFFER) -> Stream[T]:
        """Return an async iterator over each item from now on, for the running event loop."""
        with self._lock:
            self._refuse_when_closed()
            stream = Stream[T](buffer=buffer)
            self._readers.append(stream)
        return stream

    def close(self, timeout: timedelta = timedelta(seconds=5)) -> Sequence[Undelivered]:
        """Take no more, let callbacks have what is left, and return who did not get everything.

        It blocks for that time at most. Async iterators end by themselves once they are drained.
        """
        with self._lock:
            self._closed = True
            readers = tuple(self._readers)
        for reader in readers:
            reader.end()
        until = monotonic() + timeout.total_seconds()
        for reader in readers:
            if isinstance(reader, Subscription):
                reader.wait(max(0.0, until - monotonic()))
        return [*self._past, *(one for reader in readers for one in reader.report())]

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise MachineryError(
                "this broadcast is closed", hint="publish and subscribe before it is closed"
            )
