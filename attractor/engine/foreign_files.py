"""Reads a file that somebody else wrote: a regular file, not through a link, up to a size."""

import os
import stat
from pathlib import Path

from attractor.base.errors import FileTrouble
from attractor.base.files import file_trouble

LARGEST = 1 << 20


def read_foreign(path: Path, *, largest: int = LARGEST) -> bytes:
    """Return a file's bytes, or refuse what is no plain file or is too large."""
    try:
        # Without blocking: what is no regular file, such as a FIFO, is only found out when open.
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as cause:
        raise file_trouble("read", path, cause) from cause
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise FileTrouble(f"cannot read {path}: it is no regular file")
        content = opened.read(largest + 1)
    if len(content) > largest:
        raise FileTrouble(f"cannot read {path}: it is larger than {largest} bytes")
    return content
