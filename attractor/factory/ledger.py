"""The ledger: the evaluations, decisions and final statuses of all runs, as chained lines.

The ledger and its key are in the state folder, which no tool can read. `ledger.head` records the
last line, so that a truncated ledger is detected; after a crash it may be one line behind. A state
folder that was restored from an old backup is only detected by the run directories.
"""

import hmac
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ChainBroken, NotCanonical, VerificationError
from attractor.base.files import file_error, make_private_folder, write_whole
from attractor.base.journal import (
    GENESIS,
    ChainCheck,
    ChainHead,
    ChainLink,
    Journal,
    read_lines,
    require_intact,
    seal,
    verify,
)
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.base.locks import FileLock

OWNER_ONLY = 0o600


def write_head(file: Path, head: ChainHead, key: bytes) -> None:
    """Write the head of the ledger, sealed with the key."""
    record: dict[str, Json] = {"seq": head.seq, "hash": head.hash, "seal": _seal(head, key)}
    write_whole(file, canonical_json(record), mode=OWNER_ONLY)


def read_head(file: Path, key: bytes | None) -> ChainHead:
    """Read the head of the ledger; if a key exists, check the seal of the head."""
    try:
        record = parse_json(file.read_bytes())
    except FileNotFoundError as cause:
        raise _broken(file, "is missing, so the end of the ledger is unknown") from cause
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    except NotCanonical as cause:
        raise _broken(file, "is corrupt") from cause
    match record:
        case {"seq": int(seq), "hash": str(digest), "seal": str(seal)}:
            head = ChainHead(seq, digest)
        case _:
            raise _broken(file, "is corrupt")
    if key is not None and not hmac.compare_digest(seal, _seal(head, key)):
        raise _broken(file, "has an invalid seal")
    return head


def _seal(head: ChainHead, key: bytes) -> str:
    words = canonical_json({"ledger_head": {"seq": head.seq, "hash": head.hash}})
    return hmac.digest(key, words.encode(), "sha256").hex()


def _broken(file: Path, problem: str) -> VerificationError:
    return VerificationError(f"{file} {problem}", hint="restore it and the ledger from a backup")


LEDGER_FILE = "ledger.jsonl"
HEAD_FILE = "ledger.head"
KEY_FILE = "ledger.key"
KEY_BYTES = 32
PATIENCE_S = 10.0


@dataclass(frozen=True)
class LedgerEntry:
    """A line of the ledger, as text and parsed."""

    kind: str
    run_id: str
    time: str
    data: Mapping[str, Json]
    head: ChainHead
    line: str


class Ledger:
    """The ledger of one state folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / LEDGER_FILE
        self._key_file = folder / KEY_FILE
        self._head_file = folder / HEAD_FILE
        self._lock = FileLock(folder / "ledger.lock")
        self._is_locked = False

    def append(
        self, kind: str, run_id: str, data: JsonObject, *, now: datetime, once: bool = False
    ) -> LedgerEntry | None:
        """Verify the ledger and append a sealed line, synced to disk.

        With `once`, return None without a change if the ledger already has a line of this kind for
        the run.
        """
        with self.locked(f"attractor: {kind}"):
            key = self._ready_key()
            # Before the journal is opened, which creates it.
            self._expected(key)
            with Journal.open(self.file) as journal:
                lines, head = self._verified(key)
                if once and any(one.kind == kind and one.run_id == run_id for one in lines):
                    return None
                record: JsonObject = {
                    "kind": kind,
                    "run_id": run_id,
                    "time": now.isoformat(),
                    "data": dict(data),
                }
                link: ChainLink = seal(record, head, key=key)
                journal.append(link.line)
            # A crash before this leaves an old head, which the next line replaces.
            write_head(self._head_file, link.head, key)
        return LedgerEntry(kind, run_id, now.isoformat(), data, link.head, link.line)

    @contextmanager
    def locked(self, purpose: str) -> Generator[None]:
        """Let no other process append meanwhile, so that a decision is about what was read.

        Within the block, this object can append.
        """
        if self._is_locked:
            yield
            return
        make_private_folder(self.file.parent)
        with self._lock.acquire(wait=PATIENCE_S, purpose=purpose):
            self._is_locked = True
            try:
                yield
            finally:
                self._is_locked = False

    def entries(self, run_id: str = "") -> Iterator[LedgerEntry]:
        """Yield the lines of a run, or all lines, after verifying the ledger."""
        if self._is_new():
            return
        lines, _ = self._verified(self._key())
        yield from (entry for entry in lines if run_id in ("", entry.run_id))

    def seal_of(self, words: str) -> str:
        """Return the seal of a text, made with the key."""
        if not self._key_file.exists():
            with self.locked("attractor: key"):
                self._ready_key()
        return hmac.digest(self._key(), words.encode(), "sha256").hex()

    def require_there(self) -> None:
        """Refuse a state folder without a ledger."""
        if self._is_new():
            raise VerificationError(
                f"missing ledger {self.file} and key {self._key_file.name}",
                hint="set state_dir to the state folder of the run, or restore it from a backup",
            )

    def verify(self) -> ChainCheck:
        """Check the chain, the seals and the end; without the key, only count the seals."""
        if self._is_new():
            return ChainCheck(GENESIS, None)
        key = self._key_file.read_bytes() if self._key_file.exists() else None
        expected = read_head(self._head_file, key)
        return verify(self._lines(), expected=expected, key=key)

    def _verified(self, key: bytes) -> tuple[list[LedgerEntry], ChainHead]:
        # The head first: the ledger may grow meanwhile, and must not seem too short.
        expected = self._expected(key)
        lines = self._lines()
        verdict = verify(lines, expected=expected, key=key)
        require_intact(verdict, str(self.file))
        return [_entry(line) for line in lines], verdict.head

    def _expected(self, key: bytes) -> ChainHead:
        expected = read_head(self._head_file, key)
        if expected != GENESIS and not self.file.exists():
            raise ChainBroken(f"missing ledger {self.file}", hint="restore it from a backup")
        return expected

    def _is_new(self) -> bool:
        """Return whether the ledger has no line, even if a first writer died after the head."""
        if self.file.exists() or self._key_file.exists():
            return False
        return not self._head_file.exists() or read_head(self._head_file, None) == GENESIS

    def _lines(self) -> list[bytes]:
        """Return the complete lines; an incomplete last line was never acknowledged."""
        if not self.file.exists():
            return []
        return [line.content for line in read_lines(self.file)]

    def _key(self) -> bytes:
        try:
            return self._key_file.read_bytes()
        except FileNotFoundError as cause:
            raise VerificationError(
                f"missing key of {self.file}, so its seals cannot be checked",
                hint=f"restore {self._key_file} from a backup",
            ) from cause

    def _ready_key(self) -> bytes:
        """Return the key; if the key is missing, create it, and the head of an empty ledger."""
        if self._is_new():
            key = os.urandom(KEY_BYTES)
            # The head first: if there is a key, a missing head was removed.
            write_head(self._head_file, GENESIS, key)
            write_whole(self._key_file, key, mode=OWNER_ONLY)
        return self._key()


def _entry(line: bytes) -> LedgerEntry:
    match parse_json(line):
        case {
            "kind": str(kind),
            "run_id": str(run_id),
            "time": str(time),
            "data": dict(data),
            "seq": int(seq),
            "hash": str(digest),
        }:
            head = ChainHead(seq, digest)
            return LedgerEntry(kind, run_id, time, data, head, line.decode())
        case _:
            raise TypeError("unknown format of a verified ledger line")
