"""Output of any length in little memory: its head and its tail, and what was left out between."""

import codecs

from attractor.base.errors import UsageError
from attractor.base.late_dataclass import dataclass


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
class KeptOutput:
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

    def kept(self) -> KeptOutput:
        """Return what was kept, with a line that says how much was left out."""
        if self._total == len(self._head) + len(self._tail):
            return KeptOutput((self._head + self._tail).decode("utf-8", "replace"), 0)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        head = decoder.decode(self._head)
        cut_after_head = len(decoder.getstate()[0])
        tail = _from_character(self._tail)
        omitted = self._total - (len(self._head) - cut_after_head) - len(tail)
        marker = f"[... {omitted} bytes left out ...]\n"
        if head and not head.endswith("\n"):
            marker = "\n" + marker
        return KeptOutput(head + marker + tail.decode("utf-8", "replace"), omitted)


def _from_character(tail: bytearray) -> bytearray:
    """Return the tail without the rest of a character that was cut in two."""
    rest = 0
    while rest < min(3, len(tail)) and tail[rest] & 0xC0 == 0x80:
        rest += 1
    return tail[rest:]
