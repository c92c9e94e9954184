"""The ledger: every evaluation and decision over all runs, one sealed and chained line each.

It lies in the state folder with the key that seals it, which no tool can read. It is appended to
under its own lock, so that two commands at once write one line after the other. Its end is kept in
`ledger.head`, so that a ledger that was cut short is found out. What nobody here can notice is a
state folder that was put back whole to an earlier day; only the runs' own folders tell then.

Where the ledger ended when it was last written, sealed and kept beside it.

Lines cut off at the end leave a chain that looks whole; only a head kept elsewhere tells. The head
is written after the line, so a crash between the two leaves a head that is a little behind, never
one that is ahead of a whole ledger.
"""

import hmac
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import ChainBroken, NotCanonical, VerificationError
from attractor.base.files import file_error, make_private_folder, write_whole
from attractor.base.hash_chain import (
    GENESIS,
    ChainCheck,
    ChainHead,
    ChainLink,
    require_intact,
    seal,
    verify,
)
from attractor.base.journal import Journal, read_lines
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.base.locks import FileLock

OWNER_ONLY = 0o600


def write_head(file: Path, head: ChainHead, key: bytes) -> None:
    """Put a head in place whole, with a seal that only the key can make."""
    told: dict[str, Json] = {"seq": head.seq, "hash": head.hash, "seal": _seal(head, key)}
    write_whole(file, canonical_json(told), mode=OWNER_ONLY)


def read_head(file: Path, key: bytes | None) -> ChainHead:
    """Read a head back and check its seal, when there is a key to check it with."""
    try:
        told = parse_json(file.read_bytes())
    except FileNotFoundError as cause:
        raise _broken(file, "is gone, so nobody can say where the ledger ended") from cause
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    except NotCanonical as cause:
        raise _broken(file, "is not what was written") from cause
    match told:
        case {"seq": int(seq), "hash": str(digest), "seal": str(seal)}:
            head = ChainHead(seq, digest)
        case _:
            raise _broken(file, "is not what was written")
    if key is not None and not hmac.compare_digest(seal, _seal(head, key)):
        raise _broken(file, "was changed, or sealed with another key")
    return head


def _seal(head: ChainHead, key: bytes) -> str:
    words = canonical_json({"ledger_head": {"seq": head.seq, "hash": head.hash}})
    return hmac.digest(key, words.encode(), "sha256").hex()


def _broken(file: Path, what: str) -> VerificationError:
    return VerificationError(
        f"{file} {what}", hint="bring it and the ledger beside it back from a copy"
    )


LEDGER_FILE = "ledger.jsonl"
HEAD_FILE = "ledger.head"
KEY_FILE = "ledger.key"
KEY_BYTES = 32
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    kind: str
    run_id: str
    time: str
    data: Mapping[str, Json]
    head: ChainHead


class Ledger:
    """The ledger of one state folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / LEDGER_FILE
        self._key_file = folder / KEY_FILE
        self._head_file = folder / HEAD_FILE
        self._lock = FileLock(folder / "ledger.lock")

    def append(
        self, kind: str, run_id: str, data: JsonObject, *, now: datetime, once: bool = False
    ) -> Entry | None:
        """Verify the ledger, add a sealed line and return it once it is safe on disk.

        With `once` nothing is added, and None returned, when the run has such a line already.
        """
        with self._locked(f"attractor: {kind}"):
            key = self._ready_key()
            # Before the journal is opened, which makes it.
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
            # A crash before this leaves a head that is behind, which the next line makes good.
            write_head(self._head_file, link.head, key)
        return Entry(kind, run_id, now.isoformat(), data, link.head)

    def entries(self, run_id: str = "") -> Iterator[Entry]:
        """Yield the lines of one run, or of all, after the whole ledger was verified."""
        if self._is_new():
            return
        lines, _ = self._verified(self._key())
        yield from (entry for entry in lines if run_id in ("", entry.run_id))

    def seal_of(self, words: str) -> str:
        """Return the seal that only who has the key can make over some words."""
        if not self._key_file.exists():
            with self._locked("attractor: key"):
                self._ready_key()
        return hmac.digest(self._key(), words.encode(), "sha256").hex()

    def require_there(self) -> None:
        """Refuse a state folder without a ledger, when there must be one."""
        if self._is_new():
            raise VerificationError(
                f"{self.file} is gone, and so is its key {self._key_file.name}",
                hint="name the state folder the run was begun with, or bring it back from a copy",
            )

    def verify(self) -> ChainCheck:
        """Check chain, seals and end; without the key the seals are counted, not checked."""
        if self._is_new():
            return ChainCheck(GENESIS, None)
        key = self._key_file.read_bytes() if self._key_file.exists() else None
        expected = read_head(self._head_file, key)
        return verify(self._lines(), expected=expected, key=key)

    def _verified(self, key: bytes) -> tuple[list[Entry], ChainHead]:
        # The head first: the ledger may grow in between, and must not seem too short then.
        expected = self._expected(key)
        lines = self._lines()
        verdict = verify(lines, expected=expected, key=key)
        require_intact(verdict, str(self.file))
        return [_entry(parse_json(line)) for line in lines], verdict.head

    def _expected(self, key: bytes) -> ChainHead:
        expected = read_head(self._head_file, key)
        if expected != GENESIS and not self.file.exists():
            raise ChainBroken(f"{self.file} is gone", hint="bring it back from a copy")
        return expected

    def _is_new(self) -> bool:
        """Tell whether nothing was ever written; a first writer may have died behind its head."""
        if self.file.exists() or self._key_file.exists():
            return False
        return not self._head_file.exists() or read_head(self._head_file, None) == GENESIS

    def _lines(self) -> list[bytes]:
        """Return the whole lines; what a writer that died left of one was never acknowledged."""
        if not self.file.exists():
            return []
        return [line.content for line in read_lines(self.file)]

    def _locked(self, purpose: str) -> FileLock:
        make_private_folder(self.file.parent)
        return self._lock.acquire(wait=PATIENCE_S, purpose=purpose)

    def _key(self) -> bytes:
        try:
            return self._key_file.read_bytes()
        except FileNotFoundError as cause:
            raise VerificationError(
                f"the key of {self.file} is gone, so its seals can't be checked",
                hint=f"bring {self._key_file} back from a copy",
            ) from cause

    def _ready_key(self) -> bytes:
        """Return the key; the first one is made together with the head of an empty ledger."""
        if self._is_new():
            key = os.urandom(KEY_BYTES)
            # The head first, so that where there is a key a missing head was taken away.
            write_head(self._head_file, GENESIS, key)
            write_whole(self._key_file, key, mode=OWNER_ONLY)
        return self._key()


def _entry(record: Json) -> Entry:
    match record:
        case {
            "kind": str(kind),
            "run_id": str(run_id),
            "time": str(time),
            "data": dict(data),
            "seq": int(seq),
            "hash": str(digest),
        }:
            return Entry(kind, run_id, time, data, ChainHead(seq, digest))
        case _:
            raise TypeError("a verified line of the ledger has another shape")
