"""The pipes of a program: writes the input, and keeps head and tail of the output."""

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
    """The number of bytes to keep from the head and from the tail of an output."""

    head: int = 512 * 1024
    tail: int = 512 * 1024

    def __post_init__(self) -> None:
        if self.head < 0 or self.tail < 0:
            raise UsageError(
                f"invalid output limit of {self.head} and {self.tail} bytes",
                hint="use 0 to keep no bytes of the head or of the tail",
            )


@dataclass(frozen=True)
class TruncatedOutput:
    """An output as text, and the number of omitted bytes."""

    text: str
    omitted: int


class BoundedOutput:
    """Collects head and tail of an output in bounded memory."""

    def __init__(self, limit: OutputLimit) -> None:
        self._limit = limit
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, piece: bytes) -> None:
        """Add the next piece."""
        self._total += len(piece)
        room = self._limit.head - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        del self._tail[: max(0, len(self._tail) - self._limit.tail)]

    def kept(self) -> TruncatedOutput:
        """Return head and tail, with a line about the omitted bytes between."""
        if self._total == len(self._head) + len(self._tail):
            return TruncatedOutput((self._head + self._tail).decode("utf-8", "replace"), 0)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        head = decoder.decode(self._head)
        cut_after_head = len(decoder.getstate()[0])
        tail = _from_character(self._tail)
        omitted = self._total - (len(self._head) - cut_after_head) - len(tail)
        marker = f"[... {omitted} bytes omitted ...]\n"
        if head and not head.endswith("\n"):
            marker = "\n" + marker
        return TruncatedOutput(head + marker + tail.decode("utf-8", "replace"), omitted)


def _from_character(tail: bytearray) -> bytearray:
    """Return the tail from its first complete character."""
    rest = 0
    while rest < min(3, len(tail)) and tail[rest] & 0xC0 == 0x80:
        rest += 1
    return tail[rest:]


Stream = Literal["stdout", "stderr"]

_PIECE = 64 * 1024
# Time limit for reading a pipe that a process outside the group keeps filling.
_DRAIN_S = 0.5


@dataclass(frozen=True)
class OutputChunk:
    """A piece of output as it arrived."""

    stream: Stream
    text: str


OnOutput = Callable[[OutputChunk], None]


class OutputPipe:
    """One output stream of a program; its head and tail are kept."""

    def __init__(self, name: Stream, pipe: IO[bytes], keep: OutputLimit) -> None:
        self.name: Stream = name
        self.pipe = pipe
        self.kept = BoundedOutput(keep)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> bytes | None:
        """Return the available bytes; b"" at the end, None if no bytes are available yet."""
        try:
            piece = os.read(self.pipe.fileno(), _PIECE)
        except BlockingIOError:
            return None
        self.kept.add(piece)
        return piece

    def text(self, piece: bytes) -> str:
        """Return the characters that are complete with this piece."""
        return self._decoder.decode(piece, final=not piece)


class Pipes:
    """The pipes of a started program on the running event loop; some may be missing."""

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
        """Return head and tail of one output stream."""
        output = self._outputs.get(stream)
        return output.kept.kept() if output else TruncatedOutput("", 0)

    def watch(self, wake: Callable[[], None]) -> None:
        """Call `wake` when output arrives, and feed the input."""
        for output in self._open:
            self._loop.add_reader(output.pipe.fileno(), wake)
        if self._stdin is not None:
            os.set_blocking(self._stdin.fileno(), False)
            self._loop.add_writer(self._stdin.fileno(), self._feed)

    def read(self) -> bool:
        """Read one piece from each pipe; return whether any arrived."""
        pieces = [(output, output.read()) for output in self._open]
        for output, piece in pieces:
            if piece == b"":
                self._close(output)
            if piece is not None:
                self._deliver(output, piece)
        return any(piece for _, piece in pieces)

    async def drain(self) -> None:
        """Read the buffered output without waiting for processes that hold the pipes open."""
        until = monotonic() + _DRAIN_S
        while self.read() and monotonic() < until:
            await asyncio.sleep(0)
        for output in self._open:
            self._deliver(output, b"")

    def close(self) -> None:
        """Close all pipes."""
        self._close_stdin()
        while self._open:
            self._close(self._open[0])

    def _feed(self) -> None:
        assert self._stdin is not None
        try:
            written = os.write(self._stdin.fileno(), self._input[:_PIECE])
        except BlockingIOError:
            return
        except OSError:  # the program does not read its input
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
            # If the callback raises, it is not called again while the group is killed.
            on_output, self._on_output = self._on_output, None
            on_output(OutputChunk(output.name, text))
            self._on_output = on_output

    def _close(self, output: OutputPipe) -> None:
        self._open.remove(output)
        self._loop.remove_reader(output.pipe.fileno())
        output.pipe.close()
