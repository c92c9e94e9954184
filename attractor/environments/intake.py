"""The reading end of a pipe that somebody else writes into."""

import asyncio
import os
from collections.abc import Callable
from time import monotonic

_PIECE = 64 * 1024
# Time to read what is in a pipe that somebody who was left over fills faster than we read.
_DRAIN_S = 0.5


class Intake:
    """Takes what is written as it comes, and waits for nobody who holds the pipe open."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._loop.add_reader(self._reader, self._read)

    @property
    def writer(self) -> int:
        """The end to hand out."""
        return self._writer

    def close_writer(self) -> None:
        """Give up our own writing end, once it was handed out."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    async def drain(self) -> None:
        """Take what is there already."""
        until = monotonic() + _DRAIN_S
        while self._read() and monotonic() < until:
            await asyncio.sleep(0)

    def close(self) -> None:
        """Give up both ends; harmless when repeated."""
        self.close_writer()
        if self._reader >= 0:
            self._loop.remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1

    def _read(self) -> bool:
        """Take one piece; say whether there was any."""
        if self._reader < 0:
            return False
        try:
            piece = os.read(self._reader, _PIECE)
        except BlockingIOError:
            return False
        if piece:
            self._take(piece)
        else:
            self.close()
        return bool(piece)
