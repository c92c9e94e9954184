"""Where a run begins anew, and what the next one knows of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.engine.errors import NotRunnable
from attractor.engine.events import RunRestarting
from attractor.engine.inbox import Action, Order, leave_order
from attractor.engine.moves import Bounds, Decision, choose_move
from attractor.engine.outcome import NOTHING_USED, Usage, success
from attractor.engine.past import Past
from attractor.engine.preflight import preflight
from attractor.engine.progress import Progress, StageRecord, Visit, begin
from attractor.engine.restarts import begin_again, restart_limit
from attractor.engine.secrets import Redactor
from attractor.engine.simulated_walk import walk
from attractor.engine.status import CANCELED, EXECUTING
from attractor.language.graph.graph import Edge, Graph
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, Scripted, Workplace, handlers_of

AGAIN = [
    *chain("start", "a", "judge", "exit"),
    edge("judge", "a", "outcome=fail", loop_restart=True),
]


def again(**attributes: int) -> Graph:
    return graph([start(), end()], AGAIN, **attributes)


def judged(
    whole: Graph, progress: Progress | None = None, bounds: Bounds | None = None
) -> Decision:
    visit = Visit("judge", 1, 1, FAIL)
    return choose_move(whole, progress or begin(whole, "", {}), visit, bounds or Bounds())


def test_a_marked_edge_leads_to_a_restart_at_its_target() -> None:
    decision = judged(again())
    assert (decision.move.target, decision.move.is_restart) == ("a", True)
    assert decision.move.end is None
    # The failed stage that is left by it is dealt with.
    assert decision.move.is_handled


def test_other_ways_out_of_the_node_go_on_in_the_run() -> None:
    whole = again()
    visit = Visit("judge", 1, 1, success())
    assert not choose_move(whole, begin(whole, "", {}), visit).move.is_restart


@pytest.mark.parametrize(("attributes", "limit"), [({}, 5), ({"max_restarts": 2}, 2)])
def test_restarts_are_bounded_exactly_and_the_limit_is_named(
    attributes: dict[str, int], limit: int
) -> None:
    whole = again(**attributes)
    assert restart_limit(whole) == limit
    assert judged(whole, Progress("judge", restarts=limit - 1)).move.is_restart
    last = judged(whole, Progress("judge", restarts=limit)).move
    assert last.end is not None
    assert last.end.reason == f"loop_restart: limit max_restarts={limit} reached"
    assert not last.is_restart


def test_a_restart_needs_no_visit_that_is_left() -> None:
    whole = again(max_node_visits=1)
    progress = Progress("judge", stages={"a": StageRecord(1, success().status)})
    assert judged(whole, progress).move.is_restart


def test_a_branch_cannot_restart_the_run() -> None:
    move = judged(again(), bounds=Bounds(until="meet")).move
    assert move.end is not None
    assert "out of a branch" in move.end.reason
    assert not move.is_restart


def test_the_next_run_knows_only_what_is_to_be_kept() -> None:
    used = Usage(input_tokens=5, cost_usd=1.5)
    before = Progress(
        "a",
        tree="t",
        context={
            "graph.goal": "g",
            "context.keep.lesson": "l",
            "context.other": "o",
            "outcome": "fail",
            "internal.retry_count.a": 1,
        },
        stages={"a": StageRecord(2, FAIL.status)},
        completed=("start", "a", "judge"),
        last_status=FAIL.status,
        redirects=3,
        usage=used,
        seconds=7.0,
        restarts=1,
        is_restarting=True,
    )
    assert begin_again(before) == Progress(
        "a",
        "loop_restart",
        tree="t",
        context={"graph.goal": "g", "context.keep.lesson": "l"},
        past=Past(keys=("context.keep.lesson",), values=1),
        usage=used,
        seconds=7.0,
        restarts=2,
    )


FORKED = [
    *chain("start", "fan", "b1", "meet", "exit"),
    *chain("fan", "b2", "meet"),
]


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([edge("a", "exit", loop_restart=True)], "behind the exit nothing can begin anew"),
        ([edge("b1", "start", loop_restart=True)], "no run can begin anew out of a branch"),
        ([edge("b1", "meet", loop_restart=True)], "no run can begin anew out of a branch"),
        ([edge("fan", "b1", loop_restart=True)], "this edge is a branch"),
    ],
)
def test_a_misplaced_restart_is_refused(edges: Sequence[Edge], words: str) -> None:
    nodes = [start(), end(), node("fan", "component"), node("meet", "tripleoctagon")]
    whole = graph(nodes, [*FORKED, *edges])
    with pytest.raises(NotRunnable, match=words):
        preflight(whole, handlers_of(Scripted()), Redactor())


def test_a_restart_behind_the_branches_is_fine() -> None:
    nodes = [start(), end(), node("fan", "component"), node("meet", "tripleoctagon")]
    whole = graph(nodes, [*FORKED, edge("meet", "start", "outcome=fail", loop_restart=True)])
    preflight(whole, handlers_of(Scripted()), Redactor())


def test_a_run_that_is_to_go_on_as_another_one_stands_where_it_was(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", again(), {"judge": FAIL})
    result = place.run()
    assert (result.is_restarting, result.standing) == (True, EXECUTING)
    # As long as nobody makes the other one, whoever resumes it finds it there.
    again_ = place.run()
    assert (again_.is_restarting, place.handler.nodes) == (True, ["a", "judge"])
    assert not (place.root / "final.json").exists()
    with place.open() as run:
        assert run.state.is_restarting
        assert not run.state.may_walk
        run.record(RunRestarting("01JZ0000000000000000000001", "a", 1), sync=True)
        assert run.state.why_canceled == "restarted"
    with place.open() as run:
        assert run.state.restarted_as == "01JZ0000000000000000000001"


def test_a_person_who_ends_the_run_is_heeded_before_the_restart(tmp_path: Path) -> None:
    place = Workplace(tmp_path / "run", again(), {"judge": FAIL})
    place.run()
    leave_order(place.root / "inbox", Order(Action.CANCEL, "ann"), name="1")
    result = place.run()
    assert (result.is_restarting, result.standing) == (False, CANCELED)
    assert result.reason == "canceled by ann"


def test_a_simulated_walk_goes_through_all_rounds() -> None:
    handler = Scripted({"judge": [FAIL, FAIL, success()]})
    one = asyncio.run(walk(again(), handlers_of(handler)))
    assert one.path == ("start", "a", "judge", "a", "judge", "a", "judge", "exit")
    assert [step.decision.move.is_restart for step in one.steps].count(True) == 2
    assert one.never_taken == ()
    # Visits are counted through all rounds.
    assert [step.visit.number for step in one.steps if step.visit.node == "judge"] == [1, 2, 3]


def test_a_simulated_walk_ends_where_no_more_rounds_are_left() -> None:
    one = asyncio.run(walk(again(max_restarts=1), handlers_of(Scripted({"judge": FAIL}))))
    assert one.end is not None
    assert one.end.reason == "loop_restart: limit max_restarts=1 reached"
    assert [step.visit.node for step in one.steps] == ["start", "a", "judge", "a", "judge"]


def test_what_was_used_before_it_began_is_nothing() -> None:
    assert begin_again(Progress("a")).usage == NOTHING_USED
