"""Reads a stream line by line without blocking the event loop, and without a thread."""

import asyncio
import os
import select
import stat
import termios
from contextlib import suppress
from typing import TextIO

_PIECE = 4096
# Who sends more without a line break is no person; the memory is ours.
_LONGEST = 64 * 1024


class Lines:
    """The lines of a stream that nobody else reads; whoever waits for one may be cancelled."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._rest = b""

    async def next(self) -> str | None:
        """Return the next line without its end, or None at the end of the input."""
        file = _file_of(self._stream)
        if file is None:
            return _next_of(self._stream)
        while b"\n" not in self._rest and len(self._rest) < _LONGEST:
            piece = await _read(file)
            if not piece:
                break
            self._rest += piece
        if not self._rest:
            return None
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(self._stream.encoding or "utf-8", "replace").removesuffix("\r")

    def drop(self) -> str:
        """Forget what was typed at a terminal and not read yet; return the whole lines of it."""
        typed, self._rest = self._rest, b""
        file = _file_of(self._stream)
        with suppress(OSError, termios.error):
            while file is not None and select.select([file], [], [], 0)[0]:
                piece = os.read(file, _PIECE)
                typed += piece
                if not piece:
                    break
            if file is not None:
                # Also half a line, which cannot be read yet.
                termios.tcflush(file, termios.TCIFLUSH)
        return typed.decode(self._stream.encoding or "utf-8", "replace")


def _file_of(stream: TextIO) -> int | None:
    """Return the file descriptor of a stream, unless it has none: text in memory."""
    with suppress(OSError, ValueError):
        return stream.fileno()
    return None


def _next_of(stream: TextIO) -> str | None:
    line = "" if stream.closed else stream.readline(_LONGEST)
    return line.removesuffix("\n") if line else None


async def _read(file: int) -> bytes:
    """Return what has come, or nothing at the end of the input."""
    while True:
        if _makes_wait(file):
            await _readable(file)
        # Somebody else who reads the same terminal may have been quicker.
        with suppress(BlockingIOError):
            return os.read(file, _PIECE)


def _makes_wait(file: int) -> bool:
    """Tell terminals, pipes and sockets from files, whose end the event loop does not report."""
    mode = os.fstat(file).st_mode
    return os.isatty(file) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def _readable(file: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(file, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(file)
