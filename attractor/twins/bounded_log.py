"""The latest of what a twin was asked, bounded, for a twin may run for days."""

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

KEEP = 10_000
_MOST_BYTES = 256 * 1024 * 1024


class Logged(Protocol):
    """One request in a log."""

    @property
    def number(self) -> int:
        """Its place among all that came; the first is 1."""
        ...

    def record(self) -> dict[str, object]:
        """Return it for a program."""
        ...


L = TypeVar("L", bound=Logged)


class BoundedLog(Generic[L]):
    """Keeps the latest requests, by their number and by what their bodies take."""

    def __init__(self, keep: int = KEEP, most_bytes: int = _MOST_BYTES) -> None:
        self._keep, self._most_bytes = keep, most_bytes
        self._kept = deque[tuple[L, int]]()
        self._bytes = 0
        self.count = 0
        """How many came, kept or not."""

    @property
    def entries(self) -> Sequence[L]:
        """The requests that are kept; safe to read from another thread."""
        return [entry for entry, _ in self._kept.copy()]

    @property
    def dropped(self) -> int:
        """How many older ones are kept no more."""
        return self.count - len(self._kept)

    def add(self, entry: L, size: int) -> L:
        """Keep a request whose body has this size, and drop what is too much."""
        self.count += 1
        self._kept.append((entry, size))
        self._bytes += size
        # The newest one is kept, whatever its size.
        while len(self._kept) > max(1, self._keep) or (
            self._bytes > self._most_bytes and len(self._kept) > 1
        ):
            self._bytes -= self._kept.popleft()[1]
        return entry

    def forget(self) -> None:
        """Begin anew, with the number 1."""
        self._kept.clear()
        self._bytes = self.count = 0
