"""The files of a run as a tree of blobs, whose root is the head.

A listing is the blob of a folder: the names of its files, with their segments, and of its folders.
A listing with more than 256 names is split by the first hexadecimal digit of the hash of a name,
and each part by the next digit. So a change writes a few small blobs, whatever the number of files,
and equal files give equal listings, in whatever order they were changed.

A file is a list of segments. An append adds one and merges small ones: at most 15 segments below
64 kB are at the end, and 15 below 1 MB before them. The head of an empty tree is "".

After an error of `put`, `append` or `remove`, the tree is as before; after one of `save`, call it
again. In a listing, a name is text with two escapes: `%25` for the percent sign, and `%xx` for a
byte that is not part of UTF-8.
"""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import TypeAlias

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError, VerificationError
from attractor.base.json import Json, canonical_json, content_hash, parse_object
from attractor.fleet.seams import Blobs
from attractor.fleet.store.blobs import is_digest, run_each

LARGEST_LISTING = 256
LARGEST_SEGMENT = 8 << 20
DEEPEST = 200
"""The maximum number of names in a path."""
_RUN = 16
"""The number of small segments that are merged."""
_SMALL = (64 << 10, 1 << 20)
_MOST_PENDING = 64 << 20
"""The maximum number of bytes that wait for `save`."""
_DEFAULT_MODE = 0o600


@dataclass(frozen=True)
class Segment:
    """A part of a file."""

    digest: str
    size: int


@dataclass(frozen=True)
class FileEntry:
    """A file in a head; `mode` are its permissions."""

    size: int
    mode: int
    segments: tuple[Segment, ...]


class _Listing:
    """The names of a folder, or of a part of it, loaded when needed.

    `prefix` are the digits with which the hashes of all names begin. A listing has `entries`, or
    `parts` by the next digit. `digest` is "" while the listing has changes.
    """

    def __init__(self, digest: str = "", prefix: str = "", count: int = 0) -> None:
        self.digest, self.prefix, self.count = digest, prefix, count
        self.entries: dict[str, _Entry] = {}
        self.parts: dict[str, _Listing] = {}

    @property
    def is_loaded(self) -> bool:
        """Whether its names are known."""
        return not self.digest or bool(self.entries or self.parts)

    def digit(self, name: str) -> str:
        """Return the digit of the part of a name."""
        return _hash_of(name)[len(self.prefix)]

    def entry(self, name: str) -> "_Entry | None":
        """Return an entry, after `_find`."""
        part = self.parts.get(self.digit(name)) if self.parts else None
        return part.entry(name) if part else self.entries.get(name)

    def set(self, name: str, entry: "_Entry | None") -> None:
        """Set or remove a name, after `_find`."""
        self.digest = ""
        if self.parts:
            digit = self.digit(name)
            part = self.parts.setdefault(digit, _Listing(prefix=self.prefix + digit))
            part.set(name, entry)
            self.count = sum(part.count for part in self.parts.values())
            if not part.count:
                del self.parts[digit]
            if self.count <= LARGEST_LISTING:
                # A part of so few names has no parts.
                self._fill({n: e for part in self.parts.values() for n, e in part.entries.items()})
        elif entry is None:
            del self.entries[name]
            self.count -= 1
        else:
            self._fill({**self.entries, name: entry})

    def _fill(self, entries: "dict[str, _Entry]") -> None:
        """Replace all names, split if they are many."""
        self.count, self.entries, self.parts = len(entries), entries, {}
        if self.count > LARGEST_LISTING:
            self.entries = {}
            for name, entry in entries.items():
                digit = self.digit(name)
                part = self.parts.setdefault(digit, _Listing(prefix=self.prefix + digit))
                part.set(name, entry)


_Entry: TypeAlias = FileEntry | _Listing
_Pair: TypeAlias = tuple[_Entry | None, _Entry | None, str]
"""What is at a path in two heads."""


class HeadTree:
    """The files of a run, read from a head and changed in memory until `save`."""

    def __init__(self, blobs: Blobs, head: str = "") -> None:
        self._blobs = blobs
        self._root = _Listing(head)
        self._pending: dict[str, bytes] = {}
        self._pending_size = 0

    @classmethod
    async def load(cls, blobs: Blobs, head: str) -> "HeadTree":
        """Read the root of a head ("" is an empty one)."""
        tree = cls(blobs, head)
        await _load(blobs, tree._root)
        return tree

    async def put(self, path: str, content: bytes, mode: int = _DEFAULT_MODE) -> None:
        """Replace a file, or add it."""
        if mode & ~0o777:
            raise UsageError(f"invalid mode {mode:o} of {path!r}")
        names = _names_of(path)
        await self._find(names)
        segments = [await self._keep(piece) for piece in _pieces(content)]
        _set(self._root, names, FileEntry(len(content), mode, tuple(segments)))

    async def append(self, path: str, content: bytes) -> None:
        """Append to a file, or add it."""
        names = _names_of(path)
        before = await self._find(names) or FileEntry(0, _DEFAULT_MODE, ())
        segments = list(before.segments)
        for piece in _pieces(content):
            segments.append(await self._keep(piece))
            await self._merge(segments)
        size = before.size + len(content)
        _set(self._root, names, FileEntry(size, before.mode, tuple(segments)))

    async def remove(self, path: str) -> None:
        """Remove a file, and folders that are empty then; a missing file is no error."""
        names = _names_of(path)
        if await self._find(names):
            _set(self._root, names, None)

    async def find(self, path: str) -> FileEntry | None:
        """Return a file, or None."""
        return await self._find(_names_of(path))

    async def save(self) -> str:
        """Store what changed, all at once, and return the head."""
        if self._root.digest or not self._root.count:
            return self._root.digest
        changed = [listing for level in reversed(_changed_levels(self._root)) for listing in level]
        segments = {
            segment.digest
            for listing in changed
            for entry in listing.entries.values()
            if isinstance(entry, FileEntry)
            for segment in entry.segments
        }
        contents = [self._pending[digest] for digest in sorted(self._pending.keys() & segments)]
        try:
            for listing in changed:
                contents.append(_write(listing))
                listing.digest = content_hash(contents[-1])
            await self._store(contents)
        except BaseException:
            # The head is not whole: the next try stores all again.
            for listing in changed:
                listing.digest = ""
            raise
        self._pending, self._pending_size = {}, 0
        return self._root.digest

    async def files(self) -> AsyncIterator[tuple[str, FileEntry]]:
        """Yield all files with their paths."""
        async for found in _files(self._blobs, self._root, ""):
            yield found

    async def content(self, entry: FileEntry) -> AsyncIterator[bytes]:
        """Yield the segments of a file."""
        for segment in entry.segments:
            yield await self._segment(segment)

    async def _segment(self, segment: Segment) -> bytes:
        content = self._pending.get(segment.digest)
        if content is None:
            content = await self._blobs.get(segment.digest)
        if len(content) != segment.size:
            raise VerificationError(f"the blob {segment.digest} has not {segment.size} bytes")
        return content

    async def _keep(self, content: bytes) -> Segment:
        """Keep a content for `save`."""
        digest = content_hash(content)
        if digest not in self._pending:
            self._pending[digest] = content
            self._pending_size += len(content)
            if self._pending_size > _MOST_PENDING:
                await self._store_pending()
        return Segment(digest, len(content))

    async def _store_pending(self) -> None:
        await self._store(self._pending[digest] for digest in sorted(self._pending))
        self._pending, self._pending_size = {}, 0

    async def _store(self, contents: Iterable[bytes]) -> None:
        await run_each(self._blobs.put, contents)

    async def _merge(self, segments: list[Segment]) -> None:
        """Merge the small segments at the end if they are many, or are not small together."""
        end = len(segments)
        for limit in _SMALL:
            start = _start_of_run(segments, end, limit)
            run = segments[start:end]
            if len(run) >= _RUN or (len(run) > 1 and sum(segment.size for segment in run) >= limit):
                content = b"".join([await self._segment(segment) for segment in run])
                segments[start:end] = [await self._keep(content)]
                start += segments[start].size >= limit
            end = start

    async def _find(self, names: list[str]) -> FileEntry | None:
        """Return a file; refuse a path through a file, or to a folder."""
        listing = self._root
        for depth, name in enumerate(names, 1):
            found = await _find(self._blobs, listing, name)
            if found is None:
                return None
            if isinstance(found, FileEntry) == (depth < len(names)):
                kind = "file" if isinstance(found, FileEntry) else "folder"
                path = "/".join(names[:depth])
                raise UsageError(f"{path!r} is a {kind}", hint="remove it first")
            if isinstance(found, FileEntry):
                return found
            listing = found
        return None


async def changed_files(
    blobs: Blobs, old: str, new: str
) -> AsyncIterator[tuple[str, FileEntry | None]]:
    """Yield the files that differ between two heads, with None for removed ones.

    Only listings that differ are read. Where a file replaces a folder, or a folder a file, the
    removed paths come first.
    """
    waiting: list[_Pair] = [(_Listing(old), _Listing(new), "")]
    while waiting:
        before, after, path = waiting.pop()
        if isinstance(before, _Listing) and isinstance(after, _Listing):
            if before.digest != after.digest:
                waiting += await _pairs(blobs, before, after, path)
        elif before != after:
            if not (isinstance(before, FileEntry) and isinstance(after, FileEntry)):
                async for removed, _ in _files(blobs, before, path):
                    yield removed, None
            async for added in _files(blobs, after, path):
                yield added


async def reachable(
    blobs: Blobs, heads: Iterable[str], earlier: Iterable[str] = ()
) -> AsyncIterator[str]:
    """Yield the hash of each blob that heads reach, once; what earlier heads lack is left out."""
    seen: set[str] = set()
    bottom = [_Listing(head) for head in filter(None, earlier)]
    waiting = [*bottom, *(_Listing(head) for head in filter(None, heads))]
    may_lack = False
    while waiting:
        listing = waiting.pop()
        may_lack = may_lack or len(waiting) < len(bottom)
        if listing.digest in seen:
            continue
        seen.add(listing.digest)
        yield listing.digest
        with suppress(*[VerificationError] if may_lack else []):
            await _load(blobs, listing)
        waiting.extend(listing.parts.values())
        for entry in listing.entries.values():
            if isinstance(entry, _Listing):
                waiting.append(entry)
                continue
            for segment in entry.segments:
                if segment.digest not in seen:
                    seen.add(segment.digest)
                    yield segment.digest


async def sweep_blobs(
    blobs: Blobs, heads: Iterable[str], keep_s: float, earlier: Iterable[str] = ()
) -> int:
    """Remove blobs that no head reaches and whose last put is older; return their number.

    A commit whose blobs are all younger loses nothing, also if its head is missing in `heads`. With
    a head that is not whole, nothing is removed; an earlier one may be damaged.
    """
    reached = {digest async for digest in reachable(blobs, heads, earlier)}
    unreached = [
        digest
        async for digest, age_s in blobs.digests()
        if age_s > keep_s and digest not in reached
    ]
    await blobs.remove(unreached, keep_s)
    return len(unreached)


async def _load(blobs: Blobs, listing: _Listing) -> None:
    """Read the names of a listing, or its parts."""
    if not listing.is_loaded:
        _read(listing, await blobs.get(listing.digest))


async def _find(blobs: Blobs, listing: _Listing, name: str) -> _Entry | None:
    """Return an entry of a folder, and load all that `set` needs."""
    while True:
        await _load(blobs, listing)
        if not listing.parts:
            return listing.entries.get(name)
        if listing.count <= LARGEST_LISTING + 1:
            # To merge them after a removal.
            for part in listing.parts.values():
                await _load(blobs, part)
        part = listing.parts.get(listing.digit(name))
        if part is None:
            return None
        listing = part


async def _entries(blobs: Blobs, listing: _Listing) -> dict[str, _Entry]:
    """Return all names of a folder."""
    entries: dict[str, _Entry] = {}
    waiting = [listing]
    while waiting:
        part = waiting.pop()
        await _load(blobs, part)
        entries |= part.entries
        waiting.extend(part.parts.values())
    return entries


async def _pairs(blobs: Blobs, before: _Listing, after: _Listing, path: str) -> list[_Pair]:
    """Return the parts of two listings of one folder to compare, or their entries."""
    await _load(blobs, before)
    await _load(blobs, after)
    if before.parts and after.parts:
        digits = before.parts.keys() | after.parts.keys()
        return [(before.parts.get(digit), after.parts.get(digit), path) for digit in digits]
    old, new = await _entries(blobs, before), await _entries(blobs, after)
    names = sorted(old.keys() | new.keys(), reverse=True)
    return [(old.get(name), new.get(name), _joined(path, name)) for name in names]


async def _files(
    blobs: Blobs, entry: _Entry | None, path: str
) -> AsyncIterator[tuple[str, FileEntry]]:
    """Yield the file at a path, or the files in the folder there."""
    waiting = [(path, entry)]
    while waiting:
        at, entry = waiting.pop()
        if isinstance(entry, FileEntry):
            yield at, entry
        elif entry is not None:
            entries = await _entries(blobs, entry)
            names = sorted(entries, reverse=True)
            waiting.extend((_joined(at, name), entries[name]) for name in names)


def _set(folder: _Listing, names: list[str], entry: FileEntry | None) -> None:
    """Set or remove a file below a folder, after it was looked for."""
    name, *rest = names
    if not rest:
        folder.set(name, entry)
        return
    inner = folder.entry(name)
    inner = inner if isinstance(inner, _Listing) else _Listing()
    _set(inner, rest, entry)
    folder.set(name, inner if inner.count else None)


def _changed_levels(root: _Listing) -> list[list[_Listing]]:
    """Return the changed listings, those in others after these."""
    levels, level = list[list[_Listing]](), [root]
    while level:
        levels.append(level)
        level = [
            inner
            for listing in level
            for inner in (*listing.parts.values(), *listing.entries.values())
            if isinstance(inner, _Listing) and not inner.digest
        ]
    return levels


def _start_of_run(segments: list[Segment], end: int, limit: int) -> int:
    """Return where the segments below a size begin that end at a place."""
    while end and segments[end - 1].size < limit:
        end -= 1
    return end


def _pieces(content: bytes) -> Iterable[bytes]:
    return (
        content[start : start + LARGEST_SEGMENT]
        for start in range(0, len(content), LARGEST_SEGMENT)
    )


def _names_of(path: str) -> list[str]:
    """Return the names in a path."""
    try:
        encoded = path.encode("utf-8", "surrogateescape")
        # As the system would decode it.
        names = encoded.decode("utf-8", "surrogateescape").split("/")
    except UnicodeEncodeError as cause:
        raise UsageError(f"invalid path {path!r}: {cause.reason}") from cause
    if len(names) > DEEPEST or not all(map(_is_name, names)):
        raise UsageError(f"invalid path {path[:200]!r}", hint="use a relative path without ..")
    return names


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _is_name(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def _hash_of(name: str) -> str:
    return content_hash(name.encode("utf-8", "surrogateescape"))


def _escape(name: str) -> str:
    escaped = name.replace("%", "%25")
    return re.sub("[\udc80-\udcff]", lambda found: f"%{ord(found[0]) - 0xDC00:02x}", escaped)


def _unescape(text: str) -> str:
    plain = re.sub(b"%([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text.encode())
    return plain.decode("utf-8", "surrogateescape")


def _write(listing: _Listing) -> bytes:
    """Return the blob of a listing."""
    if listing.parts:
        parts: dict[str, Json] = {
            digit: [part.digest, part.count] for digit, part in listing.parts.items()
        }
        return canonical_json({"parts": parts}).encode()
    entries = {_escape(name): _write_entry(entry) for name, entry in listing.entries.items()}
    return canonical_json({"entries": entries}).encode()


def _write_entry(entry: _Entry) -> Json:
    if isinstance(entry, _Listing):
        return {"folder": entry.digest}
    segments: list[Json] = [[segment.digest, segment.size] for segment in entry.segments]
    return {"mode": entry.mode, "segments": segments, "size": entry.size}


def _read(listing: _Listing, content: bytes) -> None:
    """Fill a listing from its blob, which anyone who writes to the store may have made."""
    parts: dict[str, _Listing] = {}
    entries: dict[str, _Entry] = {}
    match parse_object(content):
        case {"parts": dict(items)}:
            parts = {
                digit: _read_part(listing.prefix + digit, part) for digit, part in items.items()
            }
        case {"entries": dict(items)}:
            entries = {_unescape(name): _read_entry(entry) for name, entry in items.items()}
        case _:
            pass
    count = len(entries) + sum(part.count for part in parts.values())
    found = _Listing(listing.digest, listing.prefix, count)
    found.entries, found.parts = entries, parts
    if (
        _write(found) != content
        or (listing.prefix and count != listing.count)
        or not _is_valid(found)
    ):
        raise VerificationError(f"invalid listing {listing.digest}")
    listing.count, listing.entries, listing.parts = count, entries, parts


def _is_valid(listing: _Listing) -> bool:
    """Return whether a listing is one that `save` writes."""
    if listing.parts:
        return listing.count > LARGEST_LISTING and all(
            re.fullmatch("[0-9a-f]", digit) and is_digest(part.digest) and part.count > 0
            for digit, part in listing.parts.items()
        )
    return 0 < listing.count <= LARGEST_LISTING and all(
        _is_name(name) and _hash_of(name).startswith(listing.prefix) and _is_valid_entry(entry)
        for name, entry in listing.entries.items()
    )


def _is_valid_entry(entry: _Entry) -> bool:
    if isinstance(entry, _Listing):
        return is_digest(entry.digest)
    return (
        0 <= entry.mode <= 0o777
        and entry.size == sum(segment.size for segment in entry.segments)
        and all(segment.size > 0 and is_digest(segment.digest) for segment in entry.segments)
    )


def _read_part(prefix: str, value: Json) -> _Listing:
    match value:
        case [str(digest), int(count)]:
            return _Listing(digest, prefix, count)
        case _:
            return _Listing()


def _read_entry(value: Json) -> _Entry:
    match value:
        case {"mode": int(mode), "segments": list(segments), "size": int(size)}:
            return FileEntry(size, mode, tuple(map(_read_segment, segments)))
        case {"folder": str(digest)}:
            return _Listing(digest)
        case _:
            return _Listing()


def _read_segment(value: Json) -> Segment:
    match value:
        case [str(digest), int(size)]:
            return Segment(digest, size)
        case _:
            return Segment("", 0)
