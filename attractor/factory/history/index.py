"""The index: a SQLite database over the run directories and the ledger, for lists and reports.

Nothing is decided by the index: verdicts come from journals and the ledger, and everything in the
index can be built again from them. Processes that run something do not write to it. A reader first
brings it up to date: with the new lines of the ledger, which announce every end of a run; with new
and removed run directories, which the time of their folder announces; and with the runs that may
have changed, whose files are compared. A change by hand marks its row as unsettled, so that the row
is read again.

Without the index, a list of 100,000 runs takes some minutes; with it, a quarter of a second.
"""

import re
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from threading import Lock, Thread
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, FileError, MachineryError, VerificationError
from attractor.base.events import Event
from attractor.base.files import make_private_folder
from attractor.base.hash_chain import GENESIS, ChainHead
from attractor.base.journal import read_lines
from attractor.base.json import JsonObject, canonical_json, parse_json
from attractor.base.locks import FileLock
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, is_held
from attractor.engine.state.run_state import StatusWord
from attractor.factory.ledger.ledger import LEDGER_FILE, LineKind, read_format
from attractor.pipeline.status import MARKS, PlainWord, is_found_by, plain_status
from attractor.records.lookup import is_run, unsorted_run_names
from attractor.records.summary import NOT_JUDGED, RunOverview, summarize_any

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

INDEX_FILE = "index.sqlite3"
PATIENCE_S = 60.0
MOST_TYPICAL = 10
"""The number of runs whose time is typical of a pipeline."""

BATCH = 200
"""The runs or lines that are written while other processes wait."""

RACY_S = 2.0
"""A folder that changed so recently may change again without another time."""

UNFINISHED_S = 60.0
"""A directory without a manifest may become a run for so long."""

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
}
"""The migrations, by name: a new one is added at the end."""


def _migrations() -> "Migrations":
    # Imported here, because most commands do not use the index.
    from sqlite_utils import Migrations

    steps = Migrations("attractor")
    for name, schema in _STEPS.items():

        def apply(db: "Database", schema: str = schema) -> None:
            for statement in _statements(schema):
                db.conn.execute(statement)

        steps(name=name)(apply)
    return steps


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; `executescript` would commit the transaction."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@dataclass(frozen=True)
class RunQuery:
    """The runs to list: all, newest first, by default.

    `status` is a status, an outcome, or the status in a list such as `running (paused)`. Runs
    without a suite that could be decided are not found by their status, because they need no
    decision. `suite` is `NAME` or `NAME@VERSION`. `goal` is a text in the goal, in any case.
    `words` are words that each occur in the goal, pipeline, name, status, reason or branch.
    `before` is the name of a run's directory: only older runs are listed. With `is_live`, only runs
    that a process holds are listed.
    """

    status: str = ""
    pipeline: str = ""
    suite: str = ""
    goal: str = ""
    words: str = ""
    since: str = ""
    before: str = ""
    is_live: bool = False
    limit: int = -1

    @property
    def is_indexed(self) -> bool:
        """Whether the database alone finds the runs."""
        return not self.is_live and (not self.status or self.status in _FILTERS)

    def finds(self, one: RunOverview) -> bool:
        """Return whether the query finds a run that the database selected."""
        is_found = not self.status or is_found_by(self.status, one)
        return is_found and (one.is_live or not self.is_live)

    def where(self, folder: Path) -> tuple[str, list[object]]:
        """Return the SQL condition, and its values."""
        conditions, values = ["folder = ?"], [str(folder)]
        if self.status in _STATUSES:
            conditions.append("status = ? AND NOT is_resting")
            values.append(self.status)
        elif self.status == NOT_JUDGED:
            conditions.append("is_resting")
        elif self.status in _FILTERS:
            conditions.append("outcome = ?")
            values.append(self.status)
        elif self.status:
            # The status of a settled run is one word, which the database finds; a run that has
            # ended or rests is neither at work nor stopped.
            goes_on = re.split(r" \(|, ", self.status)[0] in _OF_OPEN_RUNS
            conditions.append("is_unsure" if goes_on else "NOT is_settled")
        if self.is_live:
            conditions.append("is_unsure AND NOT is_settled")
        if self.suite:
            # A run pins NAME@VERSION#HASH. The character after each mark ends its range.
            begin, end = ("#", "$") if "@" in self.suite else ("@", "A")
            conditions.append("suite >= ? AND suite < ?")
            values += [f"{self.suite}{begin}", f"{self.suite}{end}"]
        simple = {
            "pipeline = ?": self.pipeline,
            "started >= ?": self.since,
            "instr(casefold(json_extract(summary, '$.goal')), casefold(?))": self.goal,
            "directory < ?": self.before and str(folder / self.before),
        }
        conditions += [condition for condition, value in simple.items() if value]
        values += filter(None, simple.values())
        words = self.words.casefold().split()
        conditions += ["instr(search, ?)"] * len(words)
        return " AND ".join(conditions), [*values, *words]


@dataclass(frozen=True)
class LedgerLine:
    """A line of the ledger, as the index has it; `attractor audit verify` verifies the ledger."""

    seq: int
    hash: str
    kind: str
    run_id: str
    time: str
    data: JsonObject

    @property
    def moment(self) -> datetime:
        """The time of the line."""
        return datetime.fromisoformat(self.time)


@dataclass(frozen=True)
class LineQuery:
    """The lines of the ledger to list: of a project, and those that belong to no project."""

    project_id: str
    run_id: str = ""
    kind: str = ""
    before: int = 0
    limit: int = -1

    def where(self) -> tuple[str, list[object]]:
        """Return the SQL condition, and its values."""
        simple = {"run_id = ?": self.run_id, "kind = ?": self.kind, "seq < ?": self.before}
        conditions = [condition for condition, value in simple.items() if value]
        # A line about a run has no project; the first line of the run has it. The plus sign keeps
        # SQLite from searching all runs of all projects for each line.
        conditions.append(
            "ifnull(json_extract(data, '$.project'), ?) = ? AND (run_id = '' OR EXISTS ("
            "SELECT 1 FROM ledger AS first WHERE first.run_id = line.run_id "
            "AND +first.kind = 'created' AND json_extract(first.data, '$.project') = ?))"
        )
        return " AND ".join(conditions), [*filter(None, simple.values()), *[self.project_id] * 3]


_STATUSES = frozenset(one.value for one in StatusWord)
_FILTERS = _STATUSES | {status.value for status in StageStatus} | {NOT_JUDGED}
"""The words that the database can find runs by."""

_OF_OPEN_RUNS = frozenset({PlainWord.RUNNING, PlainWord.NEEDS_YOU, *MARKS})
"""The words for runs that go on or wait, of which there are few."""

OnProgress = Callable[[int, int], None]
"""Type of a function that is called with the number of runs read so far, and of all to read."""


@dataclass(frozen=True)
class Progress:
    """The number of runs that a thread has read so far, and of all that it reads."""

    done: int
    of: int


class RunIndex:
    """The index of a state folder."""

    def __init__(self, state_dir: Path, *, on_progress: OnProgress = lambda done, of: None) -> None:
        self.file = state_dir / INDEX_FILE
        self._ledger = state_dir / LEDGER_FILE
        self._lock = FileLock(state_dir / "index.lock")
        self._on_progress = on_progress
        self._guard = Lock()
        self._progress: dict[Path, Progress | None] = {}

    def catch_up(self, folder: Path) -> Progress | None:
        """Return how far a thread has read a folder with many new runs; start it if need be.

        Return None if the thread has ended, or if there are so few that any reader reads them.
        """
        with self._guard:
            if folder not in self._progress:
                with self._opened() as db:
                    unread = OpenIndex(db, self._ledger, self._on_progress).count_unread(folder)
                self._progress[folder] = Progress(0, unread) if unread > BATCH else None
                if unread > BATCH:
                    Thread(target=self._catch_up, args=(folder,), daemon=True).start()
            return self._progress[folder]

    def catch_up_all(self, folders: Iterable[Path]) -> Progress | None:
        """Return how far a thread has read one of several folders, the first with new runs."""
        return next(filter(None, map(self.catch_up, folders)), None)

    def _catch_up(self, folder: Path) -> None:
        def note(done: int, of: int) -> None:
            self._progress[folder] = Progress(done, of)

        try:
            # The next reader reads the rest, and raises the error.
            with suppress(AttractorError), self._opened() as db:
                OpenIndex(db, self._ledger, note).update(folder)
        finally:
            self._progress[folder] = None

    def known(self, folders: Iterable[Path], query: RunQuery) -> list[RunOverview]:
        """Return the runs in several folders that the index has and a query finds, newest first.

        The index is not brought up to date.
        """
        with self.opened() as index:
            if query.is_indexed:
                found = [run for folder in folders for run in index.known(folder, query)]
            else:
                every = replace(query, limit=-1)
                known = (run for folder in folders for run in index.known(folder, every))
                found = [run for run in known if query.finds(run)]
        return _newest(found, query)

    def runs(self, folder: Path, query: RunQuery) -> list[RunOverview]:
        """Return the runs in a folder that a query finds, newest first."""
        with self.opened() as index:
            return index.runs(folder, query)

    def everywhere(self, folders: Iterable[Path], query: RunQuery) -> list[RunOverview]:
        """Return the runs in several folders that a query finds, newest first."""
        with self.opened() as index:
            found = [run for folder in folders for run in index.runs(folder, query)]
        return _newest(found, query)

    @contextmanager
    def opened(self) -> Generator["OpenIndex"]:
        """Yield the index, to ask it several times."""
        with self._opened() as db:
            yield OpenIndex(db, self._ledger, self._on_progress)

    def newest(self, folder: Path) -> Mapping[str, RunOverview]:
        """Return the newest run of each pipeline in a folder, by the name of the pipeline."""
        with self._opened() as db:
            index = OpenIndex(db, self._ledger, self._on_progress)
            index.update(folder)
            return {run.pipeline: run for run in index.newest(folder)}

    def typical_seconds(self, folder: Path, pipeline: str) -> float:
        """Return the median time of the last successful runs of a pipeline; 0 without any."""
        sql = (
            "SELECT wall_seconds FROM runs WHERE folder = ? AND pipeline = ? "
            "AND outcome = 'success' ORDER BY directory DESC LIMIT ?"
        )
        is_behind = self.catch_up(folder) is not None
        with self._opened() if is_behind else self.reading(folder) as db:
            rows = db.conn.execute(sql, [str(folder), pipeline, MOST_TYPICAL]).fetchall()
        return float(median(seconds for (seconds,) in rows)) if rows else 0.0

    @contextmanager
    def reading(self, folder: Path) -> Generator["Database"]:
        """Yield the database, after bringing it up to date with a folder of runs."""
        with self._opened() as db:
            OpenIndex(db, self._ledger, self._on_progress).update(folder)
            yield db

    def lines(self, folder: Path, query: LineQuery) -> list[LedgerLine]:
        """Return the lines of the ledger that a query finds, newest first."""
        with self.reading(folder) as db:
            where, values = query.where()
            sql = f"SELECT seq, hash, kind, run_id, time, data FROM ledger AS line WHERE {where}"
            rows = db.conn.execute(f"{sql} ORDER BY seq DESC LIMIT ?", [*values, query.limit])
            return [
                LedgerLine(seq, digest, kind, run_id, when, _object(data))
                for seq, digest, kind, run_id, when, data in rows
            ]

    def rebuild(self, folder: Path) -> tuple[int, int]:
        """Build the index again; return the numbers of runs and of lines of the ledger."""
        with self._lock.acquire(wait=PATIENCE_S, purpose="attractor: index"):
            self._remove()
        with self.reading(folder) as db:
            [[runs]] = db.conn.execute("SELECT count(*) FROM runs")
            [[lines]] = db.conn.execute("SELECT count(*) FROM ledger")
        return runs, lines

    @contextmanager
    def _opened(self) -> Generator["Database"]:
        make_private_folder(self.file.parent)
        try:
            db = self._open()
            try:
                yield db
            finally:
                db.close()
        except sqlite3.Error as cause:
            raise MachineryError(
                f"cannot use the index {self.file}: {cause}",
                hint="free space and check permissions, or rebuild it: attractor audit reindex",
            ) from cause

    def _open(self) -> "Database":
        """Open the database; replace one that another version made, or that is no database."""
        # The index of a newer state folder stays.
        read_format(self.file.parent)
        steps, db = _migrations(), self._connect()
        if db and _is_known(db, steps) and not steps.pending(db):
            return db
        with closing(db) if db else nullcontext():
            pass
        with self._lock.acquire(wait=PATIENCE_S, purpose="attractor: index"):
            db = self._connect()
            if not (db and _is_known(db, steps)):
                with closing(db) if db else nullcontext():
                    self._remove()
                db = self._connect()
            if db is None:
                raise MachineryError(f"cannot make the index {self.file}", hint="try again")
            steps.apply(db)
            return db

    def _connect(self) -> "Database | None":
        """Open the file; return None if it is no database."""
        # Imported here, because most commands do not use the index.
        from sqlite_utils import Database

        connection = sqlite3.connect(self.file, timeout=PATIENCE_S)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # After a power failure, the index may be older, and is brought up to date.
            connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error as fault:
            connection.close()
            if type(fault) is sqlite3.DatabaseError:
                return None
            raise
        # SQLite's own `lower` knows ASCII only.
        connection.create_function("casefold", 1, str.casefold, deterministic=True)
        # A trigger on removed rows is not for rows that this module replaces.
        return Database(connection, execute_plugins=False, recursive_triggers=False)

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.file.with_name(f"{INDEX_FILE}{suffix}").unlink(missing_ok=True)


def _is_known(db: "Database", steps: "Migrations") -> bool:
    """Return whether a database is empty, or was made by the steps of this version."""
    applied = {one.name for one in steps.applied(db)}
    return applied <= set(_STEPS) and bool(applied or not db.table_names())


class OpenIndex:
    """Reads an index, and brings it up to date, in short transactions.

    One process at a time has a transaction, in which all that it writes is read. Therefore no
    process overwrites the newer rows of another process.
    """

    def __init__(self, db: "Database", ledger: Path, on_progress: OnProgress) -> None:
        self._db = db
        self._ledger = ledger
        self._on_progress = on_progress
        self._has_restarted = False

    def runs(self, folder: Path, query: RunQuery) -> list[RunOverview]:
        """Return the runs in a folder that a query finds, newest first."""
        self.update(folder)
        if query.is_indexed:
            return self.select(folder, query)
        found = (one for one in _in_parts(self, folder, query) if query.finds(one))
        return list(islice(found, query.limit if query.limit >= 0 else None))

    def update(self, folder: Path) -> None:
        """Read new lines of the ledger, new and removed runs of a folder, and changed runs."""
        while self._add_lines():
            pass
        self._compare(folder)
        self._reread(self._changed_among("folder = ? AND is_unsure", [str(folder)]))

    def select(self, folder: Path, query: RunQuery) -> list[RunOverview]:
        """Return the runs that a query finds, after comparing them with their files."""
        where, values = query.where(folder)
        order = "ORDER BY directory DESC LIMIT ?"
        unsettled = f"NOT is_settled AND {where} {order}"
        self._reread(self._changed_among(unsettled, [*values, query.limit]))
        sql = f"SELECT summary FROM runs WHERE {where} {order}"
        rows = self._db.conn.execute(sql, [*values, query.limit])
        return [RunOverview.from_record(_object(text)) for (text,) in rows]

    def known(self, folder: Path, query: RunQuery) -> list[RunOverview]:
        """Return the runs that a query finds among those that were read."""
        where, values = query.where(folder)
        sql = f"SELECT summary FROM runs WHERE signature <> '' AND {where}"
        order = "ORDER BY directory DESC LIMIT ?"
        rows = self._db.conn.execute(f"{sql} {order}", [*values, query.limit])
        return [RunOverview.from_record(_object(text)) for (text,) in rows]

    def count_unread(self, folder: Path) -> int:
        """Return the number of runs of a folder to read: new ones, and those of another version."""
        read = "SELECT count(*) FROM runs WHERE signature <> '' AND folder = ?"
        [[count]] = self._db.conn.execute(read, [str(folder)])
        # The file of the project, and runs that are being made, begin with a dot.
        return sum(not name.startswith(".") for name in unsorted_run_names(folder)) - count

    def newest(self, folder: Path) -> list[RunOverview]:
        """Return the newest run of each pipeline, after comparing them with their files."""
        of_each = "SELECT max(directory) FROM runs WHERE folder = ? GROUP BY pipeline"
        where, values = f"directory IN ({of_each})", [str(folder)]
        self._reread(self._changed_among(f"NOT is_settled AND {where}", values))
        rows = self._db.conn.execute(f"SELECT summary FROM runs WHERE {where}", values)
        return [RunOverview.from_record(_object(text)) for (text,) in rows]

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
                self._db.conn.execute("DELETE FROM ledger")
                return size > 0
            runs = {str(row["run_id"]) for row in rows}
            rows = [{name: row[name] for name in row if name != "prev"} for row in rows]
            self._db.table("ledger").insert_all(rows)
            sql = "SELECT directory FROM runs WHERE run_id = ?"
            directories = [
                Path(directory)
                for run_id in runs
                if run_id
                for (directory,) in self._db.conn.execute(sql, [run_id])
            ]
            self._write(directories)
        return bool(rows)

    def _last_line(self) -> tuple[ChainHead, int]:
        sql = "SELECT seq, hash, end FROM ledger ORDER BY seq DESC LIMIT 1"
        for seq, digest, end in self._db.conn.execute(sql):
            return ChainHead(seq, digest), end
        return GENESIS, 0

    def _compare(self, folder: Path) -> None:
        """Read the new runs of a folder, and forget the removed ones, if its time changed."""
        now = time.time()
        changed = folder.stat().st_mtime_ns if folder.is_dir() else 0
        sql = "SELECT changed FROM folders WHERE folder = ?"
        if [(changed,)] == self._db.conn.execute(sql, [str(folder)]).fetchall():
            return
        # One text with all names: a hundred thousand rows or paths are slow.
        sql = "SELECT group_concat(substr(directory, ?), '/') FROM runs WHERE folder = ?"
        values = [len(str(folder / "_")), str(folder)]
        names = unsorted_run_names(folder)
        [[listed]] = self._db.conn.execute(sql, values)
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
            self._db.table("folders").insert(row, pk="folder", replace=True)

    def _changed_among(self, where: str, values: Sequence[object]) -> list[Path]:
        """Return the directories of rows that differ from their files, or whose run is live."""
        sql = f"SELECT directory, signature FROM runs WHERE {where}"
        return [
            Path(directory)
            for directory, signature in self._db.conn.execute(sql, values)
            if (now := _signature(RunDirectory(Path(directory)))) != signature or _LIVE in now
        ]

    def _reread(self, directories: Sequence[Path]) -> None:
        for begin in range(0, len(directories), BATCH):
            with self._writing():
                self._write(directories[begin : begin + BATCH])
            self._on_progress(min(begin + BATCH, len(directories)), len(directories))

    def _write(self, directories: Iterable[Path]) -> None:
        """Write the rows of some runs, and remove those of removed runs."""
        for directory in directories:
            if is_run(RunDirectory(directory)):
                # Before the summary: a later change must be noticed.
                signature = _signature(RunDirectory(directory))
                one = summarize_any(directory)
                sql = "SELECT count(*) FROM ledger WHERE run_id = ? AND kind IN (?, ?)"
                ended = [one.run_id, LineKind.DECIDED, LineKind.ENDED]
                [[ends]] = self._db.conn.execute(sql, ended)
                models, wall = _walk_of(RunDirectory(directory).events, one.started)
                row = row_of(one, signature=signature, has_end=bool(ends))
                row = {**row, "models": models, "wall_seconds": wall}
                self._db.table("runs").insert(row, pk="directory", replace=True)
            else:
                self._db.conn.execute("DELETE FROM runs WHERE directory = ?", [str(directory)])

    @contextmanager
    def _writing(self) -> Generator[None]:
        self._db.conn.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.conn.rollback()
            raise
        self._db.conn.commit()


def _newest(found: Iterable[RunOverview], query: RunQuery) -> list[RunOverview]:
    newest = sorted(found, key=lambda run: run.directory.name, reverse=True)
    return newest[: query.limit] if query.limit >= 0 else newest


def _in_parts(index: OpenIndex, folder: Path, query: RunQuery) -> Iterator[RunOverview]:
    """Yield the runs that the database selects, in parts: the first part is often enough."""
    part = index.select(folder, replace(query, limit=BATCH))
    while part:
        yield from part
        before = part[-1].directory.name
        is_last = len(part) < BATCH
        part = [] if is_last else index.select(folder, replace(query, before=before, limit=BATCH))


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
    yield from (one.goal, one.pipeline, one.run_id, one.directory.name)
    yield from (f"{plain_status(one)}", one.status, one.reason, one.why_stopped)
    yield from (one.promoted_to, one.landed_on)


def _walk_of(journal: Path, started: datetime) -> tuple[str, float]:
    """Return the models of a run, and the seconds until its last stage ended.

    Most lines are not parsed: a journal of 10 MB takes 20 ms.
    """
    models: set[str] = set()
    last = b""
    with suppress(AttractorError):
        for line in read_lines(journal) if journal.exists() else ():
            last = line.content if b'"node":"' in line.content else last
            if b'"type":"SESSION_START"' in line.content:
                event = Event.from_record(dict(_object(line.content)))
                models.add(f"{event.data.get('provider')}/{event.data.get('model')}")
        if last:
            ended = Event.from_record(dict(_object(last))).time
            return " + ".join(sorted(models)), max(0.0, (ended - started).total_seconds())
    return " + ".join(sorted(models)), 0.0


_LIVE = "live"


def _signature(directory: RunDirectory) -> str:
    """Return a text that changes when a run changes, or when a process begins or ends it."""
    words = [_LIVE] if is_held(directory.lock) else []
    for file in (directory.events, directory.run, directory.manifest):
        with suppress(OSError):
            found = file.stat()
            words.append(f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}")
    return " ".join(words)


def _is_unfinished(directory: Path, now: float) -> bool:
    """Return whether a process may just be making the directory of a run."""
    with suppress(OSError):
        return directory.is_dir() and directory.stat().st_mtime > now - UNFINISHED_S
    return False


def _ledger_row(line: bytes, end: int) -> dict[str, object]:
    record = _object(line)
    texts = {one: record[one] for one in ("seq", "hash", "prev", "kind", "run_id", "time")}
    return {**texts, "data": canonical_json(record["data"]), "end": end}


def _object(text: str | bytes) -> JsonObject:
    record = parse_json(text)
    if not isinstance(record, dict):
        raise VerificationError("invalid line", hint="find it: attractor audit verify")
    return record
