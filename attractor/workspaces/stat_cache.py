"""Remembers the ids of unchanged files of a folder, so that a snapshot reads only changed files."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from attractor.base.files import write_whole
from attractor.base.json import content_hash

# A file can change twice within one tick of the system clock without a different time.
RACY_NS = 10_000_000


class CachedFile(NamedTuple):
    """The status of a file and its object id, when it was last read."""

    changed_ns: int
    modified_ns: int
    size: int
    inode: int
    mode: int
    checked_ns: int
    id: bytes

    def is_valid(self, status: os.stat_result) -> bool:
        """Return whether the file is certainly unchanged."""
        return (
            self.changed_ns == status.st_ctime_ns
            and self.modified_ns == status.st_mtime_ns
            and self.size == status.st_size
            and self.inode == status.st_ino
            and self.mode == status.st_mode
            and self.changed_ns + RACY_NS < self.checked_ns
            and self.modified_ns + RACY_NS < self.checked_ns
        )


def cached_file(status: os.stat_result, checked_ns: int, object_id: bytes) -> CachedFile:
    """Return the entry of a file that was just read or written."""
    return CachedFile(
        status.st_ctime_ns,
        status.st_mtime_ns,
        status.st_size,
        status.st_ino,
        status.st_mode,
        checked_ns,
        object_id,
    )


StatCache = Mapping[bytes, CachedFile]
"""The cache entries by path."""


def filesystem_time(folder: Path, ours: Path) -> int:
    """Return the time of the file system of a folder, in nanoseconds.

    Without support for unnamed files, the time of `ours` is used: an agent would see a file in the
    folder.
    """
    try:
        return _time_of_nameless(folder)
    except (AttributeError, OSError):
        probe = ours / "now"
        probe.touch(mode=0o600)
        return probe.stat().st_mtime_ns


def _time_of_nameless(folder: Path) -> int:
    file = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        return os.fstat(file).st_mtime_ns
    finally:
        os.close(file)


def save(cache: StatCache, path: Path) -> None:
    """Write a stat cache to a file."""
    lines = [
        b"%d %d %d %d %d %d %s %s" % (*entry[:6], entry.id.hex().encode(), name)
        for name, entry in cache.items()
    ]
    content = b"\0".join(lines)
    write_whole(path, content_hash(content).encode() + b"\0" + content, sync=False)


def load(path: Path) -> StatCache:
    """Read a stat cache; a missing or corrupt one is empty, which only costs time."""
    with suppress(OSError, ValueError):
        checksum, _, content = path.read_bytes().partition(b"\0")
        if checksum == content_hash(content).encode():
            return dict(map(_parse, filter(None, content.split(b"\0"))))
    return {}


def _parse(line: bytes) -> tuple[bytes, CachedFile]:
    *numbers, object_id, name = line.split(b" ", 7)
    changed, modified, size, inode, mode, checked = map(int, numbers)
    file_id = bytes.fromhex(object_id.decode())
    return name, CachedFile(changed, modified, size, inode, mode, checked, file_id)
