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
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from threading import Lock, Thread

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, MachineryError
from attractor.base.files import make_private_folder
from attractor.base.json import JsonObject
from attractor.base.locks import FileLock
from attractor.base.records import read_record
from attractor.engine.outcome import StageStatus
from attractor.engine.state.run_state import StatusWord
from attractor.factory.history.index_update import (
    BATCH,
    IndexUpdate,
    OnProgress,
    apply_steps,
    parse_overview,
    parse_row,
    pending_steps,
)
from attractor.factory.ledger.ledger import LEDGER_FILE, read_format
from attractor.pipeline.status import MARKS, PlainWord, is_found_by
from attractor.records.diagnosis.causes import Cause
from attractor.records.summary import NOT_JUDGED, RunOverview, summarize_any

INDEX_FILE = "index.sqlite3"
PATIENCE_S = 60.0
MOST_PAST = 200
"""The number of runs among which runs with the same cause are counted."""

MOST_TYPICAL = 10
"""The number of runs whose time is typical of a pipeline."""


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
    """The lines of the ledger to list: of a project, and those that belong to no project.

    `is_whole` is False for a reader of some projects, without lines that belong to no project.
    """

    project_id: str
    run_id: str = ""
    kind: str = ""
    before: int = 0
    limit: int = -1
    is_whole: bool = True

    def where(self) -> tuple[str, list[object]]:
        """Return the SQL condition, and its values."""
        simple = {"run_id = ?": self.run_id, "kind = ?": self.kind, "seq < ?": self.before}
        conditions = [condition for condition, value in simple.items() if value]
        # A line about a run has no project; the first line of the run has it. The plus sign keeps
        # SQLite from searching all runs of all projects for each line.
        conditions.append(
            "CASE WHEN ? OR run_id <> '' THEN ifnull(json_extract(data, '$.project'), ?) "
            "ELSE json_extract(data, '$.project') END = ? AND (run_id = '' OR EXISTS ("
            "SELECT 1 FROM ledger AS first WHERE first.run_id = line.run_id "
            "AND +first.kind = 'created' AND json_extract(first.data, '$.project') = ?))"
        )
        values = [*filter(None, simple.values()), self.is_whole]
        return " AND ".join(conditions), [*values, *[self.project_id] * 3]


_STATUSES = frozenset(one.value for one in StatusWord)
_FILTERS = _STATUSES | {status.value for status in StageStatus} | {NOT_JUDGED}
"""The words that the database can find runs by."""

_OF_OPEN_RUNS = frozenset({PlainWord.RUNNING, PlainWord.NEEDS_YOU, *MARKS})
"""The words for runs that go on or wait, of which there are few."""


@dataclass(frozen=True)
class PastRun:
    """A run that succeeded, or that failed or stopped for a cause; `actor` of a task run."""

    run_id: str
    pipeline: str
    actor: str
    ended: datetime
    cause: Cause | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the run succeeded."""
        return self.cause is None


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
            found = [run for folder in folders for run in index.known(folder, query)]
        return _newest(found, query)

    def overview(self, root: Path) -> RunOverview:
        """Return a run as it is now; only without a usable index, all of it is read."""
        try:
            with self.opened() as index:
                found = index.overview(root)
        except MachineryError:
            found = None
        return found or summarize_any(root)

    def runs(self, folder: Path, query: RunQuery) -> list[RunOverview]:
        """Return the runs in a folder that a query finds, newest first."""
        with self.opened() as index:
            return index.runs(folder, query)

    def count(self, folder: Path, query: RunQuery) -> int:
        """Return the number of runs in a folder that a query finds."""
        with self.opened() as index:
            return index.count(folder, query)

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
        # Only a page needs it.
        from statistics import median

        sql = (
            "SELECT wall_seconds FROM runs WHERE folder = ? AND pipeline = ? "
            "AND outcome = 'success' ORDER BY directory DESC LIMIT ?"
        )
        is_behind = self.catch_up(folder) is not None
        with self._opened() as db:
            if not is_behind:
                OpenIndex(db, self._ledger, self._on_progress).update(folder)
            rows = db.execute(sql, [str(folder), pipeline, MOST_TYPICAL]).fetchall()
        return float(median(seconds for (seconds,) in rows)) if rows else 0.0

    @contextmanager
    def reading(self, folder: Path) -> Generator[sqlite3.Connection]:
        """Yield the database, after bringing it up to date with a folder of runs."""
        with self._opened() as db:
            OpenIndex(db, self._ledger, self._on_progress).update(folder)
            yield db

    def lines(self, folder: Path, query: LineQuery) -> list[LedgerLine]:
        """Return the lines of the ledger that a query finds, newest first."""
        with self.reading(folder) as db:
            where, values = query.where()
            sql = f"SELECT seq, hash, kind, run_id, time, data FROM ledger AS line WHERE {where}"
            rows = db.execute(f"{sql} ORDER BY seq DESC LIMIT ?", [*values, query.limit])
            return [
                LedgerLine(seq, digest, kind, run_id, when, parse_row(data))
                for seq, digest, kind, run_id, when, data in rows
            ]

    def rebuild(self, folder: Path) -> tuple[int, int]:
        """Build the index again; return the numbers of runs and of lines of the ledger."""
        with self._lock.acquire(wait=PATIENCE_S, purpose="attractor: index"):
            self._remove()
        with self.reading(folder) as db:
            [[runs]] = db.execute("SELECT count(*) FROM runs")
            [[lines]] = db.execute("SELECT count(*) FROM ledger")
        return runs, lines

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
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

    def _open(self) -> sqlite3.Connection:
        """Open the database; replace one that another version made, or that is no database."""
        # The index of a newer state folder stays.
        read_format(self.file.parent)
        db = self._connect()
        if db and pending_steps(db) == []:
            return db
        with closing(db) if db else nullcontext():
            pass
        with self._lock.acquire(wait=PATIENCE_S, purpose="attractor: index"):
            db = self._connect()
            if db is None or pending_steps(db) is None:
                with closing(db) if db else nullcontext():
                    self._remove()
                db = self._connect()
            if db is None:
                raise MachineryError(f"cannot make the index {self.file}", hint="try again")
            apply_steps(db, pending_steps(db) or ())
            return db

    def _connect(self) -> sqlite3.Connection | None:
        """Open the file; return None if it is no database."""
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
        return connection

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.file.with_name(f"{INDEX_FILE}{suffix}").unlink(missing_ok=True)


class OpenIndex:
    """An open index: each question is answered after comparing its runs with their files."""

    def __init__(self, db: sqlite3.Connection, ledger: Path, on_progress: OnProgress) -> None:
        self._db = db
        self._update = IndexUpdate(db, ledger, on_progress)

    def update(self, folder: Path) -> None:
        """Read new lines of the ledger, new and removed runs of a folder, and changed runs."""
        self._update.update(folder)

    def count_unread(self, folder: Path) -> int:
        """Return the number of runs of a folder that have to be read."""
        return self._update.count_unread(folder)

    def overview(self, root: Path) -> RunOverview | None:
        """Return a run, after comparing it with its files; None if there is none."""
        sql, values = "SELECT summary FROM runs WHERE directory = ?", [str(root)]
        self._update.refresh("directory = ?", values)
        if not (rows := self._db.execute(sql, values).fetchall()):
            self.update(root.parent)
            rows = self._db.execute(sql, values).fetchall()
        return next((parse_overview(text) for (text,) in rows), None)

    def runs(self, folder: Path, query: RunQuery) -> list[RunOverview]:
        """Return the runs in a folder that a query finds, newest first."""
        self.update(folder)
        if query.is_indexed:
            return self.select(folder, query)
        found = (one for one in _in_parts(self, folder, query) if query.finds(one))
        return list(islice(found, query.limit if query.limit >= 0 else None))

    def count(self, folder: Path, query: RunQuery) -> int:
        """Return the number of runs in a folder that a query finds, whatever its limit."""
        if not query.is_indexed:
            return len(self.runs(folder, replace(query, limit=-1)))
        self.update(folder)
        where, values = query.where(folder)
        self._update.refresh(f"NOT is_settled AND NOT is_unsure AND {where}", values)
        [[found]] = self._db.execute(f"SELECT count(*) FROM runs WHERE {where}", values)
        return int(found)

    def select(self, folder: Path, query: RunQuery) -> list[RunOverview]:
        """Return the runs that a query finds, after comparing them with their files."""
        where, values = query.where(folder)
        order = "ORDER BY directory DESC LIMIT ?"
        # Rows that are unsure were compared by `update`.
        unsettled = f"NOT is_settled AND NOT is_unsure AND {where} {order}"
        self._update.refresh(unsettled, [*values, query.limit])
        sql = f"SELECT summary FROM runs WHERE {where} {order}"
        rows = self._db.execute(sql, [*values, query.limit])
        return [parse_overview(text) for (text,) in rows]

    def known(self, folder: Path, query: RunQuery) -> list[RunOverview]:
        """Return the runs that a query finds among those that were read."""
        where, values = query.where(folder)
        sql = f"SELECT summary FROM runs WHERE signature <> '' AND {where}"
        limit = query.limit if query.is_indexed else -1
        rows = self._db.execute(f"{sql} ORDER BY directory DESC LIMIT ?", [*values, limit])
        found = (parse_overview(text) for (text,) in rows)
        return [run for run in found if query.is_indexed or query.finds(run)]

    def causes(self, run_ids: Sequence[str]) -> Mapping[str, Cause]:
        """Return the causes of failed and stopped runs among those that were read."""
        marks = ", ".join("?" * len(run_ids))
        sql = f"SELECT run_id, cause FROM runs WHERE cause <> '' AND run_id IN ({marks})"
        rows = self._db.execute(sql, [*run_ids])
        return {run_id: read_record(Cause, parse_row(cause)) for run_id, cause in rows}

    def past_runs(self, folder: Path) -> list[PastRun]:
        """Return the last runs that ended or stopped with a reason, in the order of their ends."""
        self.update(folder)
        sql = (
            "SELECT summary, cause FROM runs WHERE folder = ? AND "
            "(cause <> '' OR outcome IN ('success', 'partial_success')) "
            "ORDER BY directory DESC LIMIT ?"
        )
        found: list[PastRun] = []
        for summary, text in self._db.execute(sql, [str(folder), MOST_PAST]):
            one = parse_overview(summary)
            cause = read_record(Cause, parse_row(text)) if text else None
            # A killed run goes on, and a no-go is a verdict about a walk that succeeded.
            if one.outcome or one.is_final or one.why_stopped:
                ended = one.written or one.started
                known = None if cause and cause.is_no_go else cause
                found.append(PastRun(one.run_id, one.pipeline, one.actor, ended, known))
        return sorted(found, key=lambda run: (run.ended, run.run_id))

    def newest(self, folder: Path) -> list[RunOverview]:
        """Return the newest run of each pipeline, after comparing them with their files."""
        of_each = "SELECT max(directory) FROM runs WHERE folder = ? GROUP BY pipeline"
        where, values = f"directory IN ({of_each})", [str(folder)]
        self._update.refresh(f"NOT is_settled AND {where}", values)
        rows = self._db.execute(f"SELECT summary FROM runs WHERE {where}", values)
        return [parse_overview(text) for (text,) in rows]


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
