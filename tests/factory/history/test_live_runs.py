"""What is shown of live runs equals a reading from nothing, and costs what changed."""

import os
import random
import shutil
import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from threading import Thread

import pytest

from attractor.base.clock import SystemClock
from attractor.base.errors import AttractorError
from attractor.engine.journal.events import ModelUsed, PipelineStarted, StageFailed, StageStarted
from attractor.engine.outcome import NOTHING_USED, usage_to_record
from attractor.engine.run_folder.layout import RunDirectory, note_elsewhere
from attractor.engine.run_folder.open_run import OpenRun, open_run
from attractor.engine.state.attempts import StageReference
from attractor.engine.state.progress import Progress, progress_to_record
from attractor.engine.state.run_state import BOOTING, EXECUTING
from attractor.factory.history.index import RunIndex, RunQuery
from tests.counts import count
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.patience import PATIENCE_S, wait_until

PLACE = StageReference("plan", 1, 1)
USED = usage_to_record(NOTHING_USED)
CHILDREN = ("plan@1.1", "plan@1.1.restart1")
EVENTS = 2000


def begin(root: Path) -> Path:
    """Make a run that a process left while it worked on a stage."""
    with Workplace(root, line("plan")).open() as run:
        run.change_status(BOOTING)
        run.change_status(EXECUTING)
        run.record(PipelineStarted("test", "test", "", progress_to_record(Progress("plan"))))
        run.record(StageStarted("plan", 0), place=PLACE)
    return root


def open_(root: Path) -> OpenRun:
    return open_run(root, clock=SystemClock(), before_end=None)


def work(run: OpenRun, events: int = 1) -> None:
    for number in range(events):
        run.emit("TOOL_CALL_END", {"call_id": f"{number}", "output": "x" * 200}, place=PLACE)


class Histories:
    """Runs to which things happen at random, and the index that shows them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.runs = folder / "runs"
        self.index = RunIndex(folder / "state")
        self.live = dict[Path, OpenRun]()
        self.copies = dict[Path, bytes]()
        for number in range(2):
            begin(self.runs / f"R{number}")

    def happen(self) -> None:
        places = sorted(one for one in self.runs.iterdir() if one.is_dir())
        if len(places) < 2:
            begin(self.runs / f"N{self.chance.randrange(10**6):06}")
            return
        root = self.chance.choice(places)
        children = sorted(root.glob("children/*"))
        if children and self.chance.random() < 0.3:
            root = children[-1]
        to_files = [self._keep, self._restore, self._cut, self._tear, self._move, self._delete]
        to_process = [self._grow, self._grow, self._grow, self._save, self._leave]
        if root not in self.live:
            to_process = [self._resume, self._resume, self._resume, self._note]
        self.chance.choice([*to_process, *to_process, *to_files, self._begin_child])(root)

    def _grow(self, root: Path) -> None:
        run, usage = self.live[root], {**USED, "input_tokens": self.chance.randrange(1000)}
        work(run, self.chance.randrange(9))
        run.record(ModelUsed(usage), place=PLACE)
        if self.chance.random() < 0.3:
            run.emit("SESSION_START", {"provider": "p", "model": f"m{len(usage)}"}, place=PLACE)
            failed = StageFailed("plan", 0, "broken", "transient", 0.1, will_retry=False)
            run.record(failed, place=PLACE)

    def _save(self, root: Path) -> None:
        self.live[root].save()

    def _resume(self, root: Path) -> None:
        with suppress(AttractorError):
            run = open_(root)
            if run.state.in_flight:
                self.live[root] = run
                return
            run.close()
        # Its journal is broken, or its beginning is lost.
        shutil.rmtree(root)

    def _note(self, root: Path) -> None:
        is_live = self.chance.random() < 0.5
        note_elsewhere(RunDirectory(root), where="w", hint="h", is_live=is_live, why="gone")

    def _begin_child(self, root: Path) -> None:
        children = root / "children"
        free = [children / name for name in CHILDREN if not (children / name).exists()]
        begin(free[0]) if free else None

    def _cut(self, root: Path) -> None:
        journal = root / "events.jsonl"
        os.truncate(journal, self.chance.randrange(journal.stat().st_size + 1))

    def _tear(self, root: Path) -> None:
        with (root / "events.jsonl").open("ab") as file:
            file.write(b'{"torn')

    def _keep(self, root: Path) -> None:
        self.copies[root] = (root / "events.jsonl").read_bytes()

    def _restore(self, root: Path) -> None:
        """Restore a copy of the journal; the file is the same, or another one."""
        journal = root / "events.jsonl"
        if self.chance.random() < 0.5:
            journal.rename(root / "before")
        journal.write_bytes(self.copies.get(root, b""))

    def _move(self, root: Path) -> None:
        root.rename(root.with_name(f"M{self.chance.randrange(10**6):06}"))
        self._leave(root)

    def _delete(self, root: Path) -> None:
        shutil.rmtree(root)
        self._leave(root)

    def _leave(self, root: Path) -> None:
        for place in [one for one in self.live if one.is_relative_to(root)]:
            self.live.pop(place).close()

    def end(self) -> None:
        self._leave(self.runs)

    def shown(self, index: RunIndex, *, anew: bool = False) -> list[tuple[object, ...]]:
        """Return the rows of an index, without those columns from which it reads on."""
        columns = "directory, summary, models, wall_seconds, cause, search, is_unsure"
        with index.reading(self.runs) as db:
            if anew:
                db.execute("DELETE FROM runs")
                db.commit()
                index.runs(self.runs, RunQuery())
            return db.execute(f"SELECT {columns} FROM runs ORDER BY directory").fetchall()


@pytest.mark.parametrize("seed", range(count(ci=6, full=1000)))
def test_shown_runs_equal_a_reading_from_nothing(tmp_path: Path, seed: int) -> None:
    place, other = Histories(tmp_path, seed), RunIndex(tmp_path / "other")
    try:
        for number in range(24):
            place.happen()
            if place.chance.random() < 0.6:
                assert place.shown(place.index) == place.shown(other, anew=True), number
    finally:
        place.end()


def read_bytes(thread: str = "thread-self") -> int:
    """Return how many bytes a thread has read from files."""
    [line_] = [one for one in Path(f"/proc/{thread}/io").read_text().splitlines() if "rchar" in one]
    return int(line_.split()[1])


def test_live_runs_cost_what_changed(tmp_path: Path) -> None:
    index = RunIndex(tmp_path / "state")
    journals = [begin(tmp_path / f"runs/R{number}") / "events.jsonl" for number in range(3)]

    def cost() -> int:
        before = read_bytes()
        assert len(index.runs(tmp_path / "runs", RunQuery(is_live=True))) == len(journals)
        return read_bytes() - before

    with ExitStack() as stack:
        live = [stack.enter_context(open_(one.parent)) for one in journals]
        for run in live:
            work(run, EVENTS)
        size = sum(one.stat().st_size for one in journals)
        assert cost() > size
        unchanged = cost()
        assert unchanged < size / 20
        work(live[0], EVENTS)
        new = sum(one.stat().st_size for one in journals) - size
        assert cost() < 3 * new + 2 * unchanged
        work(live[1])
        assert cost() < 4 * unchanged


def test_runs_are_read_while_another_process_writes_and_again_if_they_grew(tmp_path: Path) -> None:
    root, index = begin(tmp_path / "runs/R1"), RunIndex(tmp_path / "state")
    # A folder that has just changed is compared each time, which writes.
    os.utime(root.parent, (0, 0))
    index.runs(root.parent, RunQuery())
    with open_(root) as run, closing(sqlite3.connect(index.file)) as writer:
        work(run, EVENTS)
        size = (root / "events.jsonl").stat().st_size
        writer.execute("BEGIN IMMEDIATE")
        reader = Thread(target=index.runs, args=(root.parent, RunQuery()))
        reader.start()
        wait_until(lambda: read_bytes(f"self/task/{reader.native_id}") > size)
        run.record(ModelUsed({**USED, "input_tokens": 7}), place=PLACE)
        writer.rollback()
        reader.join(PATIENCE_S)
        [known] = index.known([root.parent], RunQuery())
    assert known.usage.input_tokens == 7
