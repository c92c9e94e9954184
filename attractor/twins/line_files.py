"""Files that grow by a line for each exchange; a line is there whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

from attractor.base.files import file_trouble, write_fully

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
