"""The ledger: the evaluations, decisions and final statuses of all runs, as chained lines.

The ledger and its key are in the state folder, which no tool can read. `ledger.head` records where
the last line begins, and its hash, so that a truncated ledger is detected, and so that a line is
appended without reading the lines before it. After a crash the head may be one line behind. A state
folder that was restored from an old backup is only detected by the run directories.

Times never decrease from line to line, and no line is older than its run. Therefore the lines of a
run are found by a search for its time of creation: of 100,000 lines, a new run reads twenty.

After lines that were written while the clock was ahead, times begin anew with a line
`clock_corrected`. The head records where such lines are, and each part between them is searched.
"""

import hmac
import os
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from shutil import copyfileobj

from attractor.base.dataclasses import dataclass
from attractor.base.errors import (
    ChainBroken,
    FileError,
    NotCanonical,
    VerificationError,
    require_format,
)
from attractor.base.files import file_error, make_private_folder, open_regular, write_whole
from attractor.base.hash_chain import (
    GENESIS,
    ChainCheck,
    ChainHead,
    Keep,
    ParsedLine,
    parse_intact,
    require_intact,
    seal,
    verify,
)
from attractor.base.ids import is_run_id, time_of
from attractor.base.journal import Journal, read_lines
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.base.locks import FileLock
from attractor.factory.errors import ClockSetBack

OWNER_ONLY = 0o600

STATE_FORMAT = 3
"""The format number of the state folder, in its `ledger.head`.

Heads of format 1 have neither `offset` nor `prev`, and those of format 2 have no number. A new
field of a record gets a default, so that older records can be read. Any other change of a file of
the state folder raises this number.
"""


@dataclass(frozen=True)
class LedgerHead:
    """The last line of the ledger: its offset, and the chain before and after the line.

    `corrections` are the offsets of the lines that corrected the clock.
    """

    offset: int = 0
    before: ChainHead = field(default=GENESIS)
    chain: ChainHead = field(default=GENESIS)
    corrections: tuple[int, ...] = ()

    def after(self, offset: int, chain: ChainHead, kind: str) -> "LedgerHead":
        """Return the head after another line."""
        corrections = self.corrections
        if kind == LineKind.CLOCK_CORRECTED:
            corrections += (offset,)
        return LedgerHead(offset, self.chain, chain, corrections)

    def to_record(self, key: bytes) -> dict[str, Json]:
        """Return the record of the head, sealed with the key."""
        prev, last = self.before.hash, self.chain
        content: dict[str, Json] = {
            "offset": self.offset,
            "prev": prev,
            "seq": last.seq,
            "hash": last.hash,
        }
        # Without corrections, versions that know no format number accept the seal.
        content |= {"corrections": [*self.corrections]} if self.corrections else {}
        return {**content, "format": STATE_FORMAT, "seal": _seal_of(content, key)}


def _seal_of(content: dict[str, Json], key: bytes) -> str:
    words = canonical_json({"ledger_head": content})
    return hmac.digest(key, words.encode(), "sha256").hex()


def write_head(file: Path, head: LedgerHead, key: bytes) -> None:
    """Write the head of the ledger, sealed with the key."""
    write_whole(file, canonical_json(head.to_record(key)), mode=OWNER_ONLY)


def read_head(file: Path, key: bytes | None) -> LedgerHead:
    """Read the head of the ledger; if a key exists, check the seal of the head."""
    try:
        record = parse_json(file.read_bytes())
    except FileNotFoundError as cause:
        raise _broken(file, "is missing, so the end of the ledger is unknown") from cause
    except OSError as cause:
        raise file_error("read", file, cause) from cause
    except NotCanonical as cause:
        raise _broken(file, "is corrupt") from cause
    if not isinstance(record, dict):
        raise _broken(file, "is corrupt")
    _format_of(record, file.parent)
    fields = {name: value for name, value in record.items() if name != "format"}
    match fields:
        case {
            "offset": int(offset),
            "prev": str(prev),
            "seq": int(seq),
            "hash": str(digest),
            "seal": str(own_seal),
            **more,
        } if more.keys() <= {"corrections"}:
            before, last = ChainHead(max(0, seq - 1), prev), ChainHead(seq, digest)
            head = LedgerHead(offset, before, last, _offsets(more, file))
        case {"seq": int(seq), "hash": str(digest), "seal": str(own_seal), **more} if not more:
            # Format 1. The ledger is read from its first line, until another line is added.
            head = LedgerHead(chain=ChainHead(seq, digest))
        case _:
            raise _broken(file, "is corrupt")
    del fields["seal"]
    if key is not None and not hmac.compare_digest(own_seal, _seal_of(fields, key)):
        raise _broken(file, "has an invalid seal")
    return head


def read_format(folder: Path) -> int:
    """Return the format number of a state folder; refuse an unknown number.

    Without a ledger it is the number that this version writes.
    """
    try:
        return _format_of(parse_json((folder / HEAD_FILE).read_bytes()), folder)
    except (FileNotFoundError, NotCanonical):
        return STATE_FORMAT


def _format_of(record: Json, folder: Path) -> int:
    match record:
        case {"format": int(number)}:
            require_format(f"the state folder {folder}", number, current=STATE_FORMAT)
            return number
        case {"offset": _}:
            return 2
        case _:
            return 1


def _offsets(record: JsonObject, file: Path) -> tuple[int, ...]:
    match record.get("corrections", []):
        case [*offsets] if all(type(offset) is int for offset in offsets):
            return tuple(offset for offset in offsets if isinstance(offset, int))
        case _:
            raise _broken(file, "is corrupt")


def _broken(file: Path, problem: str) -> VerificationError:
    return VerificationError(f"{file} {problem}", hint="restore it and the ledger from a backup")


LEDGER_FILE = "ledger.jsonl"
HEAD_FILE = "ledger.head"
KEY_FILE = "ledger.key"
BACKUP = "backup"
"""The folder with the copy of the ledger and its head."""

KEY_BYTES = 32
PATIENCE_S = 10.0
LONGEST_DELAY = timedelta(seconds=PATIENCE_S)
"""The longest wait of a writer for the lock, after it took the time of its line."""


class LineKind(StrEnum):
    """The kinds of lines, with their data.

    Decisions, waivers, amendments, promotions, tokens, automations and orders to play trials again
    also name the person, in `by`.
    """

    CREATED = "created"
    """A run began: `manifest` (its hash), `pipeline`, `project`, `directory`, `trigger`."""

    EVALUATION_BEGUN = "evaluation_begun"
    """`evaluation` (its number), `tree`, `suite_seal`, `promises`, `protected_paths`, `carried`,
    `specification`, `of_tree`, `base`.
    """

    TRIAL_FAILED = "trial_failed"
    """`evaluation`, and the public record of the trial."""

    TRIAL_UNJUDGED = "trial_unjudged"
    """The judge failed: `evaluation`, `scenario`, `trial`, and `kept`, the seal of its evidence."""

    EVALUATED = "evaluated"
    """As `evaluation_begun`, and `trials` and `journal_head`."""

    UNFINISHED = "evaluation_unfinished"
    """As `evaluated`, but some `trials` have no result."""

    TRIALS_REPLAYED = "trials_replayed"
    """Cut trials are played again: `evaluation`, `tree`, `suite_seal`, `rationale`, `trials`."""

    ENDED = "ended"
    """A run failed or was canceled: `status`, `journal_head`."""

    LEAKED = "leaked"
    """A holdout leaked in a run: `suite`, `count`, and the first `places` of its canary."""

    TASK_REMOVED = "task_removed"
    """An old run of an actor was removed: what a judge of its files needs of it, as `RemovedTask`.

    `gc` searched it for holdouts of all suites first.
    """

    DECIDED = "decided"
    """`verdict`, `rationale`, `proof`, and all that the decision is about."""

    WAIVED = "waived"
    """`scenario` (its opaque name), `reason`, `expires`, `tree`, `suite`, `proof`."""

    AMENDED = "amended"
    """`decision`, the new `rationale` or a `note`, and `proof`."""

    PROMOTED = "promoted"
    """`branch`, `base`, `commit`, `tag`, `decision`, `rebased_from`.

    A merge by a forge has `pull_request` (its address), and `unjudged_tree` (the merged tree) if
    the target had moved."""

    ROLLED_BACK = "rolled_back"
    """`branch`, `commit`, `revert`, `reason`."""

    RACE_BEGUN = "race_begun"
    """A race, before its first attempt, as `Race`."""

    RACE_ENDED = "race_ended"
    """All attempts of a `race` ended: its `results`, the `ranking` of their trees, the `winner`."""

    MISSION_LANDED = "mission_landed"
    """The work of a run entered the branch of a mission: `mission`, `project`, `task`, `branch`,
    `tree`, `before`, `after`. This is no promotion."""

    PROPOSAL_APPLIED = "proposal_applied"
    """A person applied a proposal of an agent to pipelines, agents or train scenarios: `proposal`,
    `project`, `run` (what it is about), `branch`, `before`, `after`, `files`, `by`, `proof`."""

    PROPOSED = "proposed"
    """A pull request of the result: `forge`, `repository`, `number`, `url`, `branch`, `target`,
    `base`, `commit`, `decision`, and the ids of the `remarks` that the run was given."""

    PULL_REQUEST_READ = "pull_request_read"
    """What others said: `repository`, `number`, `failed` (checks), `remarks` (ids), `ignored`
    (logins), and `content`, the hash of `pull_request.json`."""

    PROPOSAL_ENDED = "proposal_ended"
    """A pull request was closed, or merged without the approved changes: `repository`, `number`,
    `how`, `commit`."""

    RELEASED = "released"
    """A running app: `project`, `stage`, `commit`, `tree` (a hash), `sandbox`, `packages`."""

    PROFILE_REGISTERED = "profile_registered"
    """The version, and the `project`; also of suites and pipelines."""

    SUITE_REGISTERED = "suite_registered"
    PIPELINE_REGISTERED = "pipeline_registered"
    SUITE_MEASURED = "suite_measured"
    """The counts of what a suite noticed at its registration, as `SuiteFigures`."""

    RETIRED = "retired"
    """A version was retired or archived: the version, and the `project`."""

    BURNED = "burned"
    """A version of a suite was burned: the version, and the `project`."""

    TOKEN_CREATED = "token_created"
    """`name`, `scope`, `digest`."""

    TOKEN_REVOKED = "token_revoked"
    """`name`, `digest`."""

    AUTOMATION_CREATED = "automation_created"
    """`name`, `project`, `digest` (the hash of its record)."""

    AUTOMATION_REMOVED = "automation_removed"
    """`name`, `project`, `digest`."""

    PROJECT_ADOPTED = "project_adopted"
    """A person chose the `project` of a place: `before` (the id until then), `directory`."""

    CLOCK_CORRECTED = "clock_corrected"
    """`ahead` (the latest time of a line), `proof`: earlier times follow."""


UNJUDGED_TREE = "unjudged_tree"
"""The member of a promotion with the tree of a merge into a target that had moved."""

COPIED = (LineKind.DECIDED, LineKind.WAIVED, LineKind.AMENDED)
"""The kinds of lines that are copied to the directory of the run."""

BACKED_UP = (
    *COPIED,
    LineKind.PROMOTED,
    LineKind.ROLLED_BACK,
    LineKind.PROPOSED,
    LineKind.RELEASED,
    LineKind.CLOCK_CORRECTED,
)
"""The kinds of lines after which the ledger is backed up."""


@dataclass(frozen=True)
class LedgerEntry:
    """A line of the ledger, as text and parsed."""

    kind: str
    run_id: str
    time: str
    data: Mapping[str, Json]
    head: ChainHead
    line: str

    @property
    def when(self) -> datetime:
        """The time of the line."""
        return datetime.fromisoformat(self.time)


class Ledger:
    """The ledger of one state folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / LEDGER_FILE
        self._key_file = folder / KEY_FILE
        self._head_file = folder / HEAD_FILE
        self._backup = folder / BACKUP
        self._lock_file = folder / "ledger.lock"
        self._held = threading.local()

    def append(
        self, kind: str, run_id: str, data: JsonObject, *, now: datetime, once: bool = False
    ) -> LedgerEntry | None:
        """Verify the end of the ledger and append a sealed line, synced to disk.

        With `once`, return None without a change if the ledger already has a line of this kind for
        the run. A time before the last line, or before the run, is refused.
        """
        with self.locked(f"attractor: {kind}"):
            key = self._ready_key()
            head, last = self._end(key)
            if once and any(one.kind == kind for one in self._lines_of(run_id, key)):
                return None
            ahead = self._latest_ahead(head, key)
            time = _in_order(now, last, run_id, ahead).isoformat()
            return self._append(kind, run_id, time, data, head, key)

    def correct_clock(self, *, by: str, proof: str, now: datetime) -> LedgerEntry | None:
        """Append a line after which times begin anew; None if no line is dated ahead of `now`."""
        kind = LineKind.CLOCK_CORRECTED
        with self.locked(f"attractor: {kind}"):
            key = self._ready_key()
            head, last = self._end(key)
            if last is None or last.when <= now + LONGEST_DELAY:
                return None
            ahead = max(last.when, self._latest_ahead(head, key) or last.when)
            data: JsonObject = {"ahead": ahead.isoformat(), "by": by, "proof": proof}
            return self._append(kind, "", now.isoformat(), data, head, key)

    def _append(
        self, kind: str, run_id: str, time: str, data: JsonObject, head: LedgerHead, key: bytes
    ) -> LedgerEntry:
        record: JsonObject = {"kind": kind, "run_id": run_id, "time": time, "data": dict(data)}
        link = seal(record, head.chain, key=key)
        with Journal.open(self.file) as journal:
            head = head.after(journal.offset, link.head, kind)
            journal.append(link.line)
        # A crash before this leaves an old head, which the next line replaces.
        write_head(self._head_file, head, key)
        if kind in BACKED_UP:
            self._back_up()
        return LedgerEntry(kind, run_id, time, data, link.head, link.line)

    @contextmanager
    def locked(self, purpose: str) -> Generator[None]:
        """Lock the ledger, so that no line is added between a check and its decision.

        Only this thread can append within the block, and only by this object.
        """
        if getattr(self._held, "is_locked", False):
            yield
            return
        make_private_folder(self.file.parent)
        with FileLock(self._lock_file).acquire(wait=PATIENCE_S, purpose=purpose):
            self._held.is_locked = True
            try:
                yield
            finally:
                self._held.is_locked = False

    def entries(self, run_id: str = "") -> Iterator[LedgerEntry]:
        """Yield the lines of a run, each with a valid seal, or all lines of a verified ledger."""
        if self._is_new():
            return
        key = self._key()
        if run_id:
            self._end(key)
            yield from self._lines_of(run_id, key)
            return
        self._expected(key)
        found: list[LedgerEntry] = []
        check = self.verify(lambda line, raw: found.append(_entry(line, raw)))
        require_intact(check, str(self.file))
        yield from found

    def audited(self) -> Iterator[LedgerEntry]:
        """Yield all lines of a ledger that `verify` found intact, even without the key."""
        key = self._key_file.read_bytes() if self._key_file.exists() else None
        for line in read_lines(self.file) if self.file.exists() else ():
            yield self._read(line.content, key)

    def mentioning(self, text: str) -> Iterator[LedgerEntry]:
        """Yield the lines that contain a text as a JSON value, each with a valid seal."""
        if not self._is_new():
            key = self._key()
            self._end(key)
            yield from self._lines(None, canonical_json(text).encode(), key)

    def last(self) -> LedgerEntry | None:
        """Return the last line, which is verified; None for an empty ledger."""
        return None if self._is_new() else self._end(self._key())[1]

    def latest_ahead(self) -> datetime | None:
        """Return the latest time that a correction of the clock found; None without one."""
        if self._is_new():
            return None
        key = self._key()
        return self._latest_ahead(self._end(key)[0], key)

    def _latest_ahead(self, head: LedgerHead, key: bytes) -> datetime | None:
        if not head.corrections:
            return None
        with closing(open_regular(self.file)) as file:
            file.seek(head.corrections[-1])
            entry = self._read(file.readline().removesuffix(b"\n"), key)
        return datetime.fromisoformat(str(entry.data["ahead"]))

    def head(self) -> ChainHead:
        """Return the head after the last line, which is verified."""
        return GENESIS if self._is_new() else self._end(self._key())[0].chain

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

    def require_intact(self) -> None:
        """Refuse a ledger with a corrupt or missing line, naming the first one."""
        if not self._is_new():
            self._expected(self._key())
            require_intact(self.verify(), str(self.file))

    def verify(self, keep: Keep | None = None) -> ChainCheck:
        """Check the chain, the seals and the end; without the key, only count the seals."""
        if self._is_new():
            return ChainCheck(GENESIS, None)
        key = self._key_file.read_bytes() if self._key_file.exists() else None
        # The head first: the ledger may grow meanwhile, and must not seem too short.
        expected = read_head(self._head_file, key).chain
        lines = (one.content for one in read_lines(self.file)) if self.file.exists() else ()
        return verify(lines, expected=expected, key=key, keep=keep)

    def _end(self, key: bytes) -> tuple[LedgerHead, LedgerEntry | None]:
        """Return the last line, after verifying it and the lines that the head does not know."""
        head, last = self._expected(key), None
        if not self.file.exists():
            return head, None
        try:
            lines = list(read_lines(self.file, offset=head.offset))
        except FileError:
            # No line begins there. Verify from the start: that names the corrupt line.
            self.require_intact()
            raise
        check = verify(
            (one.content for one in lines), start=head.before, expected=head.chain, key=key
        )
        if check.flaw:
            self.require_intact()
            require_intact(check, f"{self.file} from byte {head.offset}")
        for line in lines:
            last = self._read(line.content, key)
            if last.head.seq > head.chain.seq:
                head = head.after(line.offset, last.head, last.kind)
        return head, last

    def _lines_of(self, run_id: str, key: bytes) -> Iterator[LedgerEntry]:
        """Yield the lines of a run; a run that was dated ahead goes on after a correction."""
        begun = time_of(run_id) if is_run_id(run_id) else None
        wanted = canonical_json({"run_id": run_id}).strip("{}").encode()
        corrections = self._end(key)[0].corrections if begun else ()
        for begin, end in pairwise((0, *corrections, None)):
            for entry in self._lines(begun, wanted, key, begin=begin or 0, end=end):
                if entry.run_id == run_id:
                    begun = None
                    yield entry

    def _lines(
        self,
        since: datetime | None,
        wanted: bytes,
        key: bytes,
        *,
        begin: int = 0,
        end: int | None = None,
    ) -> Iterator[LedgerEntry]:
        """Yield the lines from a time on that contain some bytes, in a part of the ledger."""
        if not self.file.exists():
            return
        with closing(open_regular(self.file)) as file:
            end = os.fstat(file.fileno()).st_size if end is None else end
            file.seek(begin if since is None else self._offset_of(since, file, key, begin, end))
            while file.tell() < end:
                line = file.readline()
                if wanted in line and line.endswith(b"\n"):
                    yield self._read(line[:-1], key)

    def _offset_of(
        self, moment: datetime, file: BufferedReader, key: bytes, low: int, high: int
    ) -> int:
        """Return the offset of the first line from a time on, by binary search in a part."""
        first = low
        while low < high:
            middle = (low + high) // 2
            file.seek(max(first, middle - 1))
            if middle > first:
                file.readline()
            begin = file.tell()
            line = file.readline()
            if begin < high and line.endswith(b"\n") and self._read(line[:-1], key).when < moment:
                low = begin + len(line)
            else:
                high = middle
        return low

    def _read(self, line: bytes, key: bytes | None) -> LedgerEntry:
        """Return a line, after checking its own hash and seal."""
        parsed = parse_intact(line, key=key)
        if parsed is None:
            # Verify from the start, which names the first corrupt line.
            self.require_intact()
            raise ChainBroken(f"{self.file} changed while it was read", hint="try again")
        return _entry(parsed, line)

    def _back_up(self) -> None:
        """Append the new lines to the copy of the ledger, so that its older lines never change.

        The copy of another ledger, such as a truncated one, is kept under another name.
        """
        make_private_folder(self._backup)
        copy = self._backup / LEDGER_FILE
        with closing(open_regular(self.file)) as ledger:
            done = _common(ledger, copy)
            if done is None:
                copy.replace(copy.with_name(f"ledger.until-{copy.stat().st_mtime_ns}.jsonl"))
            ledger.seek(done or 0)
            copy.touch(OWNER_ONLY)
            with copy.open("ab") as out:
                copyfileobj(ledger, out)
                out.flush()
                os.fsync(out.fileno())
        write_whole(self._backup / HEAD_FILE, self._head_file.read_bytes(), mode=OWNER_ONLY)

    def _expected(self, key: bytes) -> LedgerHead:
        expected = read_head(self._head_file, key)
        if expected != LedgerHead() and not self.file.exists():
            raise ChainBroken(f"missing ledger {self.file}", hint="restore it from a backup")
        return expected

    def _is_new(self) -> bool:
        """Return whether the ledger has no line, even if a first writer died after the head."""
        if self.file.exists() or self._key_file.exists():
            return False
        return not self._head_file.exists() or read_head(self._head_file, None) == LedgerHead()

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
            write_head(self._head_file, LedgerHead(), key)
            write_whole(self._key_file, key, mode=OWNER_ONLY)
        return self._key()


_COMPARED = 1 << 16
"""The bytes that are compared at the end of a copy, which contain the hash of all lines before."""


def _common(ledger: BufferedReader, copy: Path) -> int | None:
    """Return the size of a copy if the ledger begins with it, otherwise None."""
    if not copy.exists():
        return 0
    with closing(open_regular(copy)) as file:
        size = os.fstat(file.fileno()).st_size
        begin = max(0, size - _COMPARED)
        file.seek(begin)
        ledger.seek(begin)
        return size if ledger.read(size - begin) == file.read() else None


def _in_order(
    now: datetime, last: LedgerEntry | None, run_id: str, ahead: datetime | None
) -> datetime:
    """Return the time of a new line: now, and not before the last line and the run.

    Refuse a clock that was set back. A short time before is allowed: another writer may have been
    faster. A run up to the time `ahead` may be from before a correction of the clock.
    """
    times = [last.when] if last else []
    begun = time_of(run_id) if is_run_id(run_id) else None
    times += [begun] if begun and not (ahead and now < begun <= ahead) else []
    earliest = max(times, default=now)
    if now < earliest - LONGEST_DELAY:
        name = "the last record of the ledger" if last and last.when == earliest else run_id
        shown = earliest.astimezone(UTC).isoformat(timespec="seconds")
        raise ClockSetBack(
            f"the clock says {now.astimezone(UTC).isoformat(timespec='seconds')}, "
            f"but {name} is from {shown}"
        )
    return max(now, earliest)


def _entry(parsed: ParsedLine, line: bytes) -> LedgerEntry:
    match parsed.record:
        case {"kind": str(kind), "run_id": str(run_id), "time": str(time), "data": dict(data)}:
            return LedgerEntry(kind, run_id, time, data, parsed.head, line.decode())
        case _:
            raise TypeError("unknown format of a verified ledger line")
