"""Commands that go on while others run: what they print is kept until somebody reads it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

MOST_UNREAD = 1024 * 1024


class Backlog:
    """What was printed and not read yet; when that is too much, the oldest goes."""

    def __init__(self, most: int = MOST_UNREAD) -> None:
        self._most = most
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._ended = False
        self._woken = asyncio.Event()

    def add(self, piece: bytes) -> None:
        """Take what was printed."""
        self._pieces.append(piece)
        self._size += len(piece)
        while self._size > self._most and len(self._pieces) > 1:
            gone = len(self._pieces.popleft())
            self._size -= gone
            self._lost += gone
        self._woken.set()

    def end(self) -> None:
        """Say that nothing more will come."""
        self._ended = True
        self._woken.set()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield each piece once, as it comes, to the end."""
        while True:
            if self._lost:
                lost, self._lost = self._lost, 0
                yield f"[... {lost} bytes left out ...]\n".encode()
            while self._pieces:
                piece = self._pieces.popleft()
                self._size -= len(piece)
                yield piece
            if self._ended:
                return
            self._woken.clear()
            await self._woken.wait()


class BackgroundService:
    """A command that goes on, for those who started it."""

    def __init__(self, backlog: Backlog, end: Callable[[], Awaitable[int]]) -> None:
        self._backlog = backlog
        self._end = end

    def output(self) -> AsyncIterator[bytes]:
        """Yield what it prints, errors too, as it comes, to its end."""
        return self._backlog.read()

    async def stop(self) -> int:
        """End it and return its exit code; harmless when it has ended already."""
        return await self._end()
