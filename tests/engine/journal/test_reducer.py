"""The state of a run is the fold of its events, also while branches are running.

Checkpoints are verified, and a lost final.json is restored from the journal.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.base.clock import ManualClock
from attractor.base.errors import ChainBroken, FileError
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, seal
from attractor.engine.errors import CheckpointBroken, RecordBroken
from attractor.engine.journal.checkpoint import (
    Position,
    RestoredState,
    open_journal,
    render_checkpoint,
    verify_journal,
)
from attractor.engine.journal.reducer import fold
from attractor.engine.outcome import Outcome, success
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import final_from_journal
from attractor.engine.seams import Stage
from attractor.engine.state.run_state import BOOTING, CANCELED, EXECUTING, RunState, state_to_record
from tests.engine.forked import forked, wrote
from tests.engine.graphs import chain, edge, line, node
from tests.engine.runs import FAIL, RETRY, Script, Workplace
from tests.tables import table

pytestmark = pytest.mark.anyio

NESTED = forked(
    "a a2",
    "shared",
    "b shared",
    nodes=[
        node("in", "component", join_policy="first_success"),
        node("meet", "tripleoctagon"),
        node("a2", max_retries=1, retry_policy="none"),
    ],
    edges=[*chain("fan", "in", "x", "meet", "join"), *chain("in", "y", "meet"), edge("b", "a")],
    goal="fold",
)


async def slowly(stage: Stage) -> Outcome:
    for _ in range(stage.visit * 3):
        await asyncio.sleep(0)
    return wrote(**{stage.node.id: stage.visit})


def script() -> Script:
    return {"a": slowly, "a2": [RETRY, success()], "y": FAIL, "shared": slowly, "x": slowly}


async def test_every_checkpoint_equals_the_reduced_events(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", NESTED), ManualClock()
    place.clock = clock
    with place.open() as run:

        async def save(stage: Stage) -> Outcome:
            run.save()
            return await slowly(stage)

        names = ("a", "b", "shared", "x")
        place.handler.script = {**script(), **dict.fromkeys(names, save)}
        assert (await place.runner(run).run()).exit_code == 0
    state, compared = RunState(), set[int]()
    for event in place.events():
        state = fold(state, event)
        if event.type == "CheckpointSaved" and event.data["checkpoint"]:
            drawn = render_checkpoint(state_to_record(state), clock.now(), Position(0, GENESIS))
            assert event.data["checkpoint"] == drawn.digest
            compared.add(len(state.walks))
    assert max(compared) >= 4


async def test_events_and_checkpoint_agree_in_branches(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", NESTED)
    seen: list[int] = []
    with place.open() as run:

        async def compare(stage: Stage) -> Outcome:
            if stage.node.id != "shared":
                run.save()
            await slowly(stage)
            seen.append(require_one_state(place.root))
            return wrote(**{stage.node.id: 1})

        names = ("a", "a2", "b", "shared", "x", "y")
        place.handler.script = dict.fromkeys(names, compare)
        assert (await place.runner(run).run()).exit_code == 0
    assert max(seen) >= 5


def require_one_state(root: Path) -> int:
    """Require the same state from checkpoint and events alone; return the number of walks."""
    by_checkpoint = open_journal(root / "events.jsonl", root / "checkpoint.json")
    by_events = open_journal(root / "events.jsonl", root / "lost.json")
    assert by_checkpoint.state == by_events.state
    assert list(by_checkpoint.state.walks) == list(by_events.state.walks)
    assert by_checkpoint.head == by_events.head
    return len(by_events.state.walks)


NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@table(
    ("kind", "data"),
    [
        ("StageStarted", {"name": "a", "index": 1}),
        ("ParallelBranchCompleted", {"outcome": "success"}),
        (
            "ParallelBranchStarted",
            {
                "branch": "a",
                "start": "a",
                "until": "join",
                "updates": {},
                "isolated": True,
                "parent": "gone@1.1/a",
            },
        ),
    ],
)
def test_an_event_of_a_walk_that_did_not_begin_is_broken(kind: str, data: dict[str, str]) -> None:
    event = Event(
        time=NOON,
        run_id="r",
        type=kind,
        node="a",
        visit=1,
        attempt=1,
        branch="fan@1.1/a",
        data=dict(data),
    )
    with pytest.raises(RecordBroken, match="an unknown walk"):
        fold(RunState(), event)


def make_run(root: Path) -> Path:
    with Workplace(root, line("plan")).open() as run:
        run.change_status(BOOTING)
        run.save()
        run.change_status(EXECUTING)
    return root / "events.jsonl"


def hashes(journal: Path) -> list[str]:
    return [one.split(b'"hash":"')[1][:64].decode() for one in journal.read_bytes().splitlines()]


def test_verification_returns_the_missing_heads(tmp_path: Path) -> None:
    journal = make_run(tmp_path / "run")
    known = hashes(journal)
    assert verify_journal(journal, heads=known) == frozenset()
    assert verify_journal(journal, heads=["0" * 64, known[0]]) == {"0" * 64}


def test_hash_inside_event_data_is_not_a_line(tmp_path: Path) -> None:
    journal = make_run(tmp_path / "run")
    last = hashes(journal)[-1]
    noon = datetime(2026, 1, 2, 12, tzinfo=UTC)
    event = Event(time=noon, run_id="r", type="Note", data={"hash": last})
    link = seal(event.to_record(), GENESIS)
    journal.write_text(link.line + "\n")
    assert verify_journal(journal, heads=[last]) == {last}
    journal.write_text(f"{last}\n")
    with pytest.raises(ChainBroken, match="line 1 is invalid JSON"):
        verify_journal(journal, heads=[last])


def test_missing_journal_has_no_lines(tmp_path: Path) -> None:
    journal = tmp_path / "events.jsonl"
    assert verify_journal(journal, heads=["a"]) == {"a"}
    assert open_journal(journal, tmp_path / "checkpoint.json") == RestoredState(RunState(), GENESIS)


def test_last_activity_is_the_time_of_the_last_event_of_a_stage(tmp_path: Path) -> None:
    head, lines = GENESIS, list[str]()
    for minute, of_node in enumerate(["", "a", "b", ""]):
        time = datetime(2026, 1, 2, 12, minute, tzinfo=UTC)
        link = seal(Event(time=time, run_id="r", type="Note", node=of_node).to_record(), head)
        head, lines = link.head, [*lines, link.line]
    journal = tmp_path / "events.jsonl"
    journal.write_text("\n".join([*lines, ""]))
    restored = open_journal(journal, tmp_path / "checkpoint.json")
    assert restored.last_activity == datetime(2026, 1, 2, 12, 2, tzinfo=UTC)


def test_corrupt_line_is_named_by_its_number_in_the_journal(tmp_path: Path) -> None:
    journal = make_run(tmp_path / "run")
    checkpoint = journal.parent / "checkpoint.json"
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*whole[:-1], whole[-1].replace(b"executing", b"exocuting")]))
    with pytest.raises(ChainBroken, match=f"events.jsonl: line {len(whole)} was changed"):
        open_journal(journal, checkpoint)
    # A longer line moves all lines after it.
    journal.write_bytes(b"".join([whole[0].replace(b"booting", b"bootingg"), *whole[1:]]))
    with pytest.raises(ChainBroken, match="events.jsonl: line 1 was changed"):
        open_journal(journal, checkpoint)
    journal.write_bytes(b"".join(whole[:-2]))
    with pytest.raises(CheckpointBroken, match="has lost lines"):
        open_journal(journal, checkpoint)
    journal.unlink()
    with pytest.raises(CheckpointBroken, match="has lost lines"):
        open_journal(journal, checkpoint)


def test_a_journal_that_cannot_be_read_is_trouble_and_not_a_broken_chain(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").mkdir()
    with pytest.raises(FileError):
        verify_journal(tmp_path / "events.jsonl")


@pytest.mark.parametrize("script", [{}, {"a": FAIL}], ids=["good", "bad"])
@pytest.mark.parametrize("left", [None, '{"outcome"'], ids=["lost", "torn"])
def test_lost_final_json_is_rewritten(tmp_path: Path, script: Script, left: str | None) -> None:
    place = Workplace(tmp_path / "run", line("a"), script)
    place.run()
    before = place.json("final.json")
    journal = (place.root / "events.jsonl").read_bytes()
    final = place.root / "final.json"
    final.unlink()
    if left is not None:
        final.write_text(left)
    with place.open():
        pass
    after = place.json("final.json")
    # The new file has the time of its event, which was written after the first file.
    assert str(before.pop("ended")) <= str(after.pop("ended"))
    assert after == before
    assert (place.root / "events.jsonl").read_bytes() == journal


def test_events_after_end_do_not_change_final_json(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    place.run()
    before = place.json("final.json")
    with place.open() as run:
        run.change_status(CANCELED, "canceled by ada")
    (place.root / "final.json").unlink()
    with place.open():
        pass
    assert place.json("final.json")["why"] == before["why"]
    assert place.json("final.json")["outcome"] == "success"


def test_journal_without_an_end_has_no_outcome(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", line("a"))
    directory = RunDirectory(place.root)
    with place.open(), pytest.raises(RecordBroken, match="has no terminal event"):
        final_from_journal(directory, read_manifest(directory))
