"""The latest of what a twin was asked, bounded, for a twin may run for days.

Files that grow by a line for each exchange; a line is there whole or not at all.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from attractor.base.files import file_trouble, write_fully

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


IsTorn = Callable[[bytes], bool]


def add_line(path: Path, line: str) -> None:
    """Write a line behind the others."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            write_fully(file, f"{line}\n".encode())
        finally:
            os.close(file)
    except OSError as cause:
        raise file_trouble("write", path, cause) from cause


def mend_lines(path: Path, is_torn: IsTorn) -> None:
    """Make an end for the last line, or take away what a death left of it."""
    content = path.read_bytes()
    last = content.rpartition(b"\n")[2]
    if last and is_torn(last):
        os.truncate(path, len(content) - len(last))
    elif last:
        with path.open("ab") as file:
            file.write(b"\n")


def whole_lines(content: bytes, is_torn: IsTorn) -> list[bytes]:
    """Return the lines of a file; the last one has no end if its writer died there."""
    *lines, last = content.split(b"\n")
    return lines if is_torn(last) else [*lines, last]
