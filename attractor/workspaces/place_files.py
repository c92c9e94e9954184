"""Files of a workspace and of its copy in a place: what differs, and what may be brought back.

Every answer of a place counts as hostile: a path is checked before it is used, and an archive can
contain only the files that were asked for.
"""

import io
import os
import re
import stat
import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

from attractor.base.dataclasses import dataclass
from attractor.base.files import file_error, write_whole
from attractor.base.json import content_hash
from attractor.environments.errors import FileMissing, PlaceRefused
from attractor.workspaces.git.objects import FILE, LINK, PROGRAM, TreeEntry, text_of
from attractor.workspaces.result_tree import BUILD_FOLDERS, is_dot_git
from attractor.workspaces.snapshot import DEEPEST, SnapshotRules

MOST_FILES = 200_000
MOST_LISTED = 64 << 20
LARGEST_FILE = 256 << 20
MOST_BYTES = 4 << 30
"""Limits of the files of one workspace in a place."""

_RACY_S = 2
_LINE = re.compile(rb"([0-9a-f]{1,8}) (\d{1,18}) (-?\d{1,18}) (-?\d{1,18}) \./(.*?)//\n", re.DOTALL)
_IGNORE = "let .gitignore ignore it, or remove it"


class ExchangedFile(NamedTuple):
    """The mode, the size and the stamp of a file or link; an empty stamp equals no other."""

    mode: int
    size: int
    stamp: bytes

    @property
    def is_link(self) -> bool:
        """Whether it is a link."""
        return stat.S_ISLNK(self.mode)

    @property
    def entry(self) -> TreeEntry:
        """The entry with which it is written."""
        if self.is_link:
            return TreeEntry(LINK, b"")
        return TreeEntry(PROGRAM if self.mode & stat.S_IXUSR else FILE, b"")

    def is_same(self, other: "ExchangedFile | None") -> bool:
        """Return whether it is certainly unchanged."""
        return bool(self.stamp) and self == other


Files = Mapping[bytes, ExchangedFile]
"""Files and links by path."""


def parse_listing(said: bytes) -> Files:
    """Return the files of a place; files that changed a moment ago have no stamp."""
    first, newline, rest = said.partition(b"\n")
    if not newline or not first.isdigit() or len(first) > 18:
        raise PlaceRefused("the place does not print its time")
    now, at, found = int(first), 0, dict[bytes, ExchangedFile]()
    while at < len(rest):
        line = _LINE.match(rest, at)
        if line is None:
            raise PlaceRefused("the place prints no list of its files")
        at, path, mode = line.end(), line[5], int(line[1], 16)
        if path in found:
            raise PlaceRefused(f"the place lists {text_of(path)} twice")
        if len(found) == MOST_FILES:
            raise PlaceRefused(
                f"the place has more than {MOST_FILES:,} files", hint="remove build folders there"
            )
        _require_plain(path)
        modified, changed = int(line[3]), int(line[4])
        is_racy = max(modified, changed) + _RACY_S >= now
        stamp = b"" if is_racy else b"%d.%d" % (modified, changed)
        found[path] = ExchangedFile(mode, int(line[2]), stamp)
    _require_folders(found)
    return {path: one for path, one in found.items() if _can_be_read(path, one)}


def _require_plain(path: bytes) -> None:
    parts = path.split(b"/")
    if (
        len(path) > 4095
        or len(parts) > DEEPEST
        or b"\0" in path
        or any(part in (b"", b".", b"..") or len(part) > 255 for part in parts)
    ):
        raise PlaceRefused(f"the place lists an invalid path: {text_of(path[:200])!r}")


def _require_folders(files: Collection[bytes]) -> None:
    """Refuse a path through a file or a link."""
    for path in files:
        for folder in folders_above(path):
            if folder in files:
                raise PlaceRefused(f"the place lists {text_of(path)} below a file or a link")


def folders_above(path: bytes) -> Iterator[bytes]:
    """Yield the folders of a path, the top first."""
    return (path[:end] for end, letter in enumerate(path) if letter == ord("/"))


def _can_be_read(path: bytes, file: ExchangedFile) -> bool:
    is_kept = file.is_link or (stat.S_ISREG(file.mode) and file.mode & stat.S_IRUSR)
    return bool(is_kept) and not any(map(is_dot_git, path.split(b"/")))


def list_folder(folder: Path) -> Files:
    """Return the files of a folder here."""
    found: dict[bytes, ExchangedFile] = {}

    def walk(at: bytes, prefix: bytes) -> None:
        with os.scandir(at) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            if is_dot_git(entry.name):
                continue
            status = entry.stat(follow_symlinks=False)
            path = prefix + entry.name
            if stat.S_ISDIR(status.st_mode):
                walk(entry.path, path + b"/")
            elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                found[path] = state_of(status)

    try:
        walk(os.fsencode(folder), b"")
    except OSError as cause:
        raise file_error("read", folder, cause) from cause
    return found


def state_of(status: os.stat_result) -> ExchangedFile:
    """Return the state of a file here."""
    stamp = b"%d.%d.%d" % (status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    return ExchangedFile(status.st_mode, status.st_size, stamp)


@dataclass(frozen=True)
class ExchangeRules:
    """Which files are exchanged with a place, by the rules of snapshots.

    Ignored files, such as build folders, stay where they are made: they are sent if they changed
    here, and never brought back or removed. Protected paths are not exchanged at all. `names` are
    all known paths.
    """

    rules: SnapshotRules
    names: Set[bytes]
    _folders: dict[bytes, tuple[bool, bool]] = field(default_factory=lambda: {b"": (False, False)})

    def is_protected(self, path: bytes) -> bool:
        """Return whether a path never leaves, and never comes."""
        return any(self.rules.is_protected(one, is_folder=True) for one in folders_above(path)) or (
            self.rules.is_protected(path, is_folder=False)
        )

    def is_left(self, path: bytes) -> bool:
        """Return whether a path is ignored."""
        if path in self.rules.files:
            return False
        is_left, is_ignored = self._folder(path.rpartition(b"/")[0])
        return is_left or is_ignored or self._ignores(path, is_folder=False)

    def _folder(self, path: bytes) -> tuple[bool, bool]:
        """Return whether a snapshot leaves a folder out, and whether it ignores new files in it."""
        if path not in self._folders:
            is_left, is_ignored = self._folder(path.rpartition(b"/")[0])
            is_ignored = is_ignored or self.rules.ignores.ignores(path, is_folder=True)
            is_new = path not in self.rules.folders
            is_left = is_left or (is_new and (is_ignored or self._ignores(path, is_folder=True)))
            self._folders[path] = is_left, is_ignored
        return self._folders[path]

    def _ignores(self, path: bytes, *, is_folder: bool) -> bool:
        rules = self.rules
        if rules.ignores.ignores(path, is_folder=is_folder):
            return True
        if rules.leave_out.ignores(path, is_folder=is_folder):
            return True
        above, slash, name = path.rpartition(b"/")
        beside = BUILD_FOLDERS.get(text_of(name), ()) if is_folder else ()
        return rules.build_folders.ignores(path, is_folder=is_folder) and any(
            above + slash + one.encode() in self.names for one in beside
        )


class Exchanged(NamedTuple):
    """The states of a file, here and in the place, when both were equal."""

    here: ExchangedFile
    there: ExchangedFile


@dataclass(frozen=True)
class ExchangeRecord:
    """The files at the last exchange with a place; `is_open` while a stage works there.

    `copy_id` is the name of the copy there, if a later one does not have its files.
    """

    files: Mapping[bytes, Exchanged]
    is_open: bool = False
    copy_id: str = ""

    def write(self, file: Path) -> None:
        """Write the record."""
        lines = [b"%d%s" % (self.is_open, self.copy_id.encode())]
        for path, (here, there) in self.files.items():
            known = (*here[:2], here.stamp or b"-", *there[:2], there.stamp or b"-", path)
            lines.append(b"%d %d %s %d %d %s %s" % known)
        content = b"\0".join(lines)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(file, content_hash(content).encode() + b"\0" + content, sync=False)

    @classmethod
    def read(cls, file: Path, copy_id: str = "") -> "ExchangeRecord":
        """Read a record; a missing or corrupt one, or that of another copy, counts as empty: then
        all files are compared.
        """
        with suppress(OSError, ValueError):
            checksum, _, content = file.read_bytes().partition(b"\0")
            if checksum == content_hash(content).encode():
                first, *lines = content.split(b"\0")
                if first[1:] == copy_id.encode():
                    return cls(dict(map(_parse_line, lines)), first[:1] == b"1", copy_id)
        return cls({}, copy_id=copy_id)


def _parse_line(line: bytes) -> tuple[bytes, Exchanged]:
    *words, path = line.split(b" ", 6)
    mode, size, stamp, mode_there, size_there, stamp_there = words
    here = ExchangedFile(int(mode), int(size), stamp.removeprefix(b"-"))
    there = ExchangedFile(int(mode_there), int(size_there), stamp_there.removeprefix(b"-"))
    return path, Exchanged(here, there)


@dataclass(frozen=True)
class Exchange:
    """The files that one side gets: new ones, and paths to remove."""

    write: Sequence[bytes]
    remove: Sequence[bytes]

    def require_small(self, files: Files, side: str) -> None:
        """Refuse too many or too large files."""
        total = 0
        for path in self.write:
            if files[path].size > LARGEST_FILE:
                raise PlaceRefused(
                    f"{text_of(path)} is larger than {LARGEST_FILE >> 20} MiB {side}", hint=_IGNORE
                )
            total += files[path].size
        if len(self.write) > MOST_FILES or total > MOST_BYTES:
            raise PlaceRefused(f"too many files changed {side}", hint=_IGNORE)


def to_send(here: Files, there: Files, record: ExchangeRecord, rules: SnapshotRules) -> Exchange:
    """Return what the place gets, so that its files equal those here."""
    exchange = ExchangeRules(rules, here.keys() | there.keys())
    own = {path for path in here if not exchange.is_protected(path)}
    write: list[bytes] = []
    for path in sorted(own):
        known = record.files.get(path)
        is_same_here = known is not None and here[path].is_same(known.here)
        now = there.get(path)
        is_same_there = known is not None and now is not None and now.is_same(known.there)
        if exchange.is_left(path):
            is_same_there = now is not None
        if not (is_same_here and is_same_there):
            write.append(path)
    folders = {folder for path in own for folder in folders_above(path)}
    remove = [
        path
        for path in sorted(there)
        if path not in own and (path in folders or not exchange.is_left(path))
    ]
    return Exchange(write, sorted({*remove, *write}) if there else remove)


def to_bring(there: Files, record: ExchangeRecord, rules: SnapshotRules) -> Exchange:
    """Return what the folder here gets: what changed in the place since the last exchange."""
    exchange = ExchangeRules(rules, record.files.keys() | there.keys())

    def is_brought(path: bytes) -> bool:
        return not (exchange.is_protected(path) or exchange.is_left(path))

    write = [
        path
        for path, now in there.items()
        if not ((known := record.files.get(path)) and now.is_same(known.there)) and is_brought(path)
    ]
    remove = [path for path in record.files if path not in there and is_brought(path)]
    return Exchange(sorted(write), sorted(remove))


_BATCH_BYTES = 16 << 20
_BATCH_FILES = 5000


def in_batches(
    paths: Sequence[bytes], files: Files, *, most_bytes: int = _BATCH_BYTES
) -> Iterator[Sequence[bytes]]:
    """Yield the paths in parts, each of which fits into memory."""
    batch, size = list[bytes](), 0
    for path in paths:
        if batch and (size + files[path].size > most_bytes or len(batch) == _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += files[path].size
    if batch:
        yield batch


def pack_files(folder: Path, paths: Sequence[bytes], files: Files) -> bytes:
    """Return an archive of files here."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in paths:
            member = tarfile.TarInfo(os.fsdecode(path))
            member.mode = 0o755 if files[path].mode & stat.S_IXUSR else 0o644
            at = folder / os.fsdecode(path)
            if files[path].is_link:
                member.type, member.linkname = tarfile.SYMTYPE, str(at.readlink())
                archive.addfile(member)
                continue
            file = os.open(at, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(file, "rb") as content:
                data = content.read(LARGEST_FILE)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


class Brought(NamedTuple):
    """A file that a place sent: its entry, and where an archive has its content."""

    entry: TreeEntry
    archive: BinaryIO
    offset: int
    size: int
    target: bytes

    def read(self) -> bytes:
        """Return the content of the file, or the target of the link."""
        if self.entry.mode == LINK:
            return self.target
        self.archive.seek(self.offset)
        content = self.archive.read(self.size)
        if len(content) != self.size:
            raise PlaceRefused("the place sent an archive without its end")
        return content


@dataclass(frozen=True)
class ReceivedArchive:
    """Archives that a place sent for some paths, one after the other in one file."""

    file: BinaryIO
    asked: Set[bytes]

    @cached_property
    def files(self) -> Mapping[bytes, Brought]:
        """The files, all of which were asked for; what else is in the archives is refused."""
        found: dict[bytes, Brought] = {}
        self.file.seek(0, os.SEEK_END)
        end = self.file.tell()
        self.file.seek(0)
        try:
            with tarfile.open(
                fileobj=self.file,
                mode="r:",
                ignore_zeros=True,
                encoding="utf-8",
                errors="surrogateescape",
            ) as archive:
                for member in archive:
                    path = _path_of(member.name)
                    if path not in self.asked or path in found:
                        raise PlaceRefused(f"the place sent {text_of(path)!r} unasked")
                    found[path] = self._member(member, found, end)
        except (tarfile.TarError, ValueError, OverflowError, EOFError, OSError) as cause:
            raise PlaceRefused(f"the place sent an invalid archive: {cause}") from cause
        if lacking := self.asked - found.keys():
            raise FileMissing(f"{text_of(min(lacking))} vanished meanwhile")
        return found

    def _member(
        self, member: tarfile.TarInfo, before: Mapping[bytes, Brought], end: int
    ) -> Brought:
        if member.issym():
            target = os.fsencode(member.linkname)
            if not target or b"\0" in target or len(target) > 4095:
                raise PlaceRefused(f"the place sent an invalid link {member.name!r}")
            return Brought(TreeEntry(LINK, b""), self.file, 0, 0, target)
        if member.islnk():
            # tar packs the second name of a file as a link to the first.
            first = before.get(_path_of(member.linkname))
            if first is None or first.entry.mode == LINK:
                raise PlaceRefused(f"the place sent an invalid link {member.name!r}")
            return first
        if not member.isreg() or member.issparse():
            raise PlaceRefused(f"the place sent {member.name!r}, which is not a file or a link")
        if not 0 <= member.size <= LARGEST_FILE or member.offset_data + member.size > end:
            raise PlaceRefused(f"the place sent {member.name!r} with an invalid size")
        mode = PROGRAM if member.mode & stat.S_IXUSR else FILE
        return Brought(TreeEntry(mode, b""), self.file, member.offset_data, member.size, b"")


def _path_of(name: str) -> bytes:
    return os.fsencode(name).removeprefix(b"./")
