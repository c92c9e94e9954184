"""The pipes of a started program: input is fed, output is kept and handed on as it comes.

Output of any length in little memory: its head and its tail, and what was left out between.
"""

import asyncio
import codecs
import os
import subprocess
from collections.abc import Callable
from time import monotonic
from typing import IO, Literal

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError


@dataclass(frozen=True)
class OutputLimit:
    """How many bytes of an output are kept from its beginning and from its end."""

    head: int = 512 * 1024
    tail: int = 512 * 1024

    def __post_init__(self) -> None:
        if self.head < 0 or self.tail < 0:
            raise UsageError(
                f"an output cannot be kept to {self.head} and {self.tail} bytes",
                hint="write 0 to keep nothing of one end",
            )


@dataclass(frozen=True)
class TruncatedOutput:
    """An output as text, and how many of its bytes the text leaves out."""

    text: str
    omitted: int


class BoundedOutput:
    """Takes an output piece by piece and keeps its two ends."""

    def __init__(self, limit: OutputLimit) -> None:
        self._limit = limit
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._total += len(piece)
        room = self._limit.head - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        del self._tail[: max(0, len(self._tail) - self._limit.tail)]

    def kept(self) -> TruncatedOutput:
        """Return what was kept, with a line that says how much was left out."""
        if self._total == len(self._head) + len(self._tail):
            return TruncatedOutput((self._head + self._tail).decode("utf-8", "replace"), 0)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        head = decoder.decode(self._head)
        cut_after_head = len(decoder.getstate()[0])
        tail = _from_character(self._tail)
        omitted = self._total - (len(self._head) - cut_after_head) - len(tail)
        marker = f"[... {omitted} bytes left out ...]\n"
        if head and not head.endswith("\n"):
            marker = "\n" + marker
        return TruncatedOutput(head + marker + tail.decode("utf-8", "replace"), omitted)


def _from_character(tail: bytearray) -> bytearray:
    """Return the tail without the rest of a character that was cut in two."""
    rest = 0
    while rest < min(3, len(tail)) and tail[rest] & 0xC0 == 0x80:
        rest += 1
    return tail[rest:]


Stream = Literal["stdout", "stderr"]

_PIECE = 64 * 1024
# Time to read what is in a pipe that somebody outside the group fills faster than we read.
_DRAIN_S = 0.5


@dataclass(frozen=True)
class OutputChunk:
    """A piece of output, as it came."""

    stream: Stream
    text: str


OnOutput = Callable[[OutputChunk], None]


class OutputPipe:
    """One stream of output, of which the two ends are kept."""

    def __init__(self, name: Stream, pipe: IO[bytes], keep: OutputLimit) -> None:
        self.name: Stream = name
        self.pipe = pipe
        self.kept = BoundedOutput(keep)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> bytes | None:
        """Return what is there: nothing at the end, None when nothing has come yet."""
        try:
            piece = os.read(self.pipe.fileno(), _PIECE)
        except BlockingIOError:
            return None
        self.kept.add(piece)
        return piece

    def text(self, piece: bytes) -> str:
        """Return the characters that a piece completes; the end completes them all."""
        return self._decoder.decode(piece, final=not piece)


class Pipes:
    """The pipes of a started program on the running event loop; not all need be there."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        stdin: bytes,
        on_output: OnOutput | None,
        keep: OutputLimit,
    ) -> None:
        pipes: dict[Stream, IO[bytes] | None] = {"stdout": popen.stdout, "stderr": popen.stderr}
        self._outputs = {
            name: OutputPipe(name, pipe, keep) for name, pipe in pipes.items() if pipe is not None
        }
        self._open = list(self._outputs.values())
        self._stdin = popen.stdin
        self._input = memoryview(stdin)
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()

    def kept(self, stream: Stream) -> TruncatedOutput:
        """Return what is kept of one stream of output."""
        output = self._outputs.get(stream)
        return output.kept.kept() if output else TruncatedOutput("", 0)

    def watch(self, wake: Callable[[], None]) -> None:
        """Wake whoever reads when there is output, and feed the input as it is taken."""
        for output in self._open:
            self._loop.add_reader(output.pipe.fileno(), wake)
        if self._stdin is not None:
            os.set_blocking(self._stdin.fileno(), False)
            self._loop.add_writer(self._stdin.fileno(), self._feed)

    def read(self) -> bool:
        """Take one piece from each pipe; say whether there was any."""
        pieces = [(output, output.read()) for output in self._open]
        for output, piece in pieces:
            if piece == b"":
                self._close(output)
            if piece is not None:
                self._deliver(output, piece)
        return any(piece for _, piece in pieces)

    async def drain(self) -> None:
        """Read what is in the pipes, and wait for nobody who holds them open."""
        until = monotonic() + _DRAIN_S
        while self.read() and monotonic() < until:
            await asyncio.sleep(0)
        for output in self._open:
            self._deliver(output, b"")

    def close(self) -> None:
        """Give the pipes back to the loop and to the system."""
        self._close_stdin()
        while self._open:
            self._close(self._open[0])

    def _feed(self) -> None:
        assert self._stdin is not None
        try:
            written = os.write(self._stdin.fileno(), self._input[:_PIECE])
        except BlockingIOError:
            return
        except OSError:  # the program does not read it, which is its right
            written = len(self._input)
        self._input = self._input[written:]
        if not self._input:
            self._close_stdin()

    def _close_stdin(self) -> None:
        if self._stdin is not None and not self._stdin.closed:
            self._loop.remove_writer(self._stdin.fileno())
            self._stdin.close()

    def _deliver(self, output: OutputPipe, piece: bytes) -> None:
        text = output.text(piece)
        if text and self._on_output is not None:
            # Should it raise, it is not called again while the group is ended.
            on_output, self._on_output = self._on_output, None
            on_output(OutputChunk(output.name, text))
            self._on_output = on_output

    def _close(self, output: OutputPipe) -> None:
        self._open.remove(output)
        self._loop.remove_reader(output.pipe.fileno())
        output.pipe.close()
