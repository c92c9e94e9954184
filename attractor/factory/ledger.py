"""The ledger: every evaluation and decision over all runs, one sealed and chained line each.

It lies in the state folder with the key that seals it, which no tool can read. It is appended to
under its own lock, so that two commands at once write one line after the other.
"""

import hmac
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from attractor.base.atomic_files import write_whole
from attractor.base.canonical import Json, JsonObject, parse_json
from attractor.base.chains import Head, Link, Verdict, require_intact, seal, verify_file
from attractor.base.errors import Broken
from attractor.base.journal import Journal, read_lines
from attractor.base.locks import FileLock

LEDGER_FILE = "ledger.jsonl"
KEY_FILE = "ledger.key"
KEY_BYTES = 32
PATIENCE_S = 10.0
OWNER_ONLY = 0o600


@dataclass(frozen=True)
class Entry:
    """One line of the ledger."""

    kind: str
    run_id: str
    time: str
    data: Mapping[str, Json]
    head: Head


class Ledger:
    """The ledger of one state folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / LEDGER_FILE
        self._key_file = folder / KEY_FILE
        self._lock = FileLock(folder / "ledger.lock")

    def append(
        self, kind: str, run_id: str, data: JsonObject, *, now: datetime, once: bool = False
    ) -> Entry | None:
        """Verify the ledger, add a sealed line and return it once it is safe on disk.

        With `once` nothing is added, and None returned, when the run has such a line already.
        """
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock.acquire(wait=PATIENCE_S, purpose=f"attractor: {kind}"):
            key = self._key()
            if once and any(entry.kind == kind for entry in self.entries(run_id)):
                return None
            with Journal.open(self.file) as journal:
                head = self._verified(key).head
                record: JsonObject = {
                    "kind": kind,
                    "run_id": run_id,
                    "time": now.isoformat(),
                    "data": dict(data),
                }
                link: Link = seal(record, head, key=key)
                journal.append(link.line)
        return Entry(kind, run_id, now.isoformat(), data, link.head)

    def entries(self, run_id: str = "") -> Iterator[Entry]:
        """Yield the lines of one run, or of all, after the whole ledger was verified."""
        if not self.file.exists():
            return
        self._verified(self._key())
        for line in read_lines(self.file):
            entry = _entry(parse_json(line.content))
            if run_id in ("", entry.run_id):
                yield entry

    def seal_of(self, words: str) -> str:
        """Return the seal that only who has the key can make over some words."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return hmac.digest(self._key(), words.encode(), "sha256").hex()

    def verify(self) -> Verdict:
        """Check chain and seals; without the key the seals are counted, not checked."""
        key = self._key_file.read_bytes() if self._key_file.exists() else None
        return verify_file(self.file, key=key)

    def _verified(self, key: bytes) -> Verdict:
        verdict = verify_file(self.file, key=key)
        require_intact(verdict, str(self.file))
        return verdict

    def _key(self) -> bytes:
        if self._key_file.exists():
            return self._key_file.read_bytes()
        if self.file.exists() and self.file.stat().st_size:
            raise Broken(
                f"the key of {self.file} is gone, so its seals can't be checked",
                hint=f"bring {self._key_file} back from a copy",
            )
        write_whole(self._key_file, os.urandom(KEY_BYTES), mode=OWNER_ONLY)
        return self._key_file.read_bytes()


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
            return Entry(kind, run_id, time, data, Head(seq, digest))
        case _:
            raise TypeError("a verified line of the ledger has another shape")
