"""Finds what changed in the folders of a run since it was collected last."""

import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Set
from dataclasses import field
from itertools import count, takewhile
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error

JOURNAL = "events.jsonl"
"""The file that only grows; others are collected whole."""

_NOT_MOVED = re.compile(r"run\.lock|elsewhere\.json|\.attractor-.*\.tmp", re.DOTALL)
_FINAL = re.compile(r"artifacts|history|inbox/done")
"""The ends of the folders whose entries do not change once they are complete."""

_HISTORY, _ATTEMPT, _MANY = "history", re.compile(r"([0-9]+)\.([0-9]+)"), 256
"""From this number of attempts on, the history of a node is not listed if its next names tell."""

_COMPLETE = "status.json"
"""The file that the folder of an attempt has once the attempt ended."""

# The clock of a file system is coarse: a folder that changed just now may change in the same tick.
_TICK_NS = 50_000_000
_ID_LENGTHS = (38, 62)
_FAN_OUTS = [f"{number:02x}" for number in range(256)]


@dataclass(frozen=True)
class Change:
    """A change of a file of a head: a new content, more content, or None if it was removed."""

    name: str
    content: bytes | None
    mode: int = 0o644
    grows: bool = False


@dataclass(frozen=True)
class _File:
    """What a file was when it was collected last."""

    size: int
    changed: int
    inode: int


@dataclass
class SeenFolder:
    """What a folder had when it was collected last."""

    files: dict[str, _File] = field(default_factory=dict[str, _File])
    folders: dict[str, "SeenFolder"] = field(default_factory=dict[str, "SeenFolder"])
    _final: set[str] = field(default_factory=set[str])
    """The complete entries of a final folder: nothing looks at them again."""
    _last: tuple[int, int] = (0, 0)
    """The last visit of a history, and the last attempt of this visit."""

    def changes(self, name: str, path: Path, *, only: Set[str] | None = None) -> Iterator[Change]:
        """Yield the changes of a folder, whose files have names below `name` in a head."""
        is_final = any(map(_FINAL.fullmatch, (path.name, f"{path.parent.name}/{path.name}")))
        added = self._added_attempts(path) if path.name == _HISTORY else None
        if added is None:
            entries = _list(path) if only is None else _list(path) & only
            for known in [*(self.files.keys() - entries), *(self.folders.keys() - entries)]:
                self._final.discard(known)
                yield from self._removed(known, f"{name}/{known}")
            added = entries - self._final
        for one in sorted(added):
            if stat.S_ISDIR(_mode_of(path / one)):
                inside = self.folders.setdefault(one, SeenFolder())
                yield from inside.changes(f"{name}/{one}", path / one)
            elif not _NOT_MOVED.fullmatch(one):
                yield from self._of_file(one, f"{name}/{one}", path / one)
            if is_final and (one in self.files or _is_complete(self.folders.get(one))):
                self._final.add(one)
                self._last = max(self._last, _attempt_in(one))

    def _added_attempts(self, path: Path) -> Set[str] | None:
        """Return the attempts that follow the last one, if a history has no other new ones.

        The list of a long history takes longer than a commit. Most file systems count the folders
        of a folder; otherwise return None.
        """
        if len(self.folders) < _MANY or self._final != self.folders.keys():
            return None
        added = set[str]()
        visit, attempt = self._last
        for first, number in ((visit, attempt + 1), (visit + 1, 1)):
            names = (f"{first}.{later}" for later in count(number))
            added.update(takewhile(lambda name: (path / name).is_dir(), names))
        is_all = path.stat().st_nlink == 2 + len(self.folders) + len(added)
        return added if is_all else None

    def _of_file(self, own: str, name: str, path: Path) -> Iterator[Change]:
        try:
            # An agent may have made a link or a pipe of it.
            with open(path, "rb", opener=_open_plain) as file:
                found = os.fstat(file.fileno())
                before = self.files.get(own)
                seen = _File(found.st_size, found.st_mtime_ns, found.st_ino)
                if seen == before or not stat.S_ISREG(found.st_mode):
                    return
                grows = own == JOURNAL and before is not None and before.inode == seen.inode
                at = before.size if grows and before else 0
                file.seek(at)
                content = file.read(seen.size - at)
        except OSError as error:
            if error.errno in _NOT_THERE:
                # The next scan of its folder finds that it is gone.
                return
            raise file_error("read", path, error) from error
        self.files[own] = seen
        yield Change(name, content, stat.S_IMODE(found.st_mode), grows)

    def _removed(self, own: str, name: str) -> Iterator[Change]:
        if inside := self.folders.pop(own, None):
            for one in (*inside.files, *inside.folders):
                yield from inside._removed(one, f"{name}/{one}")
        elif self.files.pop(own, None):
            yield Change(name, None)


@dataclass
class SeenObjects:
    """The loose Git objects of a store that were collected."""

    _known: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    _unchanged: dict[str, int] = field(default_factory=dict[str, int])

    def added(self, objects: Path) -> bytes:
        """Return the objects that are new since the last time, as a piece of an object log."""
        pieces, now = list[bytes](), time.time_ns()
        for fan_out in _FAN_OUTS:
            folder = f"{objects}/{fan_out}"
            try:
                changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - 256 times a commit
            except FileNotFoundError:
                continue
            if self._unchanged.get(fan_out) == changed:
                continue
            known = self._known.setdefault(fan_out, set())
            for entry in sorted(_list(folder) - known):
                digest = fan_out + entry
                if len(entry) in _ID_LENGTHS and entry.isalnum():
                    known.add(entry)
                    content = (objects / fan_out / entry).read_bytes()
                    pieces.append(b"%s %d\n%s" % (digest.encode(), len(content), content))
            if now - changed > _TICK_NS:
                self._unchanged[fan_out] = changed
        return b"".join(pieces)


def split_objects(log: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the ids and the contents of an object log."""
    at = 0
    while at < len(log):
        end = log.index(b"\n", at)
        digest, _, size = log[at:end].partition(b" ")
        at = end + 1 + int(size)
        yield digest.decode(), log[end + 1 : at]


def _list(path: Path | str) -> set[str]:
    try:
        return {*os.listdir(path)}  # noqa: PTH208 - in long runs, thousands a commit
    except FileNotFoundError:
        return set[str]()


def _attempt_in(name: str) -> tuple[int, int]:
    found = _ATTEMPT.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _mode_of(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


_NOT_THERE = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR)


def _is_complete(folder: SeenFolder | None) -> bool:
    return folder is not None and _COMPLETE in folder.files
