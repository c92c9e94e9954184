"""Hands what is published to many readers; a slow one holds up neither the writer nor the others.

Every reader has a bounded buffer of its own. Who lags further behind loses the oldest items and is
told how many by a `Missed` in their place, so that it can read them again where they are kept.

What a reader of a broadcast has not taken yet, and what it is told when it lost some of it.

A reader of a broadcast that is an async iterator, on its own event loop.

A reader of a broadcast that is called back, on a thread of its own.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from time import monotonic
from typing import Generic, TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, UsageError

T = TypeVar("T")

DEFAULT_BUFFER = 1024
"""How many items a reader may lag behind before it loses some."""


@dataclass(frozen=True)
class Missed:
    """Stands where a reader that lagged too far behind lost so many items."""

    count: int


@dataclass(frozen=True)
class Undelivered:
    """A reader that did not get everything: how many items it lacks, and what it raised."""

    reader: str
    count: int
    error: BaseException | None


class ReaderBuffer(Generic[T]):
    """The newest items a reader has not taken, and how many older ones it lost."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise UsageError(f"a buffer cannot hold {limit} items", hint="it holds one at least")
        self._limit = limit
        self._items: deque[T] = deque()
        self._missed = 0

    def __len__(self) -> int:
        return self._missed + len(self._items)

    def put(self, item: T) -> None:
        """Add an item; a full buffer loses its oldest."""
        if len(self._items) == self._limit:
            self._items.popleft()
            self._missed += 1
        self._items.append(item)

    def take(self) -> T | Missed:
        """Return how many were lost, once, and then the oldest item that is left."""
        if self._missed:
            missed, self._missed = self._missed, 0
            return Missed(missed)
        return self._items.popleft()

    def clear(self) -> int:
        """Drop everything, and return how many items that were with those that were lost."""
        count = len(self)
        self._missed = 0
        self._items.clear()
        return count


class Stream(Generic[T]):
    """An async iterator over what is published; a broken-off one is to be closed."""

    def __init__(self, *, buffer: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._buffer = ReaderBuffer[T](buffer)
        self._lock = threading.Lock()
        self._ending = False
        self._wake_sent = False

    def __aiter__(self) -> "Stream[T]":
        return self

    async def __anext__(self) -> T | Missed:
        while True:
            self._woken.clear()
            with self._lock:
                if self._buffer:
                    return self._buffer.take()
                if self._ending:
                    raise StopAsyncIteration
                self._wake_sent = False
            await self._woken.wait()

    def put(self, item: T) -> bool:
        """Buffer an item; say no when this stream, or its event loop, is over."""
        with self._lock:
            if self._ending or self._loop.is_closed():
                return False
            self._buffer.put(item)
            self._wake()
            return True

    def end(self) -> None:
        """Take no more; what is buffered can still be read."""
        with self._lock:
            self._ending = True
            self._wake()

    def close(self) -> None:
        """End the iteration; what is buffered is dropped."""
        with self._lock:
            self._ending = True
            self._buffer.clear()
            self._wake()

    def report(self) -> Sequence[Undelivered]:
        """Return what nobody can read any more, because the event loop is closed."""
        if not self._buffer or not self._loop.is_closed():
            return ()
        return (Undelivered("stream", len(self._buffer), None),)

    def _wake(self) -> None:
        # Once until the reader has looked: a loop that is busy does not collect a thousand calls.
        if self._wake_sent:
            return
        self._wake_sent = True
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:  # the loop was closed meanwhile: nobody is waiting
            return


class Subscription(Generic[T]):
    """A callback that is served in order by a thread of its own, until it raises."""

    def __init__(
        self,
        callback: Callable[[T | Missed], None],
        *,
        buffer: int,
        on_error: "Callable[[Subscription[T]], None] | None",
    ) -> None:
        self.name: str = getattr(callback, "__qualname__", type(callback).__qualname__)
        self.error: BaseException | None = None
        self._callback = callback
        self._on_error = on_error
        self._buffer = ReaderBuffer[T](buffer)
        self._changed = threading.Condition()
        self._ending = False
        self._in_hand = 0
        self._lacks = 0
        # A daemon: a callback that never returns does not keep the program from ending.
        self._thread = threading.Thread(target=self._serve, name=self.name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> bool:
        """Buffer an item; say no when this subscription is over."""
        with self._changed:
            if not self._ending:
                self._buffer.put(item)
                self._changed.notify_all()
            # While its thread lives it can raise still, and that is to be reported.
            return not self._ending or self._thread.is_alive()

    def catch_up(self, seconds: float) -> None:
        """Wait so long at most until all is delivered that was put here by now."""
        if self._thread is threading.current_thread():
            return
        with self._changed:
            self._changed.wait_for(lambda: not (self._buffer or self._in_hand), seconds)

    def end(self) -> None:
        """Take no more; what is buffered is still delivered."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop calling back; what is buffered is dropped."""
        with self._changed:
            self._ending = True
            self._buffer.clear()
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until all is delivered; what is not by then never will be."""
        if self._thread is threading.current_thread():
            return
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._give_up()

    def report(self) -> Sequence[Undelivered]:
        """Return what went wrong, if anything did."""
        if self.error is None and not self._lacks:
            return ()
        return (Undelivered(self.name, self._lacks, self.error),)

    def _serve(self) -> None:
        for item in self._items():
            try:
                self._callback(item)
            # Whatever it is, it ends this reader only, and nobody else would hear of it.
            except BaseException as error:  # noqa: BLE001
                self.error = error
                self._give_up()
                if self._on_error is not None:
                    self._on_error(self)
                return

    def _items(self) -> Iterator[T | Missed]:
        while True:
            with self._changed:
                self._in_hand = 0
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._buffer or self._ending)
                if not self._buffer:
                    return
                item = self._buffer.take()
                self._in_hand = item.count if isinstance(item, Missed) else 1
            yield item

    def _give_up(self) -> None:
        with self._changed:
            self._ending = True
            self._lacks += self._in_hand + self._buffer.clear()
            self._in_hand = 0
            self._changed.notify_all()


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
