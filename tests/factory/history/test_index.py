import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.base.errors import VerificationError
from attractor.base.hash_chain import GENESIS, seal
from attractor.base.json import JsonObject
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.state.run_state import AWAITING_DECISION, CANCELED, FAILED
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.history.index import INDEX_FILE, RunIndex, RunQuery
from attractor.factory.history.index_update import BATCH
from attractor.factory.ledger.ledger import HEAD_FILE, LEDGER_FILE
from attractor.records.summary import list_runs, summarize
from tests.counts import count
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.factory.flows import Flow, make_flow
from tests.patience import PATIENCE_S


def listed(flow: Flow, status: str = "") -> list[str]:
    found = RunIndex(flow.machine.state_dir).runs(flow.runs_dir, RunQuery(status))
    return [one.directory.name for one in found]


def change(flow: Flow, sql: str) -> None:
    """Change the database with SQL."""
    with closing(sqlite3.connect(flow.machine.state_dir / INDEX_FILE)) as db, db:
        db.execute(sql)
    db.close()


@pytest.fixture
def place(tmp_path: Path) -> Flow:
    """A project with three finished runs, which are quick to make."""
    flow = make_flow(tmp_path)
    for name in ("R1", "R2", "R3"):
        Workplace(flow.runs_dir / name, line("plan")).run()
    return flow


def set_status(flow: Flow, name: str, *statuses: object) -> None:
    with open_run(flow.runs_dir / name, clock=flow.machine.clock, before_end=None) as run:
        for status in statuses:
            run.change_status(status)  # pyright: ignore[reportArgumentType]


def test_listed_runs_are_those_of_the_folder(place: Flow) -> None:
    place.launch()
    result = place.launch(suite="")
    index, folder = RunIndex(place.machine.state_dir), place.runs_dir
    shutil.rmtree(folder / "R2" / "events.jsonl", ignore_errors=True)
    (folder / "R3" / "manifest.json").unlink()
    for _ in range(2):
        assert [one.to_record() for one in index.runs(folder, RunQuery())] == [
            one.to_record() for one in list_runs(folder)
        ]
    [last] = index.runs(folder, RunQuery(limit=1))
    # The name R3 sorts after all run ids.
    assert last.directory.name == "R3"
    assert result.run_id in listed(place, status="success")


def test_typical_time_is_the_median_of_the_last_successful_runs(place: Flow) -> None:
    index, folder = RunIndex(place.machine.state_dir), place.runs_dir
    [name] = {one.pipeline for one in index.runs(folder, RunQuery())}
    assert index.typical_seconds(folder, "nosuch") == 0.0
    with closing(sqlite3.connect(place.machine.state_dir / INDEX_FILE)) as db:
        taken = sorted(seconds for (seconds,) in db.execute("SELECT wall_seconds FROM runs"))
    assert len(taken) == 3
    assert index.typical_seconds(folder, name) == taken[1]


def test_changed_runs_are_found_by_their_new_status(place: Flow) -> None:
    assert listed(place, status="evaluating") == ["R3", "R2", "R1"]
    set_status(place, "R1", FAILED)
    set_status(place, "R2", AWAITING_DECISION, CANCELED)
    assert listed(place, status="failed") == ["R1"]
    assert listed(place, status="canceled") == ["R2"]
    assert listed(place, status="evaluating") == ["R3"]


def test_new_and_removed_runs_are_noticed(place: Flow) -> None:
    assert listed(place) == ["R3", "R2", "R1"]
    folder = place.runs_dir
    shutil.copytree(folder / "R1", folder / "R0")
    shutil.rmtree(folder / "R2")
    # A directory without files is not a run yet.
    (folder / "R9").mkdir()
    assert listed(place) == ["R3", "R1", "R0"]
    shutil.copytree(folder / "R1", folder / "R9", dirs_exist_ok=True)
    assert listed(place) == ["R9", "R3", "R1", "R0"]


def test_runs_are_found_by_suite_age_and_process(place: Flow) -> None:
    judged = place.launch(goal="Say hällo", evaluate=False).run_id
    live = open_run(place.runs_dir / "R1", clock=place.machine.clock, before_end=None)
    index, folder = RunIndex(place.machine.state_dir), place.runs_dir
    for query, names in (
        (RunQuery(suite="todo"), [judged]),
        (RunQuery(suite="todo@1"), [judged]),
        (RunQuery(suite="todo@11"), []),
        (RunQuery(suite="tod"), []),
        (RunQuery(before="R3", limit=1), ["R2"]),
        (RunQuery(before=judged), []),
        (RunQuery(goal="SAY HÄ", limit=1), [judged]),
        (RunQuery(goal="say%"), []),
        (RunQuery(words=f"HÄLLO needs {judged.lower()}"), []),
        (RunQuery(words=f"HÄLLO succeeded {judged.lower()}"), [judged]),
        (RunQuery(words="evaluated r2", limit=1), ["R2"]),
        (RunQuery("not evaluated", limit=2), ["R3", "R2"]),
        (RunQuery(is_live=True), ["R1"]),
        (RunQuery("evaluating", is_live=True), ["R1"]),
        (RunQuery("failed", is_live=True), []),
    ):
        assert [one.directory.name for one in index.runs(folder, query)] == names, query
    live.close()
    assert index.runs(folder, RunQuery(is_live=True)) == []


def test_runs_are_found_by_their_plain_status_behind_many_others(place: Flow) -> None:
    index, folder = RunIndex(place.machine.state_dir), place.runs_dir
    for number in range(BATCH):
        shutil.copytree(folder / "R2", folder / f"S{number:03}")
    with open_run(folder / "R1", clock=place.machine.clock, before_end=None):
        for query, count_found, last in (
            (RunQuery("running"), 1, "R1"),
            (RunQuery("running (evaluating)", limit=1), 1, "R1"),
            (RunQuery("succeeded", limit=BATCH + 1), BATCH + 1, "R3"),
            (RunQuery("succeeded"), BATCH + 2, "R2"),
            (RunQuery("succeeded", before="R3"), 1, "R2"),
        ):
            found = [one.directory.name for one in index.runs(folder, query)]
            assert (len(found), found[-1]) == (count_found, last), query


def test_runs_without_a_suite_do_not_wait_for_a_decision(place: Flow) -> None:
    waiting, resting = place.launch().run_id, place.launch(suite="").run_id
    assert listed(place, status="awaiting_human") == [waiting]
    assert {waiting, resting} <= set(listed(place, status="success"))
    rejected = next(one for one in list_runs(place.runs_dir) if one.run_id == resting)
    result = place.launch(suite="")
    assert rejected.is_resting
    place.decide(result, DecisionKind.REJECTED)
    assert listed(place, status="rejected") == [result.run_id]


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE runs SET status = 'approved' WHERE run_id = '{run}'",
        "UPDATE runs SET status = 'approved', is_settled = 1, is_unsure = 0, signature = 'x'",
        "UPDATE runs SET summary = replace(summary, 'awaiting_human', 'approved')",
        "DELETE FROM runs WHERE run_id = '{run}'",
    ],
)
def test_manually_changed_row_is_repaired(tmp_path: Path, forgery: str) -> None:
    flow = make_flow(tmp_path, wanted="quokka")
    result = flow.launch()
    assert listed(flow, status="awaiting_human") == [result.run_id]
    change(flow, forgery.format(run=result.run_id))
    assert summarize(result.directory).status == "awaiting_human"
    assert "unresolved_failure" in flow.rules(result)
    with pytest.raises(Exception, match="the gate says no-go"):
        flow.decide(result, DecisionKind.APPROVED)
    assert listed(flow, status="approved") == []
    assert listed(flow, status="awaiting_human") == [result.run_id]


def test_forged_row_of_no_run_is_removed(place: Flow) -> None:
    listed(place)
    columns = "folder, run_id, pipeline, outcome, started, is_resting, is_settled, is_unsure"
    columns += ", signature, summary"
    sql = f"INSERT INTO runs (directory, status, {columns}) SELECT '/nowhere/R7', 'approved', "
    change(place, f"{sql} {columns} FROM runs WHERE run_id = 'R1'")
    assert listed(place, status="approved") == []


def other_version(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE _sqlite_migrations SET name = 'of_tomorrow' WHERE name = 'economics'")
    db.close()


def no_database(file: Path) -> None:
    file.write_text("no database")


def other_tables(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE runs (id)")
    db.close()


@pytest.mark.parametrize(
    "spoil",
    [
        other_version,
        other_tables,
        Path.unlink,
        no_database,
    ],
)
def test_unusable_index_is_built_again(place: Flow, spoil: Callable[[Path], object]) -> None:
    assert listed(place) == ["R3", "R2", "R1"]
    file = place.machine.state_dir / INDEX_FILE
    spoil(file)
    for _ in range(2):
        assert listed(place) == ["R3", "R2", "R1"]
    with closing(sqlite3.connect(file)) as db, db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


def test_index_follows_another_ledger(place: Flow) -> None:
    place.launch()
    listed(place)
    state = place.machine.state_dir
    old = {one: (state / one).read_bytes() for one in (LEDGER_FILE, HEAD_FILE)}
    place.launch(suite="")
    listed(place)
    for name, content in old.items():
        (state / name).write_bytes(content)
    place.evaluator.ledger.append("ended", "R1", {}, now=datetime.now(UTC))
    listed(place)
    with closing(sqlite3.connect(state / INDEX_FILE)) as db, db:
        kept = db.execute("SELECT kind, run_id FROM ledger ORDER BY seq").fetchall()
    db.close()
    assert kept == [(one.kind, one.run_id) for one in place.evaluator.ledger.entries()]


@pytest.mark.parametrize("before", [0, BATCH])
def test_broken_chain_of_the_ledger_is_refused(place: Flow, before: int) -> None:
    """A line does not follow the chain: the first line, or the first line of the second batch."""
    head, lines = GENESIS, list[str]()
    for number in range(before + 2):
        record: JsonObject = {"kind": "x", "run_id": "", "time": f"{number}", "data": {}}
        link = seal(record, head if number != before else replace(head, hash="1" * 64))
        head, lines = link.head, [*lines, f"{link.line}\n"]
    (place.machine.state_dir / LEDGER_FILE).write_text("".join(lines))
    with pytest.raises(VerificationError, match="does not follow the previous line") as caught:
        listed(place)
    assert caught.value.hint == "find it: attractor audit verify"


def test_many_processes_use_the_index_at_once(place: Flow) -> None:
    folder = place.runs_dir
    for number in range(20):
        shutil.copytree(folder / "R1", folder / f"S{number:02}")
    code = (
        "import sys; from pathlib import Path;"
        "from attractor.factory.history.index import RunIndex, RunQuery;"
        "print(len(RunIndex(Path(sys.argv[1])).runs(Path(sys.argv[2]), RunQuery())))"
    )
    processes = count(ci=3, full=6)
    words = [sys.executable, "-c", code, place.machine.state_dir, folder]
    readers = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    assert [one.communicate(timeout=PATIENCE_S)[0] for one in readers] == ["23\n"] * processes
    assert [one.returncode for one in readers] == [0] * processes
