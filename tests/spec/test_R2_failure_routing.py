"""Ruling R2: routes after a failure, their order, and handled failures."""

from pathlib import Path

from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.state.run_state import FAILED
from tests.engine.graphs import chain, edge, end, graph, line, node, start
from tests.engine.runs import FAIL, run_graph


def test_R2_true_condition_handles_a_failure(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("work", retry_target="elsewhere")],
        [
            *chain("start", "work", "exit"),
            edge("work", "fix", "outcome=fail"),
            *chain("fix", "exit"),
            *chain("elsewhere", "exit"),
        ],
    )
    result, place = run_graph(tmp_path, whole, {"work": FAIL})
    assert result.outcome is StageStatus.SUCCESS
    assert result.completed == ("start", "work", "fix")
    assert place.json("final.json")["handled_failures"] == ["work"]


def test_R2_a_named_unconditional_edge_comes_next(tmp_path: Path) -> None:
    whole = graph(
        [start(), end()],
        [*chain("start", "work", "exit"), edge("work", "fix", label="Fix"), *chain("fix", "exit")],
    )
    by_label = Outcome(StageStatus.FAIL, preferred_label="fix")
    by_id = Outcome(StageStatus.FAIL, suggested_next_ids=("fix",))
    for name, said in (("label", by_label), ("id", by_id)):
        result, _ = run_graph(tmp_path / name, whole, {"work": said})
        assert result.completed == ("start", "work", "fix")


def test_R2_an_edge_into_a_conditional_comes_before_the_retry_target(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("work", retry_target="fix"), node("judge", "diamond")],
        [
            *chain("start", "work", "judge"),
            edge("judge", "exit", "outcome=fail"),
            edge("work", "exit", weight=5),
            *chain("fix", "exit"),
        ],
    )
    result, place = run_graph(tmp_path, whole, {"work": FAIL})
    assert result.completed == ("start", "work", "judge")
    assert place.edges()[1] == ("work", "judge", "into_conditional")


def test_R2_conditional_without_outcome_check_handles_no_failure(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("work", retry_target="fix"), node("through", "diamond")],
        [*chain("start", "work", "through", "exit"), *chain("fix", "exit")],
    )
    result, _ = run_graph(tmp_path, whole, {"work": FAIL})
    assert result.completed == ("start", "work", "fix")


def test_R2_retry_target_then_its_fallback(tmp_path: Path) -> None:
    ways = [*chain("start", "work", "exit"), *chain("one", "exit"), *chain("two", "exit")]
    both = node("work", retry_target="one", fallback_retry_target="two")
    second = node("work", retry_target="missing", fallback_retry_target="two")
    for name, work, target in (("a", both, "one"), ("b", second, "two")):
        whole = graph([start(), end(), work], ways)
        result, _ = run_graph(tmp_path / name, whole, {"work": FAIL})
        assert result.completed == ("start", "work", target)


def test_R2_a_failing_gate_goes_to_the_graphs_target_as_a_redirect(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("work", goal_gate=True)],
        chain("start", "plan", "work", "exit"),
        retry_target="plan",
    )
    result, place = run_graph(tmp_path, whole, {"work": [FAIL, success()]})
    assert result.completed == ("start", "plan", "work", "plan", "work")
    assert place.json("final.json")["redirects"] == 1


def test_R2_run_without_a_route_fails_with_the_reason_of_the_stage(tmp_path: Path) -> None:
    result, _ = run_graph(tmp_path, line("work", "rest"), {"work": FAIL})
    assert (result.status, result.reason) == (FAILED, "broken")


def test_R2_skipped_failure_ends_with_partial_success(tmp_path: Path) -> None:
    whole = line("work", "rest", on_failure="continue")
    result, place = run_graph(tmp_path, whole, {"work": FAIL})
    assert (result.outcome, result.reason) == (
        StageStatus.PARTIAL_SUCCESS,
        "completed despite failed stages: work",
    )
    assert place.json("final.json")["stepped_over"] == ["work"]


def test_R2_a_stage_that_can_take_no_edge_fails_the_run(tmp_path: Path) -> None:
    whole = graph(
        [start(), end()], [*chain("start", "work"), edge("work", "exit", "outcome=retry")]
    )
    result, _ = run_graph(tmp_path, whole)
    assert result.status == FAILED
    assert result.reason.startswith("no_route")


def test_R2_a_stage_without_edges_ends_the_run_as_it_ended_itself(tmp_path: Path) -> None:
    whole = graph([start(), end()], chain("start", "work"))
    good, _ = run_graph(tmp_path / "good", whole)
    assert good.outcome is StageStatus.SUCCESS
    bad, _ = run_graph(tmp_path / "bad", whole, {"work": FAIL})
    assert bad.reason == "broken"
