"""The rows of the index: their tables, and how they are brought up to date."""

import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, FileError, VerificationError
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, ChainHead
from attractor.base.journal import read_lines
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.base.locks import FileLock
from attractor.base.records import write_record
from attractor.engine.journal.checkpoint import RestoredState
from attractor.engine.run_folder.layout import RunDirectory, is_executed
from attractor.engine.state.run_state import StatusWord
from attractor.engine.storage.json_files import Fields
from attractor.factory.ledger.ledger import LineKind
from attractor.pipeline.status import plain_status
from attractor.records.diagnosis.causes import NO_ATTEMPT, FailedAttempt, cause_of_run
from attractor.records.lookup import (
    RACY_S,
    KnownStates,
    failed_rules,
    is_run,
    mark_of,
    unsorted_run_names,
)
from attractor.records.summary import RunOverview, summarize_any

BATCH = 200
"""The runs or lines that are written while other processes wait."""

UNFINISHED_S = 60.0
"""A directory without a manifest may become a run for so long."""

OnProgress = Callable[[int, int], None]
"""Type of a function that is called with the number of runs read so far, and of all to read."""


_SCHEMA = """
CREATE TABLE runs (
    directory TEXT PRIMARY KEY, folder TEXT NOT NULL, run_id TEXT NOT NULL,
    pipeline TEXT NOT NULL, status TEXT NOT NULL, outcome TEXT NOT NULL, started TEXT NOT NULL,
    is_resting INTEGER NOT NULL, is_settled INTEGER NOT NULL, is_unsure INTEGER NOT NULL,
    signature TEXT NOT NULL, summary TEXT NOT NULL
);
CREATE INDEX runs_by_status ON runs (folder, status, directory);
CREATE INDEX runs_by_outcome ON runs (folder, outcome, directory);
CREATE INDEX runs_by_folder ON runs (folder, directory);
CREATE INDEX runs_unsure ON runs (folder) WHERE is_unsure;
CREATE INDEX runs_by_id ON runs (run_id);
CREATE TRIGGER changed_by_hand AFTER UPDATE ON runs WHEN new.signature <> '' BEGIN
    UPDATE runs SET signature = '', is_settled = 0, is_unsure = 1 WHERE directory = new.directory;
END;
CREATE TRIGGER removed_by_hand AFTER DELETE ON runs BEGIN
    UPDATE folders SET changed = 0 WHERE folder = old.folder;
END;
CREATE TABLE folders (folder TEXT PRIMARY KEY, changed INTEGER NOT NULL);
CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, end INTEGER NOT NULL,
    kind TEXT NOT NULL, run_id TEXT NOT NULL, time TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX ledger_by_run ON ledger (run_id);
CREATE INDEX ledger_by_time ON ledger (time);
"""


_ECONOMICS = """
ALTER TABLE runs ADD COLUMN models TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN wall_seconds REAL NOT NULL DEFAULT 0;
UPDATE runs SET models = '';
"""

_FILTERS_AND_COSTS = """
ALTER TABLE runs ADD COLUMN suite TEXT AS (json_extract(summary, '$.suite'));
ALTER TABLE runs ADD COLUMN cost_usd REAL AS (json_extract(summary, '$.cost_usd'));
ALTER TABLE runs ADD COLUMN tokens INTEGER AS (
    json_extract(summary, '$.input_tokens') + json_extract(summary, '$.output_tokens')
);
ALTER TABLE runs ADD COLUMN parent TEXT AS (json_extract(summary, '$.parent'));
CREATE INDEX runs_linked ON runs (folder, started) WHERE parent <> '';
CREATE INDEX ledger_by_kind ON ledger (kind, seq);
CREATE INDEX runs_unsettled ON runs (folder, directory) WHERE NOT is_settled;
CREATE INDEX runs_by_suite ON runs (folder, suite, directory);
CREATE INDEX runs_by_pipeline ON runs (folder, pipeline, directory);
CREATE INDEX runs_by_start ON runs (folder, started, pipeline, models, run_id, cost_usd, tokens);
"""

_SEARCH = """
ALTER TABLE runs ADD COLUMN search TEXT NOT NULL DEFAULT '';
UPDATE runs SET models = '';
"""

_CAUSES = """
ALTER TABLE runs ADD COLUMN cause TEXT NOT NULL DEFAULT '';
CREATE INDEX runs_by_cause ON runs (folder, cause) WHERE cause <> '';
UPDATE runs SET models = '';
"""

_UNPRICED = """
ALTER TABLE runs ADD COLUMN unpriced INTEGER AS (
    ifnull(json_extract(summary, '$.unpriced_tokens'), 0)
);
DROP INDEX runs_by_start;
CREATE INDEX runs_by_start
    ON runs (folder, started, pipeline, models, run_id, cost_usd, tokens, unpriced);
"""

_READ_ON = """
ALTER TABLE runs ADD COLUMN followed TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN read_on TEXT NOT NULL DEFAULT '';
"""

_STEPS: Mapping[str, str] = {
    "runs_and_ledger": _SCHEMA,
    "economics": _ECONOMICS,
    # Read all runs again: their summaries have a new field.
    "rolled_back": "UPDATE runs SET models = '';\n",
    "filters_and_costs": _FILTERS_AND_COSTS,
    "landed_on": "UPDATE runs SET models = '';\n",
    "actor": "UPDATE runs SET models = '';\n",
    "pausing": "UPDATE runs SET models = '';\n",
    "search": _SEARCH,
    "causes": _CAUSES,
    "unpriced": _UNPRICED,
    "about": "UPDATE runs SET models = '';\n",
    "read_on": _READ_ON,
    "place": "UPDATE runs SET models = '';\n",
}
"""The migrations, by name: a new one is added at the end."""


_APPLIED = "_sqlite_migrations"
_TABLE_OF_STEPS = f"""
CREATE TABLE IF NOT EXISTS {_APPLIED} (
    id INTEGER PRIMARY KEY, migration_set TEXT, name TEXT, applied_at TEXT,
    UNIQUE (migration_set, name)
);
"""


def pending_steps(db: sqlite3.Connection) -> Sequence[str] | None:
    """Return the migrations that a database needs; None if another version made it."""
    sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = {name for (name,) in db.execute(sql)}
    sql = f"SELECT name FROM {_APPLIED} WHERE migration_set = 'attractor'"
    applied = {name for (name,) in db.execute(sql)} if _APPLIED in tables else set[str]()
    if not applied <= set(_STEPS) or (tables and not applied):
        return None
    return [name for name in _STEPS if name not in applied]


def apply_steps(db: sqlite3.Connection, names: Iterable[str]) -> None:
    """Change the tables, in a transaction for each migration."""
    for name in names:
        values = f"('attractor', '{name}', datetime('now'))"
        noted = f"INSERT INTO {_APPLIED} (migration_set, name, applied_at) VALUES {values};"
        db.executescript(f"BEGIN;{_TABLE_OF_STEPS}{_STEPS[name]}{noted}COMMIT;")


def insert_row(db: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    """Insert a row, or replace it: triggers on removed rows do not see that."""
    names, places = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})", [*row.values()])


class IndexUpdate:
    """Brings an index up to date, in short transactions.

    One process at a time has a transaction, in which it compares what it has read with the files
    once more. Therefore no process overwrites the newer rows of another process.
    """

    def __init__(self, db: sqlite3.Connection, ledger: Path, on_progress: OnProgress) -> None:
        self._db = db
        self._ledger = ledger
        self._on_progress = on_progress
        self._has_restarted = False

    def update(self, folder: Path) -> None:
        """Read new lines of the ledger, new and removed runs of a folder, and changed runs."""
        while self._add_lines():
            pass
        self._compare(folder)
        self.refresh("folder = ? AND is_unsure", [str(folder)])

    def refresh(self, selected: str, values: Sequence[object]) -> None:
        """Read again the runs among selected rows that differ from their files.

        `selected` is what follows WHERE in a statement, with its values.
        """
        sql = f"SELECT directory, signature, followed FROM runs WHERE {selected}"
        changed = [
            Path(directory)
            for directory, signature, followed in self._db.execute(sql, values)
            if not signature
            or signature != _signature(directory, followed.split("\n") if followed else ())
        ]
        self._reread(changed)

    def count_unread(self, folder: Path) -> int:
        """Return the number of runs of a folder to read: new ones, and those of another version."""
        read = "SELECT count(*) FROM runs WHERE signature <> '' AND folder = ?"
        [[count]] = self._db.execute(read, [str(folder)])
        # The file of the project, and runs that are being made, begin with a dot.
        return sum(not name.startswith(".") for name in unsorted_run_names(folder)) - count

    def _add_lines(self) -> bool:
        """Add some lines of the ledger, and read their runs; return whether there may be more."""
        size = self._ledger.stat().st_size if self._ledger.exists() else 0
        if size == self._last_line()[1]:
            return False
        with self._writing():
            head, end = self._last_line()
            try:
                found = read_lines(self._ledger, offset=end) if size >= end else iter(())
                lines = list(islice(found, BATCH))
                rows = [_ledger_row(line.content, line.end) for line in lines]
            except FileError:
                rows = []
            if size < end or (rows and rows[0]["prev"] != head.hash):
                if self._has_restarted or not end:
                    raise VerificationError(
                        f"{self._ledger} is corrupt: a line does not follow the previous line",
                        hint="find it: attractor audit verify",
                    )
                self._has_restarted = True
                self._db.execute("DELETE FROM ledger")
                return size > 0
            for row in rows:
                insert_row(self._db, "ledger", {name: row[name] for name in row if name != "prev"})
                # The run is read again when its folder is asked for.
                sql = "UPDATE runs SET signature = '', is_settled = 0, is_unsure = 1"
                self._db.execute(f"{sql} WHERE run_id = ? AND run_id <> ''", [row["run_id"]])
        return bool(rows)

    def _last_line(self) -> tuple[ChainHead, int]:
        sql = "SELECT seq, hash, end FROM ledger ORDER BY seq DESC LIMIT 1"
        for seq, digest, end in self._db.execute(sql):
            return ChainHead(seq, digest), end
        return GENESIS, 0

    def _compare(self, folder: Path) -> None:
        """Read the new runs of a folder, and forget the removed ones, if its time changed."""
        now = time.time()
        changed = folder.stat().st_mtime_ns if folder.is_dir() else 0
        sql = "SELECT changed FROM folders WHERE folder = ?"
        if [(changed,)] == self._db.execute(sql, [str(folder)]).fetchall():
            return
        # One text with all names: a hundred thousand rows or paths are slow.
        sql = "SELECT group_concat(substr(directory, ?), '/') FROM runs WHERE folder = ?"
        values = [len(str(folder / "_")), str(folder)]
        names = unsorted_run_names(folder)
        [[listed]] = self._db.execute(sql, values)
        known = set[str](listed.split("/")) if listed else set[str]()
        unknown = [name for name in names if name not in known]
        new = [folder / one for one in sorted(unknown, reverse=True)]
        found = [one for one in new if is_run(RunDirectory(one))]
        # Usually none is removed, and the names need not be compared a second time.
        is_any_removed = len(names) - len(unknown) < len(known)
        removed = [folder / one for one in known.difference(names)] if is_any_removed else []
        self._reread([*removed, *found])
        is_quiet = changed / 1e9 < now - RACY_S and not any(
            _is_unfinished(one, now) for one in set(new) - set(found)
        )
        with self._writing():
            row: dict[str, object] = {"folder": str(folder), "changed": changed if is_quiet else 0}
            insert_row(self._db, "folders", row)

    def _reread(self, directories: Sequence[Path]) -> None:
        for begin in range(0, len(directories), BATCH):
            # Before the transaction, because other processes wait for its end.
            found = [self._read(one) for one in directories[begin : begin + BATCH]]
            with self._writing():
                for one in found:
                    self._write(one if one.is_current else _read_run(one))
            self._on_progress(min(begin + BATCH, len(directories)), len(directories))

    def _read(self, directory: Path) -> "_ReadRun":
        """Read a run; if it was live when it was read last, only its new lines."""
        sql = "SELECT read_on FROM runs WHERE directory = ? AND signature <> '' AND read_on <> ''"
        known = _ReadRun(directory)
        # A run that a process has left is read as a whole.
        rows = (
            self._db.execute(sql, [str(directory)]) if is_executed(RunDirectory(directory)) else ()
        )
        # Another version may have written the record of a state.
        with suppress(AttractorError):
            for (text,) in rows:
                known = known.known_from(Fields(parse_row(text), "row of the index"))
        return _read_run(known)

    def _write(self, read: "_ReadRun") -> None:
        """Write the row of a run, or remove that of a removed run."""
        one = read.overview
        if one is None:
            self._db.execute("DELETE FROM runs WHERE directory = ?", [str(read.directory)])
            return
        sql = "SELECT count(*) FROM ledger WHERE run_id = ? AND kind IN (?, ?)"
        [[ends]] = self._db.execute(sql, [one.run_id, LineKind.DECIDED, LineKind.ENDED])
        walk = read.walk
        cause = cause_of_run(one, walk.failed, partial(failed_rules, read.directory))
        seconds = (walk.ended - one.started).total_seconds() if walk.ended else 0.0
        row = {
            **row_of(one, signature=read.signature, has_end=bool(ends)),
            "models": " + ".join(sorted(walk.models)),
            "wall_seconds": max(0.0, seconds),
            "cause": canonical_json(write_record(cause)) if cause else "",
            "followed": "\n".join(read.followed),
            "read_on": read.known,
        }
        insert_row(self._db, "runs", row)

    @contextmanager
    def _writing(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.rollback()
            raise
        self._db.commit()


def row_of(one: RunOverview, *, signature: str = "", has_end: bool = False) -> dict[str, object]:
    """Return the row of a run; `has_end` if the ledger has a line about the run's end."""
    # A process may have died between the line of the ledger and the status.
    is_resting = one.is_resting and not has_end
    may_change = one.is_live or bool(one.trouble) or not (one.is_final or is_resting)
    return {
        "directory": str(one.directory),
        "folder": str(one.directory.parent),
        "run_id": one.run_id,
        "pipeline": one.pipeline,
        "status": one.status,
        "outcome": one.outcome,
        "started": one.started.astimezone(UTC).isoformat(),
        "is_resting": one.is_resting,
        "is_settled": one.is_final and one.status != StatusWord.APPROVED and not may_change,
        "is_unsure": may_change,
        "signature": signature,
        "summary": canonical_json(one.to_record()),
        "search": "\n".join(_searched(one)).casefold(),
    }


def _searched(one: RunOverview) -> Iterator[str]:
    """Yield the texts in which words of a query are searched."""
    yield from (one.about, one.goal, one.pipeline, one.run_id, one.directory.name)
    yield from (f"{plain_status(one)}", one.status, one.reason, one.why_stopped)
    yield from (one.promoted_to, one.landed_on)


@dataclass(frozen=True)
class _Walk:
    """The models of a run, the time of the last event of a stage, and the last failure."""

    models: tuple[str, ...] = ()
    ended: datetime | None = None
    failed: FailedAttempt = NO_ATTEMPT


@dataclass(frozen=True)
class _ReadRun:
    """A run as it was read, without an overview if it is removed.

    `states` are those from which its journal and those of its children are read on; `followed` are
    the folders of the children in flight.
    """

    directory: Path
    overview: RunOverview | None = None
    signature: str = ""
    walk: _Walk = _Walk()
    states: Mapping[str, RestoredState] = field(default_factory=dict[str, RestoredState])
    followed: Sequence[str] = ()

    @property
    def is_current(self) -> bool:
        """Whether the files are still as they were."""
        return self.signature == _signature(self.directory, self.followed)

    @property
    def known(self) -> str:
        """What a live run is read on from, as a text; "" of another run."""
        if not (self.overview and self.overview.is_live):
            return ""
        states: dict[str, Json] = {place: one.to_record() for place, one in self.states.items()}
        known: dict[str, Json] = {"followed": [*self.followed], "states": states}
        return canonical_json({**known, "walk": write_record(self.walk)})

    def known_from(self, fields: Fields) -> "_ReadRun":
        """Return the run with what it is read on from."""
        states = fields.inner("states")
        return replace(
            self,
            walk=fields.inner("walk").record(_Walk),
            states={one: RestoredState.from_record(states.inner(one)) for one in states.all()},
            followed=fields.texts("followed"),
        )


def _read_run(known: _ReadRun) -> _ReadRun:
    """Read a run, from what is known of it."""
    directory = RunDirectory(known.directory)
    if not is_run(directory):
        return _ReadRun(known.directory)
    # Before the summary: a later change must be noticed.
    signature = _signature(known.directory, known.followed)
    journals = KnownStates(known.states)
    one = summarize_any(known.directory, journals)
    walk, followed = _read_walk(directory, known.walk, journals), tuple(journals.followed)
    read = _ReadRun(known.directory, one, signature, walk, journals.states, followed)
    # Which children belong to the run is known after reading it, and they may have changed since.
    return read if read.followed == tuple(known.followed) else _read_run(read)


def _read_walk(directory: RunDirectory, known: _Walk, journals: KnownStates) -> _Walk:
    """Read the walk of a run, up to the line to which its state was read.

    Most lines are not parsed: a journal of 10 MB takes 20 ms.
    """
    place = str(directory.root)
    state, before = journals.states.get(place), journals.before.get(place)
    models, last, failed = {*(known.models if before else ())}, b"", b""
    walk = known if before else _Walk()
    with suppress(AttractorError):
        offset = before.last if before else 0
        for line in (
            read_lines(directory.events, offset=offset) if directory.events.exists() else ()
        ):
            if state and line.offset > state.last:
                break
            last = line.content if b'"node":"' in line.content else last
            failed = line.content if b'"type":"StageFailed"' in line.content else failed
            if b'"type":"SESSION_START"' in line.content:
                event = Event.from_record(dict(parse_row(line.content)))
                models.add(f"{event.data.get('provider')}/{event.data.get('model')}")
        if failed:
            event = Event.from_record(dict(parse_row(failed)))
            attempt = FailedAttempt(event.node or "", str(event.data.get("failure_class", "")))
            walk = replace(walk, failed=attempt)
        if last:
            walk = replace(walk, ended=Event.from_record(dict(parse_row(last))).time)
    return replace(walk, models=tuple(sorted(models)))


_NAMES = RunDirectory(Path())
_OF_CHILD = (_NAMES.events, _NAMES.manifest, _NAMES.checkpoint)
_OF_RUN = (_NAMES.events, _NAMES.run, *_OF_CHILD[1:], _NAMES.elsewhere)


def _signature(root: Path | str, followed: Iterable[str]) -> str:
    """Return a text that changes when a run changes, or when a process begins or ends it.

    The usage of a run includes that of the children in flight, which have journals of their own:
    live runs could not be compared without them.
    """
    # As texts: a path object for each file took most of the time of a list of open runs.
    files = [f"{root}/{name}" for name in _OF_RUN]
    files += [f"{child}/{name}" for child in followed for name in _OF_CHILD]
    marks = [*map(mark_of, files)]
    is_live = FileLock.is_held(f"{root}/{_NAMES.lock}")
    if marks[len(_OF_RUN) - 1] and not is_live:
        is_live = is_executed(RunDirectory(Path(root)))
    return " ".join(filter(None, ["live" if is_live else "", *marks]))


def _is_unfinished(directory: Path, now: float) -> bool:
    """Return whether a process may just be making the directory of a run."""
    with suppress(OSError):
        return directory.is_dir() and directory.stat().st_mtime > now - UNFINISHED_S
    return False


def _ledger_row(line: bytes, end: int) -> dict[str, object]:
    record = parse_row(line)
    texts = {one: record[one] for one in ("seq", "hash", "prev", "kind", "run_id", "time")}
    return {**texts, "data": canonical_json(record["data"]), "end": end}


@lru_cache(maxsize=1024)
def parse_overview(summary: str) -> RunOverview:
    """Return a run from its summary; a server asks for the same open runs again and again."""
    return RunOverview.from_record(parse_row(summary))


def parse_row(text: str | bytes) -> JsonObject:
    """Return a JSON object of the index, or of a line of the ledger."""
    record = parse_json(text)
    if not isinstance(record, dict):
        raise VerificationError("invalid line", hint="find it: attractor audit verify")
    return record
