"""Ruling R6: a branch runs its whole subgraph up to the fan-in, and no stage runs twice."""

import asyncio
from pathlib import Path

import pytest

from attractor.engine.outcome import Outcome, StageStatus, success
from attractor.engine.seams import Stage
from attractor.language.diagnostics import Severity
from attractor.language.graph.graph import Graph
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.reading import parse
from attractor.language.rules import fan_in_taken
from attractor.language.source.syntax_tree import Plain
from tests.engine.forked import branch_steps, forked, results, until_there_is, words, wrote
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, RETRY, Script, Workplace, run_graph
from tests.tables import table

A, B = "fan@1.1/a", "fan@1.1/b"


def steps(tmp_path: Path, whole: Graph, script: Script | None = None) -> dict[str, list[str]]:
    """Run a graph to a successful end, and return the stages of each branch."""
    result, place = run_graph(tmp_path, whole, script)
    assert result.outcome is StageStatus.SUCCESS, result.reason
    return branch_steps(place)


def test_R6_branches_run_to_the_node_where_they_meet(tmp_path: Path) -> None:
    result, place = run_graph(tmp_path, forked("a a2 a3", "b"))
    assert branch_steps(place) == {A: ["a", "a2", "a3"], B: ["b"]}
    assert result.completed == ("start", "a", "a2", "a3", "b", "fan", "join")
    assert ("fan", "join", "join") in place.edges()
    # No branch is entered twice.
    assert sorted(place.handler.nodes) == ["a", "a2", "a3", "b"]


def test_R6_events_name_the_edges_of_a_fork(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, forked("a", "b"))
    [chosen] = [one for one in place.events("EdgeSelected") if one.node == "fan"]
    assert (chosen.data["target"], chosen.data["reason"]) == ("join", "join")
    candidates = chosen.data["candidates"]
    assert isinstance(candidates, list)
    found = [(one["target"], one["fate"]) for one in candidates if isinstance(one, dict)]
    assert found == [("a", "it begins a branch"), ("b", "it begins a branch")]


def test_R6_there_are_retries_in_a_branch(tmp_path: Path) -> None:
    tried = node("a", max_retries=2, retry_policy="none")
    _, place = run_graph(
        tmp_path, forked("a", "b", nodes=[tried]), {"a": [RETRY, RETRY, success()]}
    )
    assert [call for call in place.handler.calls if call[0] == "a"] == [
        ("a", 1, 1),
        ("a", 1, 2),
        ("a", 1, 3),
    ]
    assert words(place) == ["a success", "b success"]
    assert [one.branch for one in place.events("StageRetrying")] == [A, A]


def test_R6_same_failures_in_a_branch_end_only_the_branch(tmp_path: Path) -> None:
    stuck = node("a", max_retries=9, max_same_failures=2, retry_policy="none")
    result, place = run_graph(tmp_path, forked("a a2", "b b2", nodes=[stuck]), {"a": FAIL})
    assert words(place) == ["a fail", "b success"]
    assert sorted(place.handler.nodes) == ["a", "a", "b", "b2"]
    message = "a failed in the same way 2 times in a row (max_same_failures=2): broken"
    assert results(place)[0]["failure_reason"] == message
    assert result.outcome is StageStatus.SUCCESS


def test_R6_on_failure_continues_a_branch_despite_a_retry_target_outside(tmp_path: Path) -> None:
    failing = node("a", retry_target="fix", on_failure="continue")
    whole = forked("a a2", "b", nodes=[failing, node("fix")], edges=chain("start", "fix", "fan"))
    _, place = run_graph(tmp_path, whole, {"a": FAIL})
    assert branch_steps(place)[A] == ["a", "a2"]
    assert words(place) == ["a partial_success", "b success"]


def test_R6_there_are_conditions_in_a_branch(tmp_path: Path) -> None:
    whole = forked(
        "b",
        nodes=[node("judge", "diamond")],
        edges=[
            *chain("fan", "a", "judge"),
            edge("judge", "good", "outcome=success"),
            edge("judge", "bad", "outcome=fail"),
            *chain("good", "join"),
            *chain("bad", "join"),
        ],
    )
    taken = steps(tmp_path, whole, {"a": FAIL})
    assert taken[A] == ["a", "judge", "bad"]


def test_R6_there_are_loops_in_a_branch_with_their_limits(tmp_path: Path) -> None:
    loop = [edge("a", "a2"), edge("a2", "a", "outcome=fail"), edge("a2", "join", "outcome=success")]
    whole = forked("b", edges=[edge("fan", "a"), *loop])
    assert steps(tmp_path / "good", whole, {"a2": [FAIL, FAIL, success()]})[A] == ["a", "a2"] * 3
    _, place = run_graph(
        tmp_path / "endless",
        forked("b", nodes=[node("a", max_visits=2)], edges=[edge("fan", "a"), *loop]),
        {"a2": FAIL},
    )
    assert branch_steps(place)[A] == ["a", "a2"] * 2
    [end_] = [one for one in results(place) if one["id"] == "a"]
    assert end_["failure_reason"] == "node a: limit max_visits=2 reached"
    assert words(place) == ["b success", "a fail"]


def test_R6_a_jump_after_a_failure_stays_in_the_branch(tmp_path: Path) -> None:
    whole = forked("a a2", "b", nodes=[node("a2", retry_target="a")])
    assert steps(tmp_path, whole, {"a2": [FAIL, success()]})[A] == ["a", "a2", "a", "a2"]


@table("where", ["node", "graph"])
def test_R6_a_failure_handled_elsewhere_fails_the_branch(tmp_path: Path, where: str) -> None:
    gate = node("a", goal_gate=True, **({"retry_target": "plan"} if where == "node" else {}))
    whole = graph(
        [start(), end(), node("fan", "component"), node("join", "tripleoctagon"), gate],
        [*chain("start", "plan", "fan", "a", "join", "exit"), *chain("fan", "b", "join")],
        **({"retry_target": "plan"} if where == "graph" else {}),
    )
    result, place = run_graph(tmp_path, whole, {"a": FAIL})
    assert place.handler.nodes.count("plan") == 1
    assert words(place) == ["a fail", "b success"]
    assert [one["failure_reason"] for one in results(place)] == ["broken", ""]
    # The gate is in a branch that was not adopted.
    assert result.outcome is StageStatus.SUCCESS


def test_R6_a_branch_that_would_lead_elsewhere_by_an_edge_fails(tmp_path: Path) -> None:
    leaving = [edge("a", "exit", "outcome=success", weight=1)]
    _, place = run_graph(tmp_path / "exit", forked("a", "b", edges=leaving))
    message = "the branch leads to exit before branches meet at join"
    assert results(place)[0]["failure_reason"] == message
    back = [edge("a", "plan", "outcome=success")]
    whole = graph(
        [start(), end(), node("fan", "component"), node("join", "tripleoctagon")],
        [*chain("start", "plan", "fan", "a", "join", "exit"), *chain("fan", "b", "join"), *back],
    )
    _, place = run_graph(tmp_path / "back", whole)
    assert results(place)[0]["failure_reason"] == message.replace("exit", "plan", 1)
    assert place.handler.nodes.count("plan") == 1


def test_R6_branches_meet_at_the_nearest_node_that_is_on_every_way(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("fan", "component")],
        [*chain("start", "fan", "a", "both", "after", "exit"), *chain("fan", "b", "both")],
    )
    result, place = run_graph(tmp_path, whole)
    assert branch_steps(place) == {A: ["a"], B: ["b"]}
    assert result.completed == ("start", "a", "b", "fan", "both", "after")


def test_R6_without_a_fan_in_branches_may_meet_at_the_exit(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("fan", "component")],
        [*chain("start", "fan", "a", "exit"), *chain("fan", "b", "b2", "exit")],
    )
    result, place = run_graph(tmp_path, whole, {"b": FAIL})
    assert result.outcome is StageStatus.SUCCESS
    assert branch_steps(place) == {A: ["a"], B: ["b"]}
    assert place.json("final.json")["node"] == "exit"
    assert ("fan", "exit", "join") in place.edges()


def test_R6_a_branch_may_be_empty(tmp_path: Path) -> None:
    whole = forked("a", edges=[edge("fan", "join")])
    result, place = run_graph(tmp_path, whole, {"a": FAIL})
    assert words(place) == ["a fail", "join success"]
    assert result.outcome is StageStatus.SUCCESS
    assert place.handler.nodes == ["a"]
    completed = place.events("ParallelBranchCompleted")
    assert sorted(str(one.data["outcome"]) for one in completed) == ["fail", "success"]


def test_R6_two_edges_to_one_node_are_two_branches(tmp_path: Path) -> None:
    _, place = run_graph(tmp_path, forked("a", "a"))
    assert [one["branch"] for one in results(place)] == [A, f"{A}#2"]
    assert sorted(place.handler.calls) == [("a", 1, 1), ("a", 2, 1)]


def test_R6_branches_may_branch(tmp_path: Path) -> None:
    whole = forked(
        "b",
        nodes=[node("in", "component"), node("meet", "tripleoctagon")],
        edges=[
            *chain("fan", "a", "in", "x", "x2", "meet", "a3", "join"),
            *chain("in", "y", "meet"),
        ],
    )
    result, place = run_graph(tmp_path, whole, {"y": FAIL})
    assert branch_steps(place) == {
        A: ["a", "in", "meet", "a3"],
        B: ["b"],
        f"{A}/in@1.1/x": ["x", "x2"],
        f"{A}/in@1.1/y": ["y"],
    }
    assert result.completed[-2:] == ("fan", "join")
    assert [one.branch for one in place.events("EdgeSelected") if one.node == "in"] == [A]


def test_R6_nested_forks_need_a_fan_in_each(tmp_path: Path) -> None:
    whole = forked(
        "b",
        nodes=[node("in", "component")],
        edges=[*chain("fan", "in", "x", "join"), *chain("in", "y", "join")],
    )
    result, _ = run_graph(tmp_path, whole)
    assert result.reason == "the branches of fan never meet at one node"
    (found,) = fan_in_taken.part.apply(whole, Vocabulary())
    assert found.severity is Severity.ERROR
    assert found.message == (
        "the branches of 'fan' have no fan-in of their own: 'join' is the fan-in of 'in'"
    )


def test_R6_nodes_that_branches_share_are_visited_by_each(tmp_path: Path) -> None:
    """Visits are numbered in order of start; folders and numbers do not clash."""
    together: list[str] = []

    async def share(stage: Stage) -> Outcome:
        stage.files.write("response.md", f"visit {stage.visit}")
        together.append(stage.node.id)
        while len(together) < 2:
            await asyncio.sleep(0)
        return success(visit=stage.visit)

    whole = forked("a same", "b same", "c")
    result, place = run_graph(tmp_path, whole, {"same": share})
    assert sorted(call for call in place.handler.calls if call[0] == "same") == [
        ("same", 1, 1),
        ("same", 2, 1),
    ]
    folder = place.root / "same"
    first, second = folder, folder / "history" / "2.1"
    for one, visit in ((first, 1), (second, 2)):
        assert (one / "response.md").read_text() == f"visit {visit}"
        assert f'"visit": {visit}' in (one / "status.json").read_text()
    assert result.completed.count("same") == 2
    with place.open() as run:
        assert run.progress.visits("same") == 2


def test_R6_visits_in_branches_count_for_the_limits(tmp_path: Path) -> None:
    whole = forked(
        "a same",
        "b same",
        "c",
        nodes=[node("same", max_visits=3)],
        fan={"max_visits": 3},
        edges=[edge("join", "fan", weight=1)],
    )
    result, place = run_graph(tmp_path, whole)
    assert result.reason == "node fan: limit max_visits=3 reached"
    # Both branches of the second round saw two visits; those of the third round saw four.
    assert place.handler.nodes.count("same") == 4
    assert words(place) == ["a fail", "b fail", "c success"]
    assert results(place)[0]["failure_reason"] == "node same: limit max_visits=3 reached"


def test_R6_each_branch_has_a_clone_of_the_context_and_nothing_is_merged(tmp_path: Path) -> None:
    async def look(stage: Stage) -> Outcome:
        seen = stage.context.get("color")
        stage.context.set("color", stage.node.id)
        return wrote(**{f"saw_{stage.node.id}": seen})

    whole = graph(
        [start(), end(), node("fan", "component"), node("join", "tripleoctagon")],
        [*chain("start", "plan", "fan", "a", "join", "exit"), *chain("fan", "b", "join")],
    )
    _, place = run_graph(tmp_path, whole, {"plan": success(color="red"), "a": look, "b": look})
    updates = [one["context_updates"] for one in results(place)]
    assert updates == [{"color": "a", "saw_a": "red"}, {"color": "b", "saw_b": "red"}]
    with place.open() as run:
        context = run.progress.context
    assert context["color"] == "red"
    assert not [key for key in context if key.startswith("saw_")]


def test_R6_results_are_typed_and_in_the_order_of_the_branches(tmp_path: Path) -> None:
    async def late(stage: Stage) -> Outcome:
        await until_there_is(stage, "a/status.json")
        return Outcome(
            StageStatus.PARTIAL_SUCCESS,
            notes="nearly",
            context_updates={"last_response": "I did it"},
        )

    _, place = run_graph(tmp_path, forked("b", "a"), {"b": late, "a": FAIL})
    first, second = results(place)
    assert sorted(first) == [
        "base",
        "branch",
        "context_updates",
        "cost_usd",
        "failure_reason",
        "files_changed",
        "id",
        "notes",
        "outcome",
        "response",
        "seconds",
        "tree",
    ]
    assert (first["id"], first["outcome"], first["notes"], first["response"]) == (
        "b",
        "partial_success",
        "nearly",
        "I did it",
    )
    assert (second["id"], second["outcome"], second["failure_reason"]) == ("a", "fail", "broken")


def test_R6_an_outcome_from_before_the_fork_is_not_that_of_a_branch(tmp_path: Path) -> None:
    """A branch of conditionals alone has not failed because a stage before it did."""
    whole = graph(
        [start(), end(), node("fan", "component"), node("join", "tripleoctagon")],
        [
            edge("start", "plan"),
            edge("plan", "fan", "outcome=fail"),
            *chain("fan", "look", "join", "exit"),
            *chain("fan", "b", "join"),
        ],
    )
    nodes = {**whole.nodes, "look": node("look", "diamond")}
    whole = Graph(whole.name, nodes, whole.edges, whole.attributes)
    _, place = run_graph(tmp_path, whole, {"plan": FAIL})
    assert words(place) == ["look success", "b success"]


def test_R6_a_failure_that_a_branch_steps_over_makes_the_run_partial(tmp_path: Path) -> None:
    """R2 and R9 apply in branches too; a failure in a branch that is not adopted has no effect."""
    over = node("a", on_failure="continue")
    whole = forked("a a2", "b", nodes=[over], join={"prompt": ""})
    result, place = run_graph(tmp_path / "left out", whole, {"a": FAIL})
    assert words(place) == ["a partial_success", "b success"]
    assert (result.outcome, result.reason) == (StageStatus.SUCCESS, "completed")
    result, place = run_graph(tmp_path / "adopted", whole, {"a": FAIL, "b": FAIL})
    assert words(place) == ["a partial_success", "b fail"]
    assert (result.outcome, result.reason) == (
        StageStatus.PARTIAL_SUCCESS,
        "completed despite failed stages: a",
    )
    assert place.json("final.json")["stepped_over"] == ["a"]


def test_R6_loop_around_a_fork_branches_again(tmp_path: Path) -> None:
    whole = forked(
        "a",
        "b",
        edges=[edge("join", "check", weight=1), edge("check", "fan", "outcome=fail")],
    )
    whole = Graph(
        whole.name,
        whole.nodes,
        (*whole.edges, edge("check", "exit", "outcome=success")),
        whole.attributes,
    )
    result, place = run_graph(tmp_path, whole, {"check": [FAIL, success()]})
    assert result.outcome is StageStatus.SUCCESS
    assert list(branch_steps(place)) == [A, B, "fan@2.1/a", "fan@2.1/b"]
    assert [one["branch"] for one in results(place)] == ["fan@2.1/a", "fan@2.1/b"]


FAILING: dict[str, Plain] = {"join_policy": "first_success"}


def test_R6_a_fork_that_fails_goes_to_its_retry_target(tmp_path: Path) -> None:
    whole = graph(
        [
            start(),
            end(),
            node("fan", "component", retry_target="mend", **FAILING),
            node("join", "tripleoctagon"),
        ],
        [
            *chain("start", "fan", "a", "join", "exit"),
            *chain("fan", "b", "join"),
            *chain("mend", "fan"),
        ],
    )
    script: Script = {"a": [FAIL, success()], "b": FAIL}
    result, place = run_graph(tmp_path, whole, script)
    assert result.outcome is StageStatus.SUCCESS
    assert ("fan", "mend", "retry_target") in place.edges()
    assert place.json("final.json")["handled_failures"] == ["fan"]


def test_R6_a_fork_that_fails_goes_to_its_fallback(tmp_path: Path) -> None:
    fan: dict[str, Plain] = {**FAILING, "fallback_retry_target": "mend", "on_failure": "continue"}
    whole = forked("a", "b", fan=fan, edges=[*chain("mend", "exit")])
    result, place = run_graph(tmp_path, whole, {"a": FAIL, "b": FAIL})
    assert result.completed == ("start", "a", "b", "fan", "mend")
    assert ("fan", "mend", "fallback_retry_target") in place.edges()


def test_R6_a_fork_that_fails_fails_the_run_and_never_takes_its_edges(tmp_path: Path) -> None:
    """No condition, label or skipped failure makes a branch a way out of the fork."""
    nodes = [
        start(),
        end(),
        node("fan", "component", on_failure="continue", join_policy="first_success"),
        node("join", "tripleoctagon"),
        node("judge", "diamond"),
    ]
    ways = [
        edge("fan", "a", "outcome=fail"),
        edge("fan", "b", label="Yes"),
        edge("fan", "judge"),
        *chain("judge", "c", "join"),
        *chain("start", "fan"),
        *chain("a", "join", "exit"),
        *chain("b", "join"),
    ]
    script: Script = dict.fromkeys(("a", "b", "c"), FAIL)
    result, place = run_graph(tmp_path, graph(nodes, ways), script)
    assert result.outcome is StageStatus.FAIL
    message = "(a: fail, b: fail, judge: fail)"
    assert result.reason == f"first_success: 0 of 3 succeeded, 1 needed {message}"
    assert sorted(place.handler.nodes) == ["a", "b", "c"]
    assert place.edges()[-1] == ("fan", "", "failed")


def test_R6_branches_without_a_meeting_fail_the_run(tmp_path: Path) -> None:
    whole = graph(
        [start(), end(), node("fan", "component", retry_target="a")],
        [*chain("start", "fan", "a", "exit"), *chain("fan", "b", "b")],
    )
    result, place = run_graph(tmp_path, whole)
    assert result.reason == "the branches of fan never meet at one node"
    assert place.handler.nodes == []


def test_R6_fork_after_a_failure_branches_like_any_other(tmp_path: Path) -> None:
    whole = parse(
        """digraph G {
            start [shape=Mdiamond]; exit [shape=Msquare]
            work [retry_target=fan, prompt="Work"]
            fan [shape=component]; join [shape=tripleoctagon]
            start -> work -> exit
            fan -> a -> join; fan -> b -> join; join -> work
        }"""
    )
    result, _ = run_graph(tmp_path, whole, {"work": [FAIL, success()]})
    assert result.outcome is StageStatus.SUCCESS
    assert result.completed == ("start", "work", "a", "b", "fan", "join", "work")


def test_R6_concurrent_branches_keep_their_places(tmp_path: Path) -> None:
    """Hundreds of stages in nested branches, a few at a time: each is recorded once."""
    lines = [f"n{one} " + " ".join(f"n{one}_{two}" for two in range(6)) for one in range(12)]
    whole = forked(*lines, fan={"max_parallel": 5})

    async def some(stage: Stage) -> Outcome:
        for _ in range(len(stage.node.id) % 4):
            await asyncio.sleep(0)
        return success()

    names = [id_ for line in lines for id_ in line.split()]
    result, place = run_graph(tmp_path, whole, dict.fromkeys(names, some))
    assert result.completed == ("start", *names, "fan", "join")
    assert [branch_steps(place)[f"fan@1.1/n{one}"] for one in range(12)] == [
        line.split() for line in lines
    ]


def test_R6_max_parallel_is_never_exceeded_also_not_after_a_resume(tmp_path: Path) -> None:
    at_work: set[str] = set()
    most: list[int] = []
    deaths: list[str] = []

    async def work(stage: Stage) -> Outcome:
        at_work.add(stage.node.id)
        most.append(len(at_work))
        await asyncio.sleep(0)
        at_work.discard(stage.node.id)
        if stage.node.id == "n5" and not deaths:
            deaths.append("n5")
            at_work.clear()
            raise KeyboardInterrupt
        return success()

    names = [f"n{one}" for one in range(9)]
    whole = forked(*names, fan={"max_parallel": 3})
    place = Workplace(tmp_path / "run", whole, dict.fromkeys(names, work))
    with pytest.raises(KeyboardInterrupt):
        place.run()
    assert place.run().outcome is StageStatus.SUCCESS
    assert max(most) == 3
    assert words(place) == [f"{name} success" for name in names]
