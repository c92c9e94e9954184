"""Writes more than the file size limit of 4096 bytes, in place of a full disk."""

import resource
import sys

from attractor.base.errors import FileError, JournalError
from attractor.base.files import write_whole
from attractor.base.journal import Journal

LIMIT = 4096


def write(path: str) -> None:
    """Try to replace a file by a larger content than the limit."""
    try:
        write_whole(path, b"x" * (LIMIT + 1))
    except FileError as trouble:
        sys.stdout.write(f"{trouble.message}; {trouble.hint}\n")


def append(path: str) -> None:
    """Try to append a line that is too long, then append a short one."""
    with Journal.open(path) as journal:
        journal.append("before")
        try:
            journal.append("x" * LIMIT)
        except JournalError as trouble:
            sys.stdout.write(f"{trouble.message}; {trouble.hint}\n")
        journal.append("after")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))
    {"write": write, "append": append}[sys.argv[1]](sys.argv[2])
