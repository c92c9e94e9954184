"""An append-only file of lines, and hash chains that reveal changed lines.

A line is acknowledged when `append` returns, and then survives if the writer is killed. A killed
writer leaves at most one torn line: the bytes after the last newline. The next writer removes and
reports the torn line, and readers skip it.

A hash chain over JSON records reveals changed, missing, duplicate and moved lines. Each line has
its number (`seq`), the hash of the previous line (`prev`) and its own hash over the canonical JSON
of its other fields. With a key, each line also has a seal, an HMAC of the hash. The chain can be
checked without the key; the seals can only be checked with the key. A chain without seals can be
rewritten from any line on, and lines can be removed from the end of any chain. Both are only
detected by comparison with an `expected` head that is stored elsewhere.
"""

import asyncio
import hmac
import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from attractor.base.dataclasses import dataclass
from attractor.base.errors import (
    ChainBroken,
    FileError,
    JournalError,
    LockHeld,
    NotCanonical,
    UsageError,
)
from attractor.base.files import (
    file_error,
    hint_for,
    open_regular,
    reason_of,
    sync_folder,
    write_fully,
)
from attractor.base.json import (
    Json,
    JsonObject,
    canonical_json,
    canonical_members,
    canonical_object,
    content_hash,
    parse_json,
)
from attractor.base.locks import open_to_lock, try_lock, unlock

_RESERVED = ("seq", "prev", "hash", "seal")


@dataclass(frozen=True)
class ChainHead:
    """The end of a chain: number and hash of its last line."""

    seq: int
    hash: str


GENESIS = ChainHead(0, "0" * 64)


@dataclass(frozen=True)
class ChainLink:
    """A record as a line of a chain, and the head after this line."""

    line: str
    head: ChainHead


@dataclass(frozen=True)
class ChainFlaw:
    """The first corrupt line, counted from 1, and the reason."""

    line: int
    reason: str


@dataclass(frozen=True)
class ChainCheck:
    """The head after the valid lines, the first flaw, and the number of unchecked seals."""

    head: ChainHead
    flaw: ChainFlaw | None
    unchecked_seals: int = 0


@dataclass(frozen=True)
class ParsedLine:
    """A line of a chain: its record, the heads after and before the line, and its seal."""

    record: dict[str, Json]
    head: ChainHead
    before: ChainHead
    seal: str | None


Keep = Callable[[ParsedLine, bytes], object]
"""Type of a function that is called with a valid line, parsed and as bytes without its newline."""


def seal(
    record: JsonObject, head: ChainHead, *, key: bytes | None = None, is_plain: bool = False
) -> ChainLink:
    """Return a record as the next line after a head; `is_plain` skips the check of the JSON."""
    for name in _RESERVED:
        if name in record:
            raise UsageError(f"a chained record must not contain {name!r}")
    if key == b"":
        raise UsageError("empty key for seals", hint="pass 32 random bytes")
    return _link(
        record,
        head,
        lambda digest: None if key is None else _seal_of(digest, key),
        is_plain=is_plain,
    )


def verify(
    lines: Iterable[bytes],
    *,
    start: ChainHead = GENESIS,
    expected: ChainHead | None = None,
    key: bytes | None = None,
    keep: Keep | None = None,
) -> ChainCheck:
    """Find the first corrupt line among lines without newlines.

    The chain must contain the `expected` head; more lines may follow. Without a key, seals are
    counted but not checked. `keep` is called with each valid line, up to the first corrupt one.
    """
    return _verify((line + b"\n" for line in lines), start, expected, key, keep)


def verify_file(
    path: str | Path,
    *,
    offset: int = 0,
    start: ChainHead = GENESIS,
    expected: ChainHead | None = None,
    key: bytes | None = None,
) -> ChainCheck:
    """Find the first corrupt line of a file, from an offset and the head before the offset."""
    try:
        with open_regular(path) as file:
            file.seek(offset)
            return _verify(file, start, expected, key)
    except OSError as cause:
        raise file_error("read", path, cause) from cause


def parse_intact(line: bytes, *, key: bytes | None = None) -> ParsedLine | None:
    """Parse a line whose own hash and seal are valid, wherever the line is; otherwise, None."""
    parsed = _parse_line(line)
    if not isinstance(parsed, ParsedLine):
        return None
    return _follow(line + b"\n", parsed.before, key)


def require_intact(check: ChainCheck, file: str) -> None:
    """If a line is corrupt, raise ChainBroken with the first corrupt line."""
    if flaw := check.flaw:
        hint = "do not trust this line and later ones: compare them with a copy"
        raise ChainBroken(f"{file}: line {flaw.line} {flaw.reason}", hint=hint)


def _verify(
    lines: Iterable[bytes],
    start: ChainHead,
    expected: ChainHead | None,
    key: bytes | None,
    keep: Keep | None = None,
) -> ChainCheck:
    if expected and start.seq >= expected.seq and start != expected:
        return ChainCheck(start, ChainFlaw(1, "does not follow the expected line"))
    rest = iter(lines)
    head, number, unchecked = start, 0, 0
    for number, raw in enumerate(rest, 1):
        sealed = _follow(raw, head, key)
        if sealed is None:
            return ChainCheck(head, ChainFlaw(number, _reason(raw, head, key, rest)), unchecked)
        if expected and sealed.head.seq == expected.seq and sealed.head != expected:
            replaced = ChainFlaw(number, "was replaced: it is not the expected line")
            return ChainCheck(head, replaced, unchecked)
        head = sealed.head
        unchecked += key is None and sealed.seal is not None
        if keep:
            keep(sealed, raw[:-1])
    if expected and head.seq < expected.seq:
        missing = f"is missing: the chain had {expected.seq} lines"
        return ChainCheck(head, ChainFlaw(number + 1, missing), unchecked)
    return ChainCheck(head, None, unchecked)


def _follow(raw: bytes, head: ChainHead, key: bytes | None) -> ParsedLine | None:
    """Parse a line; the line is valid if sealing the record again gives the same bytes."""
    sealed = _parse_line(raw)
    if not isinstance(sealed, ParsedLine):
        return None
    try:
        link = _link(
            sealed.record,
            head,
            lambda own: sealed.seal if key is None else _seal_of(own, key),
            is_plain=True,
        )
    except NotCanonical:
        return None
    return sealed if hmac.compare_digest(link.line.encode() + b"\n", raw) else None


def _link(
    record: JsonObject, head: ChainHead, seal_of: Callable[[str], str | None], *, is_plain: bool
) -> ChainLink:
    """Return a record as a line; the hash covers the line except for hash and seal."""
    body: JsonObject = {**record, "seq": head.seq + 1, "prev": head.hash}
    before, after = canonical_members(body, "hash", is_plain=is_plain)
    digest = content_hash(canonical_object(before, after).encode())
    sealed = seal_of(digest)
    if sealed is not None:
        _, between, end = canonical_members(body, "hash", "seal", is_plain=True)
        after = ",".join(filter(None, [between, f'"seal":{canonical_json(sealed)}', end]))
    line = canonical_object(before, f'"hash":"{digest}"', after)
    return ChainLink(line, ChainHead(head.seq + 1, digest))


def _seal_of(digest: str, key: bytes) -> str:
    return hmac.digest(key, digest.encode(), "sha256").hex()


def _parse_line(raw: bytes) -> ParsedLine | str:
    """Parse a line, or return why it is invalid."""
    try:
        record = parse_json(raw)
    except NotCanonical as fault:
        return f"is invalid JSON ({fault.message.removeprefix('invalid JSON: ')})"
    match record:
        case {"seq": int(seq), "prev": str(prev), "hash": str(own), **rest}:
            own_seal = rest.pop("seal", None)
            if own_seal is None or isinstance(own_seal, str):
                return ParsedLine(rest, ChainHead(seq, own), ChainHead(seq - 1, prev), own_seal)
            return "has an invalid seal"
        case _:
            return "lacks seq, prev or hash"


def _reason(raw: bytes, head: ChainHead, key: bytes | None, rest: Iterator[bytes]) -> str:
    """Return the reason why a line does not follow a head."""
    if not raw.endswith(b"\n"):
        return "is incomplete: it has no newline at its end"
    sealed = _parse_line(raw)
    if isinstance(sealed, str):
        return sealed
    if _follow(raw, sealed.before, key) is None:
        return "was changed, or sealed with another key"
    expected = head.seq + 1
    if sealed.head.seq < expected:
        return f"is a duplicate of number {sealed.head.seq}"
    if sealed.head.seq == expected:
        return "does not follow the previous line: one of the two lines was replaced"
    parsed = (_parse_line(line) for line in rest)
    if any(isinstance(line, ParsedLine) and line.head.seq == expected for line in parsed):
        return f"was moved: number {expected} comes later (this is {sealed.head.seq})"
    return f"is number {sealed.head.seq}: number {expected} is missing"


_BLOCK = 1 << 16


@dataclass(frozen=True)
class JournalLine:
    """A complete line without its newline, and the offset of the line."""

    offset: int
    content: bytes

    @property
    def end(self) -> int:
        """The offset after the newline."""
        return self.offset + len(self.content) + 1


@dataclass(frozen=True)
class TornLine:
    """An incomplete line of a killed writer, and the offset of the line."""

    offset: int
    content: bytes


class Journal:
    """The only writer of a journal; `torn` is the incomplete line that was removed on opening.

    Use `Journal.open`. If `append` raises, the line is not in the journal, or the journal accepts
    no more lines. One thread can append while another thread syncs.
    """

    def __init__(self, path: Path, file: io.FileIO, torn: TornLine | None) -> None:
        self.path = path
        self.torn = torn
        self._file = file
        self._offset = os.fstat(file.fileno()).st_size
        self._closed_because = ""
        self._is_appending = False

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open or create a journal for appending.

        Raise LockHeld if another process is writing to it.
        """
        path = Path(path)
        try:
            with ExitStack() as undo:
                file = undo.enter_context(open_to_lock(path))
                # Without the lock this could remove a line that another process is writing.
                if not try_lock(file):
                    raise LockHeld(
                        f"another process is writing to {path}",
                        hint="wait until that process ends",
                    )
                torn = _cut_torn(file.fileno())
                sync_folder(path.parent)
                journal = cls(path, file, torn)
                undo.pop_all()
        except OSError as cause:
            raise file_error("open", path, cause) from cause
        return journal

    @property
    def offset(self) -> int:
        """The offset after the last line."""
        return self._offset

    def append(self, line: str | bytes, *, sync: bool = True) -> int:
        """Append a line and return the offset after the line.

        Without `sync`, the line survives a kill of the process, and after the next `sync()` also a
        power failure.
        """
        data = self._with_newline(line)
        self._refuse_if_closed()
        # After an interruption, no line may be appended to an incomplete line.
        self._is_appending = True
        self._write(data)
        if sync:
            self._sync()
        self._is_appending = False
        return self._offset

    def sync(self) -> None:
        """Sync all lines, so that the lines survive a power failure; another thread may append."""
        if self._closed_because:
            self._refuse_if_closed()
        self._sync()

    def close(self) -> None:
        """Release the journal without syncing."""
        self._closed_because = self._closed_because or "it was closed"
        unlock(self._file)

    def __enter__(self) -> Self:
        """Return the open journal."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the journal."""
        self.close()

    def _with_newline(self, line: str | bytes) -> bytes:
        try:
            data = line.encode() if isinstance(line, str) else line
        except UnicodeEncodeError as cause:
            raise JournalError(f"cannot append to {self.path}: {cause}") from cause
        if b"\n" in data:
            raise JournalError(f"cannot append to {self.path}: a line contains a newline")
        return data + b"\n"

    def _refuse_if_closed(self) -> None:
        interrupted = "an append was interrupted" if self._is_appending else ""
        if because := self._closed_because or interrupted:
            hint = "open it again, which removes the incomplete line"
            raise JournalError(f"{self.path} accepts no lines: {because}", hint=hint)

    def _write(self, data: bytes) -> None:
        try:
            write_fully(self._file.fileno(), data)
        except OSError as cause:
            self._cut_back()
            raise self._error("append to", cause) from cause
        self._offset += len(data)

    def _cut_back(self) -> None:
        """Remove an incomplete line."""
        try:
            os.ftruncate(self._file.fileno(), self._offset)
        except OSError as cause:
            self._closed_because = f"an incomplete line could not be removed ({reason_of(cause)})"
        else:
            self._is_appending = False

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as cause:
            # The kernel may have dropped the pages: a second fsync would succeed without them.
            self._closed_because = f"it could not be synced ({reason_of(cause)})"
            raise self._error("sync", cause) from cause

    def _error(self, verb: str, cause: OSError) -> JournalError:
        return JournalError(f"cannot {verb} {self.path}: {reason_of(cause)}", hint=hint_for(cause))


def read_lines(path: str | Path, *, offset: int = 0) -> Iterator[JournalLine]:
    """Yield the complete lines of a journal from an offset.

    The journal may have a writer. To follow the journal, read again from the `end` of the last
    line.
    """
    try:
        with open_regular(path) as file:
            _seek_line(file, path, offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                line = JournalLine(offset, raw[:-1])
                offset = line.end
                yield line
    except OSError as cause:
        raise file_error("read", path, cause) from cause


def read_torn(path: str | Path) -> TornLine | None:
    """Return the bytes after the last newline: a torn line, or a line that is being written."""
    try:
        with open_regular(path) as file:
            return _torn_line(file.fileno())
    except OSError as cause:
        raise file_error("read", path, cause) from cause


def _seek_line(file: io.BufferedReader, path: str | Path, offset: int) -> None:
    if offset:
        file.seek(max(0, offset - 1))
        if offset < 0 or file.read(1) != b"\n":
            hint = "read it from offset 0"
            raise FileError(f"invalid offset {offset} in {path}: no line begins there", hint=hint)


def _cut_torn(file: int) -> TornLine | None:
    torn = _torn_line(file)
    if torn:
        os.ftruncate(file, torn.offset)
    # Also without a torn line: a killed writer may have left unsynced lines.
    os.fsync(file)
    return torn


def _torn_line(file: int) -> TornLine | None:
    size = os.fstat(file).st_size
    end = _end_of_lines(file, size)
    return TornLine(end, os.pread(file, size - end, end)) if end < size else None


def _end_of_lines(file: int, size: int) -> int:
    """Return the offset after the last newline, reading backwards."""
    at = size
    while at:
        start = max(0, at - _BLOCK)
        newline = os.pread(file, at - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        at = start
    return 0


class SharedSync:
    """Syncs in a thread; all calls during a sync share the next sync.

    Lines written before the call are on the disk when `wait` returns.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._current: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def wait(self) -> None:
        """Wait until all lines written before this call are on the disk."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._current))
        # A cancelled caller does not cancel the sync of the others.
        await asyncio.shield(self._next)

    async def _after(self, before: "asyncio.Task[None] | None") -> None:
        if before is not None:
            # The failure was raised to the callers of that sync; the next sync raises its own.
            with suppress(Exception):
                await asyncio.shield(before)
        self._current, self._next = self._next, None
        await asyncio.to_thread(self._sync)
