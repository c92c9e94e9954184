"""Stores blobs in a folder.

A store holds one area for each universe, and a marker: a store is only used if the marker is there,
or if the store is empty.
"""

import asyncio
import fcntl
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from attractor.base.errors import FileError, Refused, require_format
from attractor.base.files import (
    file_error,
    make_private_folder,
    read_regular,
    reason_of,
    sync_folder,
)
from attractor.base.json import canonical_json, content_hash, parse_object
from attractor.fleet.errors import BlobChanged, BlobMissing, StoreAway

MARKER = "attractor-store.json"
ANY = "any"
"""The id of a store that another process has made."""
FORMAT = 1

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NEW = ".new"
"""The folder of files that are not complete."""
_AT_ONCE = 16

Item = TypeVar("Item")


class FolderBlobs:
    """Blobs in files of an existing folder on a local disk, `ab/cd/HASH`, private to the user.

    The time of a file is the time of its last put.
    """

    def __init__(self, folder: Path, store_id: str) -> None:
        self._folder = folder
        self.store_id = store_id

    async def put(self, content: bytes) -> str:
        """Store a content, synced with its name."""
        digest = content_hash(content)
        await asyncio.to_thread(self._put, self._path(digest), content)
        return digest

    async def get(self, digest: str) -> bytes:
        """Return a content."""
        if not is_digest(digest):
            raise missing(digest, self._folder)
        return await asyncio.to_thread(self._get, digest)

    async def digests(self) -> AsyncIterator[tuple[str, float]]:
        """Yield hashes and ages."""
        for number in range(256):
            for found in await asyncio.to_thread(self._ages, self._folder / f"{number:02x}"):
                yield found

    async def size(self) -> int:
        """Return the number of bytes."""

        def added() -> int:
            total = 0
            for path in self._folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
                # Removed meanwhile, if it is missing.
                with suppress(FileNotFoundError):
                    total += path.stat().st_size
            return total

        return await asyncio.to_thread(added)

    async def remove(self, digests: Collection[str], older_s: float) -> None:
        """Remove old blobs, and what killed writers left."""
        paths = [self._path(digest) for digest in digests if is_digest(digest)]
        await asyncio.to_thread(self._remove, paths, older_s)

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:4] / digest

    def _put(self, path: Path, content: bytes) -> None:
        try:
            for folder in (path.parent.parent, path.parent):
                _make_folder(folder)
            while not _touch(path):
                create_only(path, content, self._folder)
            # Also for a file that another writer has not synced yet.
            sync_folder(path.parent)
        except (OSError, FileError) as cause:
            # Also a full disk: the stage waits until there is room.
            raise self._away(cause) from cause

    def _away(self, cause: OSError | FileError) -> StoreAway:
        is_there = self._folder.is_dir()
        words = cause.message if isinstance(cause, FileError) else reason_of(cause)
        return StoreAway(f"the store {self._folder} {f'fails: {words}' if is_there else 'is gone'}")

    def _get(self, digest: str) -> bytes:
        path = self._path(digest)
        try:
            return checked(digest, read_regular(path), self._folder)
        except FileNotFoundError as cause:
            if not self._folder.is_dir():
                raise StoreAway(f"the store {self._folder} is gone") from cause
            raise missing(digest, self._folder) from cause
        except OSError as cause:
            raise self._away(cause) from cause

    def _ages(self, folder: Path) -> list[tuple[str, float]]:
        found: list[tuple[str, float]] = []
        for path in folder.glob("[0-9a-f][0-9a-f]/*"):
            # Removed meanwhile, if it is missing.
            with suppress(FileNotFoundError):
                if is_digest(path.name):
                    found.append((path.name, _age(path)))
        return found

    def _remove(self, paths: Iterable[Path], older_s: float) -> None:
        try:
            for path in paths:
                with suppress(FileNotFoundError), _Alone(path.parent, fcntl.LOCK_EX):
                    if _age(path) > older_s:
                        path.unlink()
            for path in (self._folder / _NEW).glob("*"):
                with suppress(FileNotFoundError):
                    if _age(path) > older_s:
                        path.unlink()
        except OSError as cause:
            raise file_error("clear", self._folder, cause) from cause


def is_digest(text: str) -> bool:
    """Return whether a text can be the hash of a blob."""
    return bool(_DIGEST.fullmatch(text))


def checked(digest: str, content: bytes, place: object) -> bytes:
    """Return a content if it is that of its hash, or raise BlobChanged."""
    if content_hash(content) != digest:
        raise BlobChanged(f"the content of the blob {digest} in {place} has changed")
    return content


def missing(digest: str, place: object) -> BlobMissing:
    """Return the error of a missing blob."""
    return BlobMissing(f"no blob {digest[:80]} in {place}")


def new_marker() -> bytes:
    """Return the content of the marker of a new store."""
    return canonical_json({"format": FORMAT, "id": secrets.token_hex(16)}).encode()


def require_marker(content: bytes | None, place: object, known: str = "") -> str:
    """Return the id of a store; refuse one that is not the known one, or not of Attractor."""
    marker = parse_object(content) if content is not None else None
    number = marker.get("format") if marker else None
    if content is None and known:
        raise StoreAway(
            f"{place} has no marker {MARKER}: the store is not there",
            hint="mount it, or set fleet.store to the store with which the fleet began",
        )
    if type(number) is not int:
        fault = "has no marker" if content is None else "has an invalid marker"
        raise Refused(
            f"{place} is not a store of Attractor: it is not empty and {fault} {MARKER}",
            hint="choose an empty folder or prefix",
        )
    require_format(place, number, current=FORMAT)
    found = str((marker or {}).get("id", ""))
    if known not in ("", ANY, found):
        raise Refused(
            f"{place} is the store {found[:8]} of another fleet, not {known[:8]}",
            hint="give each fleet a store of its own: fleet.store",
        )
    return found


async def run_each(work: Callable[[Item], Awaitable[object]], items: Iterable[Item]) -> None:
    """Call a function for each item, for several items at once; raise the first error."""
    waiting = iter(items)

    async def run() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(run())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def open_folder(folder: Path, universe: str, known: str) -> FolderBlobs:
    """Open the area of a universe in a folder, as `open_blobs` does."""
    return await asyncio.to_thread(_opened_folder, folder.absolute(), universe, known)


def _opened_folder(folder: Path, universe: str, known: str) -> FolderBlobs:
    if not known:
        make_private_folder(folder)
    marker = folder / MARKER
    try:
        if not known and not marker.exists() and {path.name for path in folder.iterdir()} <= {_NEW}:
            create_only(marker, new_marker(), folder)
            sync_folder(folder)
        # Another process may have made it meanwhile.
        content = read_regular(marker) if marker.exists() else None
    except OSError as cause:
        raise file_error("open", folder, cause) from cause
    store_id = require_marker(content, folder, known)
    area = folder / "universes" / universe
    make_private_folder(area)
    sync_folder(area.parent)
    sync_folder(folder)
    return FolderBlobs(area, store_id)


def create_only(path: Path, content: bytes, folder: Path) -> None:
    """Create a complete, synced file in a folder or below, unless it exists."""
    _make_folder(folder / _NEW)
    new = folder / _NEW / secrets.token_hex(16)
    try:
        with open(new, "xb", opener=_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            # A link does not overwrite, unlike a rename.
            path.hardlink_to(new)
    finally:
        new.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _make_folder(folder: Path) -> None:
    """Make a folder in an existing one: an unmounted store is not replaced."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def _touch(path: Path) -> bool:
    """Let a file count as new; return whether it exists."""
    with _Alone(path.parent, fcntl.LOCK_SH):
        try:
            os.utime(path)
        except FileNotFoundError:
            return False
    return True


def _age(path: Path) -> float:
    return max(0.0, time.time() - path.stat().st_mtime)


class _Alone:
    """A lock on a folder: nothing touches a file between the look at its age and its removal."""

    def __init__(self, folder: Path, kind: int) -> None:
        self._folder, self._kind = folder, kind

    def __enter__(self) -> None:
        self._file = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._file, self._kind)

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
