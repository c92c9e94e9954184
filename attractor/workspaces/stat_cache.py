"""Remembers the ids of unchanged files of a folder, so that a snapshot reads only changed files."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from attractor.base.files import write_whole
from attractor.base.json import content_hash

# A file can change twice within one tick of the system's clock, and look the same.
RACY_NS = 10_000_000


class CachedFile(NamedTuple):
    """What was known of a file when it was last read, and when that was."""

    changed_ns: int
    modified_ns: int
    size: int
    inode: int
    mode: int
    checked_ns: int
    id: bytes

    def still_holds(self, told: os.stat_result) -> bool:
        """Say whether the file is surely the same as when it was read."""
        return (
            self.changed_ns == told.st_ctime_ns
            and self.modified_ns == told.st_mtime_ns
            and self.size == told.st_size
            and self.inode == told.st_ino
            and self.mode == told.st_mode
            and self.changed_ns + RACY_NS < self.checked_ns
            and self.modified_ns + RACY_NS < self.checked_ns
        )


def seen(told: os.stat_result, checked_ns: int, object_id: bytes) -> CachedFile:
    """Note a file that has just been read, or written."""
    return CachedFile(
        told.st_ctime_ns,
        told.st_mtime_ns,
        told.st_size,
        told.st_ino,
        told.st_mode,
        checked_ns,
        object_id,
    )


StatCache = Mapping[bytes, CachedFile]
"""What is known of each file, by its path."""


def time_there(folder: Path, ours: Path) -> int:
    """Return the time as the file system of a folder has it, in nanoseconds.

    Where it has no files without a name, that of a folder of ours must do: in the other one an
    agent would see the file.
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
    """Write a cache down."""
    lines = [
        b"%d %d %d %d %d %d %s %s" % (*known[:6], known.id.hex().encode(), name)
        for name, known in cache.items()
    ]
    content = b"\0".join(lines)
    write_whole(path, content_hash(content).encode() + b"\0" + content, sync=False)


def load(path: Path) -> StatCache:
    """Read a cache that was written down; a lost or damaged one is empty, which is only slow."""
    with suppress(OSError, ValueError):
        told, _, content = path.read_bytes().partition(b"\0")
        if told == content_hash(content).encode():
            return dict(map(_parse, filter(None, content.split(b"\0"))))
    return {}


def _parse(line: bytes) -> tuple[bytes, CachedFile]:
    *numbers, object_id, name = line.split(b" ", 7)
    changed, modified, size, inode, mode, checked = map(int, numbers)
    known = bytes.fromhex(object_id.decode())
    return name, CachedFile(changed, modified, size, inode, mode, checked, known)
