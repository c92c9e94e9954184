"""What a reader of a broadcast has not taken yet, and what it is told when it lost some of it."""

from collections import deque
from typing import Generic, TypeVar

from attractor.base.errors import UsageError
from attractor.base.late_dataclass import dataclass

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
