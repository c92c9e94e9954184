"""Writes the last lines of a command's output to a file while the command runs."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from attractor.base.errors import FileError
from attractor.base.process_output import OnOutput, OutputChunk
from attractor.engine.seams import StageFiles

TAIL = "tail.txt"
"""The name of the file in the stage folder."""


OFTEN_S = 0.5


MOST_LINES = 50


LONGEST_LINE = 4 * 1024


class OutputTail:
    """The last whole lines of an output.

    Incomplete lines are held back: a secret can only be recognized whole.
    """

    def __init__(self) -> None:
        self._lines = deque[str](maxlen=MOST_LINES)
        self._begun = {"stdout": "", "stderr": ""}
        self._has_more = False

    def add(self, chunk: OutputChunk) -> None:
        """Add the next chunk of a stream."""
        lines = (self._begun[chunk.stream] + chunk.text).splitlines(keepends=True)
        rest = lines.pop() if lines and not _is_whole(lines[-1]) else ""
        self._lines.extend(map(_bounded, lines))
        self._has_more = self._has_more or bool(lines)
        # Only enough of a long line is kept to see that it is too long.
        self._begun[chunk.stream] = rest[: LONGEST_LINE + 1]

    def take(self) -> str:
        """Return the lines, if there are new ones since the last call."""
        has_more, self._has_more = self._has_more, False
        return "".join(self._lines) if has_more else ""


@asynccontextmanager
async def write_tail(files: StageFiles, *, often_s: float = OFTEN_S) -> AsyncGenerator[OnOutput]:
    """Yield a function that takes output, and keep its last lines in a file meanwhile."""
    tail = OutputTail()
    writing = asyncio.create_task(_write_often(tail, files, often_s))
    try:
        yield tail.add
    except BaseException:
        # A canceled command leaves no other output.
        _write(tail, files)
        raise
    finally:
        writing.cancel()
        await asyncio.wait([writing])


async def _write_often(tail: OutputTail, files: StageFiles, often_s: float) -> None:
    while True:
        await asyncio.sleep(often_s)
        _write(tail, files)


def _write(tail: OutputTail, files: StageFiles) -> None:
    # StageFiles remembers the error, and it is raised when the stage is over.
    with suppress(FileError):
        if text := tail.take():
            files.write(TAIL, text)


def _is_whole(line: str) -> bool:
    return line.splitlines() != [line]


def _bounded(line: str) -> str:
    is_short = len(line) <= LONGEST_LINE
    return line if is_short else f"[a line of more than {LONGEST_LINE} characters]\n"
