"""Fork points in a journal, and forks that end the old run."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.clock import ManualClock
from attractor.base.errors import ChainBroken, Refused, UnknownName, UsageError
from attractor.engine.outcome import success
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.state.run_state import CANCELED
from attractor.engine.storage.secrets import Redactor
from attractor.language.graph.graph import Graph
from attractor.pipeline.orders import END_PATIENCE_S, Orders
from attractor.pipeline.plan.fork_point import find_fork_point
from attractor.records.lookup import RecordedRun, read_run
from tests.engine.forked import forked
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import FAIL, Script, Workplace, run_graph
from tests.patience import PATIENCE_S, until


def record_of(root: Path, drawn: Graph, script: Script | None = None) -> RecordedRun:
    _, place = run_graph(root, drawn, script)
    return read_run(place.root)


def looping() -> Graph:
    edges = [
        *chain("start", "make", "test"),
        edge("test", "exit", "outcome=success"),
        edge("test", "make", "outcome=fail"),
    ]
    return graph([start(), end()], edges)


def test_fork_point_has_the_progress_before_each_visit(tmp_path: Path) -> None:
    run = record_of(tmp_path, looping(), {"test": [FAIL, FAIL, success()]})
    for visit in (1, 2, 3):
        point = find_fork_point(run, f"make@{visit}")
        progress, before = point.progress, visit - 1
        assert (progress.next_node, progress.end) == ("make", None)
        assert progress.completed == ("start", *["make", "test"] * before)
        assert progress.context["outcome"] == ("fail" if before else "success")
        assert {one: progress.visits(one) for one in ("make", "test")} == {
            "make": before,
            "test": before,
        }
        assert [point.begun.get(one, 0) for one in ("start", "make", "test")] == [1, before, before]
        [event] = [one for one in run.events() if one.seq == point.seq]
        assert event.hash == point.hash
    assert str(find_fork_point(run, "test")) == "test@3"


def test_an_id_that_ends_like_a_visit_is_an_id(tmp_path: Path) -> None:
    run = record_of(tmp_path, line("a@2", "a"))
    assert str(find_fork_point(run, "a@2")) == "a@2@1"
    assert str(find_fork_point(run, "a@2@1")) == "a@2@1"
    assert str(find_fork_point(run, "a@1")) == "a@1"


def test_a_visit_in_a_branch_names_the_fork_of_the_walk_from_the_start(tmp_path: Path) -> None:
    inner = [
        edge("fan", "inner"),
        *chain("inner", "x", "inner_join", "join"),
        *chain("inner", "y", "inner_join"),
    ]
    forks = [node("inner", "component"), node("inner_join", "tripleoctagon")]
    run = record_of(tmp_path, forked("a", nodes=forks, edges=inner))
    for name in ("a", "x", "y", "inner", "inner_join"):
        with pytest.raises(UsageError, match="in the branch") as caught:
            find_fork_point(run, name)
        assert caught.value.hint.endswith("fan@1")
    behind = find_fork_point(run, "join")
    assert behind.progress.visits("x") == 1
    assert behind.begun["x"] == 1


def test_unvisited_node_is_refused_with_the_visited_ones(tmp_path: Path) -> None:
    run = record_of(tmp_path, looping(), {"make": FAIL})
    with pytest.raises(UnknownName) as caught:
        find_fork_point(run, "mkae")
    assert caught.value.hint == "did you mean make?"
    with pytest.raises(UsageError, match="no visit 2") as beyond:
        find_fork_point(run, "make@2")
    assert beyond.value.hint == "its visits: make@1"
    with pytest.raises(UsageError, match="invalid visit number 'x' of make") as odd:
        find_fork_point(run, "make@x")
    assert odd.value.hint == "write make@1 for the first visit"


def test_many_names_are_truncated(tmp_path: Path) -> None:
    run = record_of(tmp_path, line(*(f"stage{number}" for number in range(30))))
    with pytest.raises(UnknownName) as caught:
        find_fork_point(run, "x")
    assert caught.value.hint.endswith("and 19 more")


def test_a_journal_that_does_not_verify_is_not_forked(tmp_path: Path) -> None:
    run = record_of(tmp_path, looping())
    journal = run.directory.events
    journal.write_bytes(journal.read_bytes().replace(b'"index":2', b'"index":7'))
    with pytest.raises(ChainBroken):
        find_fork_point(run, "make")


def orders_to(place: Workplace, clock: ManualClock) -> Orders:
    numbers = iter(range(200))
    return Orders(
        place.root, "ada", clock, lambda count: bytes([next(numbers)] * count), Redactor()
    )


def test_fork_does_not_change_an_ended_run(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", line("a"), {"a": FAIL}), ManualClock()
    place.run()
    before = (place.root / "events.jsonl").read_bytes()
    assert not asyncio.run(orders_to(place, clock).end_and_wait("back"))
    assert (place.root / "events.jsonl").read_bytes() == before


async def until_ordered(place: Workplace) -> None:
    await until(lambda: [*RunDirectory(place.root).inbox.glob("*.json")])


@pytest.mark.parametrize("is_taken", [False, True])
def test_run_is_canceled_although_its_runner_died_with_the_order(
    tmp_path: Path, is_taken: bool
) -> None:
    place, clock = Workplace(tmp_path / "run", line("a")), ManualClock()

    async def scene() -> bool:
        with place.open() as run:
            ending = asyncio.ensure_future(orders_to(place, clock).end_and_wait("back"))
            await until_ordered(place)
            if is_taken:
                run.take_orders()
        return await ending is not None

    assert asyncio.run(scene())
    with place.open() as run:
        assert run.state.status == CANCELED
        assert run.state.canceled == "canceled by ada: back"


def test_waiting_for_a_runner_has_a_time_limit(tmp_path: Path) -> None:
    place, clock = Workplace(tmp_path / "run", line("a")), ManualClock()

    async def scene() -> None:
        with place.open() as run:
            ending = asyncio.ensure_future(orders_to(place, clock).end_and_wait("back"))
            await until_ordered(place)
            run.take_orders()
            async with asyncio.timeout(PATIENCE_S):
                while not ending.done():
                    await clock.turn(timedelta(seconds=END_PATIENCE_S / 4))
                    await asyncio.sleep(0.01)
            await ending

    with pytest.raises(Refused, match="its process has not ended yet"):
        asyncio.run(scene())
