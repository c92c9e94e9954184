"""Appends numbered lines to a journal until it is killed; prints the number of each line."""

import os
import signal
import sys
from itertools import count, islice

from attractor.base.journal import Journal


def line_of(number: int) -> bytes:
    """Return a line of varying length; its number at both ends shows that it is complete."""
    return b"%d " % number + b"x" * (number * 7919 % 150_000) + b" %d" % number


def append_lines(journal: Journal, how_many: int | None, *, sync: bool) -> None:
    """Append the first lines, or lines without end (None)."""
    for number in islice(count(1), how_many):
        journal.append(line_of(number), sync=sync)
        os.write(1, b"%d\n" % number)


def main(path: str, how: str) -> None:
    """Append lines as `how` says: `synced`, `unsynced`, or `torn` (three and a half lines)."""
    journal = Journal.open(path)
    if how != "torn":
        append_lines(journal, None, sync=how == "synced")
    append_lines(journal, 3, sync=True)
    half = line_of(4)[:20_000]
    os.write(os.open(path, os.O_WRONLY | os.O_APPEND), half)
    os.write(1, b"torn\n")
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
