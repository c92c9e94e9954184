"""Lists of runs and lines of the ledger: as fast with very many as with a few."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attractor.base.hash_chain import seal
from attractor.base.ids import new_run_id
from attractor.base.json import Json
from attractor.factory.history.index import RunIndex, RunQuery
from attractor.factory.history.index_update import insert_row, row_of
from attractor.factory.ledger.ledger import KEY_FILE, Ledger, LedgerHead, write_head
from attractor.records.summary import RunOverview
from benchmarks.figures import Figure, Row, measure
from benchmarks.folders import Folders

FEW, MANY = 100, 100_000
WAITING = 10
APPENDS = 200
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def rows() -> Iterator[Row]:
    """Measure the list of runs by status, and a line of the ledger."""
    with Folders() as folders:
        few, many = (_make_project(folders.new(), runs) for runs in (FEW, MANY))
        command = [sys.executable, "-m", "attractor", "runs", "--status", "rejected", "--json"]
        yield measure(
            f"list by status: {MANY:,} runs / {FEW}",
            [*command[:3], *_settings(many), *command[3:]],
            [*command[:3], *_settings(few), *command[3:]],
            bound=2,
        )
        yield _appending(*(_make_ledger(folders.new(), lines) for lines in (10, MANY)))


def _settings(project: Path) -> list[str]:
    return ["-c", f"runs_dir={project / 'runs'}", "-c", f"state_dir={project / 'state'}"]


def _make_project(project: Path, count: int) -> Path:
    """Make the rows of runs directly; ten runs were rejected."""
    runs = project / "runs"
    runs.mkdir()
    index = RunIndex(project / "state")
    with index.reading(runs) as db:
        rows: list[dict[str, object]] = []
        for number in range(count):
            started = BEGUN + timedelta(minutes=number)
            run_id = new_run_id(started, os.urandom)
            status = "rejected" if number % (count // WAITING) == 0 else "failed"
            summary = RunOverview(run_id, runs / run_id, "wish", "Do it", started, status=status)
            rows.append(row_of(summary))
        db.execute("BEGIN")
        for row in rows:
            insert_row(db, "runs", row)
        # Otherwise, the rows of folders that do not exist are removed.
        changed = {"folder": str(runs), "changed": runs.stat().st_mtime_ns}
        insert_row(db, "folders", changed)
        db.commit()
    found = index.runs(runs, RunQuery(status="rejected"))
    assert len(found) == WAITING, len(found)
    return project


def _make_ledger(folder: Path, count: int) -> Ledger:
    """Make a ledger with many lines, which would take long to append one by one."""
    ledger = Ledger(folder)
    ledger.seal_of("")
    key = (folder / KEY_FILE).read_bytes()
    head, lines = LedgerHead(), bytearray()
    for number in range(count):
        time = (BEGUN + timedelta(seconds=number)).isoformat()
        record: dict[str, Json] = {"kind": "created", "run_id": f"run-{number}", "time": time}
        record["data"] = {"number": number}
        link = seal(record, head.chain, key=key)
        head = LedgerHead(len(lines), head.chain, link.head)
        lines += f"{link.line}\n".encode()
    ledger.file.write_bytes(lines)
    write_head(folder / "ledger.head", head, key)
    return ledger


def _appending(few: Ledger, many: Ledger) -> Figure:
    def append(ledger: Ledger) -> Callable[[], object]:
        now = datetime.now(UTC)
        run_id = new_run_id(now, os.urandom)
        return lambda: ledger.append("created", run_id, {}, now=now, once=True)

    pairs = [(_seconds(append(few)), _seconds(append(many))) for _ in range(APPENDS)]
    return Figure.paired(f"append to the ledger: {MANY:,} lines / 10", pairs, 1.5)


def _seconds(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before
