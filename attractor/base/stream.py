"""A reader of a broadcast that is an async iterator, on its own event loop."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Generic, TypeVar

from attractor.base.reader_buffer import Missed, ReaderBuffer, Undelivered

T = TypeVar("T")


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
