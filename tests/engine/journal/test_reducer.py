"""The state of a run is the fold of its events, also while branches are at work."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.base.clock import ManualClock
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS
from attractor.engine.errors import RecordBroken
from attractor.engine.journal.checkpoint import Position, open_journal, render_checkpoint
from attractor.engine.journal.reducer import fold
from attractor.engine.outcome import Outcome, success
from attractor.engine.questions.question import Question, QuestionKind
from attractor.engine.seams import Parked, Stage
from attractor.engine.state.run_state import RunState, state_to_record
from tests.engine.forked import forked, wrote
from tests.engine.graphs import chain, edge, node
from tests.engine.runs import FAIL, RETRY, Script, Workplace

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


def test_every_checkpoint_is_the_fold_of_the_events_before_it(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", NESTED), ManualClock()
    place.clock = clock

    async def walk() -> None:
        with place.open() as run:

            async def save(stage: Stage) -> Outcome:
                run.save()
                return await slowly(stage)

            names = ("a", "b", "shared", "x")
            place.handler.script = {**script(), **dict.fromkeys(names, save)}
            assert (await place.runner(run).run()).exit_code == 0

    asyncio.run(walk())
    state, compared = RunState(), set[int]()
    for event in place.events():
        state = fold(state, event)
        if event.type == "CheckpointSaved" and event.data["checkpoint"]:
            drawn = render_checkpoint(state_to_record(state), clock.now(), Position(0, GENESIS))
            assert event.data["checkpoint"] == drawn.digest
            compared.add(len(state.walks))
    assert max(compared) >= 4


def test_events_and_checkpoint_agree_inside_branches(
    tmp_path: Path,
) -> None:
    place = Workplace(tmp_path / "run", NESTED)
    seen: list[int] = []

    async def walk() -> None:
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

    asyncio.run(walk())
    assert max(seen) >= 5


def require_one_state(root: Path) -> int:
    """Return how many walks there are, by the checkpoint as well as by the events alone."""
    by_checkpoint = open_journal(root / "events.jsonl", root / "checkpoint.json")
    by_events = open_journal(root / "events.jsonl", root / "lost.json")
    assert by_checkpoint.state == by_events.state
    assert list(by_checkpoint.state.walks) == list(by_events.state.walks)
    assert by_checkpoint.head == by_events.head
    return len(by_events.state.walks)


NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
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


def test_an_answer_is_for_one_question_and_leaves_the_others(tmp_path: Path) -> None:
    async def park(stage: Stage) -> Outcome:
        id_ = f"{stage.node.id}@{stage.visit}.{stage.attempt}"
        raise Parked(Question(id_, "Go?", QuestionKind.YES_NO, (), stage.node.id))

    place = Workplace(tmp_path / "run", forked("a", "b"), {"a": park, "b": park})
    place.run()
    with place.open() as run:
        assert [one.id for one in run.state.questions] == ["a@1.1", "b@1.1"]
    place.handler.script = {"b": park}
    place.run()
    with place.open() as run:
        assert [one.id for one in run.state.questions] == ["b@1.1"]
