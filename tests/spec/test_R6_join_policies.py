"""Ruling R6: the end of a fork by its join policy, in real runs."""

import asyncio
from pathlib import Path

from attractor.base.json import Json
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, failure, success
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Parts, Stage
from attractor.handlers.for_each import ForEach
from attractor.language.source.syntax_tree import Plain
from tests.engine.forked import branch_steps, forked, until_there_is, words, wrote
from tests.engine.graphs import chain, edge, end, graph, node, start
from tests.engine.runs import FAIL, Script, Silent, Workplace, run_graph
from tests.tables import table


async def hang(stage: Stage) -> Outcome:
    await asyncio.Event().wait()
    return success()


def run(tmp_path: Path, script: Script, **fan: Plain) -> tuple[RunResult, Workplace]:
    return run_graph(tmp_path, forked("a", "b", "c", fan=fan), script)


def fork_of(place: Workplace) -> str:
    return str(place.json("fan/status.json")["outcome"])


def test_R6_wait_all_is_partial_when_a_branch_failed(tmp_path: Path) -> None:
    result, place = run(tmp_path / "bad", {"b": FAIL})
    assert (fork_of(place), words(place)) == (
        "partial_success",
        ["a success", "b fail", "c success"],
    )
    # The run continues at the fan-in, and its own success is complete.
    assert result.outcome is StageStatus.SUCCESS
    _, place = run(tmp_path / "good", {})
    assert fork_of(place) == "success"


def test_R6_first_success_cancels_the_others_and_records_it(tmp_path: Path) -> None:
    result, place = run(tmp_path, {"a": hang, "c": hang}, join_policy="first_success")
    assert result.outcome is StageStatus.SUCCESS
    assert words(place) == ["a canceled", "b success", "c canceled"]
    recorded = {one.branch: one.data for one in place.events("ParallelBranchCompleted")}
    assert {key: data["outcome"] for key, data in recorded.items()} == {
        "fan@1.1/a": "canceled",
        "fan@1.1/b": "success",
        "fan@1.1/c": "canceled",
    }
    assert recorded["fan@1.1/a"]["success"] is False
    assert recorded["fan@1.1/a"]["reason"] == "the join policy no longer needs it"
    assert place.json("final.json")["stages"] == len(result.completed) == 4


def test_R6_first_success_waits_for_one(tmp_path: Path) -> None:
    _, place = run(tmp_path, {"a": FAIL, "b": FAIL}, join_policy="first_success")
    assert (fork_of(place), words(place)) == ("success", ["a fail", "b fail", "c success"])


def test_R6_unstarted_branch_leaves_only_its_result(tmp_path: Path) -> None:
    _, place = run(tmp_path, {}, join_policy="first_success", max_parallel=1)
    assert words(place) == ["a success", "b canceled", "c canceled"]
    assert place.handler.nodes == ["a"]
    assert [one.branch for one in place.events("ParallelBranchCompleted")] == ["fan@1.1/a"]


@table(
    ("script", "fan", "ended"),
    [
        ({"c": hang}, {"k": 2}, ["a success", "b success", "c canceled"]),
        ({"b": FAIL}, {"k": 2}, ["a success", "b fail", "c success"]),
        ({"a": FAIL, "c": hang}, {"k": 3}, ["a fail", "b success", "c canceled"]),
        ({"a": FAIL, "b": FAIL, "c": hang}, {"k": 2}, ["a fail", "b fail", "c canceled"]),
    ],
)
def test_R6_k_of_n_ends_as_soon_as_it_is_decided(
    tmp_path: Path, script: Script, fan: dict[str, Plain], ended: list[str]
) -> None:
    result, place = run(tmp_path, script, join_policy="k_of_n", **fan)
    is_met = len([one for one in ended if "success" in one]) >= int(str(fan["k"]))
    assert (result.outcome is StageStatus.SUCCESS) is is_met
    assert fork_of(place) == ("success" if is_met else "fail")
    if is_met:
        assert words(place) == ended
    else:
        found = ", ".join(one.replace(" ", ": ") for one in ended)
        assert result.reason.endswith(f"{fan['k']} needed ({found})")


def test_R6_a_quorum_is_more_than_half(tmp_path: Path) -> None:
    _, place = run(tmp_path / "three", {"a": FAIL, "b": success()}, join_policy="quorum")
    assert fork_of(place) == "success"
    whole = forked("a", "b", "c", "d", fan={"join_policy": "quorum"})
    result, place = run_graph(tmp_path / "four", whole, {"a": FAIL, "b": FAIL, "d": hang})
    assert result.outcome is StageStatus.FAIL
    assert "2 of 4" not in result.reason
    assert "3 needed" in result.reason


def test_R6_all_waits_for_every_branch_and_names_each_failure(tmp_path: Path) -> None:
    async def late(stage: Stage) -> Outcome:
        await until_there_is(stage, "lint/status.json")
        return failure("2 tests failed", FailureClass.VERDICT)

    lint = failure("line too long", FailureClass.VERDICT)
    # The branch of the tests arrives at the fan-in after its failure, by a conditional.
    of_tests = [
        *chain("fan", "build", "test", "which", "join"),
        edge("test", "which", "outcome=fail"),
    ]
    whole = forked(
        "lint",
        "docs",
        nodes=[node("which", "diamond")],
        edges=of_tests,
        fan={"join_policy": "all", "retry_policy": "none"},
    )
    result, place = run_graph(tmp_path / "bad", whole, {"lint": lint, "test": late})
    assert words(place) == ["lint fail", "docs success", "build fail"]
    assert result.outcome is StageStatus.FAIL
    assert result.reason == (
        "all: 2 of 3 branches failed (lint: line too long; build at test: 2 tests failed)"
    )
    assert place.json("fan/status.json")["failure_class"] == "verdict"
    assert "canceled" not in str(place.events("ParallelBranchCompleted"))
    result, place = run_graph(tmp_path / "good", whole, {})
    assert (fork_of(place), result.outcome) == ("success", StageStatus.SUCCESS)


def test_R6_all_applies_to_the_items_of_a_list(tmp_path: Path) -> None:
    def play(name: str, items: list[Json]) -> RunResult:
        nodes = [
            node("list", "box"),
            node("fan", type="for_each", items="names", join_policy="all"),
        ]
        ways = chain("start", "list", "fan", "check", "join", "exit")
        whole = graph([start(), end(), *nodes, node("join", "tripleoctagon")], ways)

        async def check(stage: Stage) -> Outcome:
            if stage.context.get("work.item") == "bad":
                return failure("does not compile", FailureClass.VERDICT)
            return success()

        script: Script = {"list": wrote(names=items), "check": check}
        place = Workplace(tmp_path / name, whole, script)
        place.handlers["for_each"] = ForEach(Parts(Silent(), Silent()))
        return place.run()

    result = play("bad", ["good", "bad", "good"])
    assert result.reason == "all: 1 of 3 branches failed (2 at check: does not compile)"
    assert play("good", ["good"]).outcome is StageStatus.SUCCESS
    assert play("none", []).outcome is StageStatus.SUCCESS


def test_R6_a_policy_without_its_number_fails_the_fork(tmp_path: Path) -> None:
    result, place = run(tmp_path, {}, join_policy="k_of_n")
    assert "missing or invalid k" in result.reason
    assert place.handler.nodes == []


def test_R6_running_command_of_a_canceled_branch_is_killed(tmp_path: Path) -> None:
    left: list[str] = []

    async def linger(stage: Stage) -> Outcome:
        try:
            return await hang(stage)
        finally:
            left.append(stage.node.id)

    async def late(stage: Stage) -> Outcome:
        await until_there_is(stage, "a")
        return success()

    _, place = run(tmp_path, {"a": linger, "b": late, "c": FAIL}, join_policy="first_success")
    assert left == ["a"]
    assert branch_steps(place) == {"fan@1.1/b": ["b"], "fan@1.1/c": ["c"]}


def test_R6_the_events_of_a_fork_are_those_of_the_specification(tmp_path: Path) -> None:
    """attractor-spec 9.6."""
    _, place = run(tmp_path, {"b": FAIL})
    [started] = place.events("ParallelStarted")
    [completed] = place.events("ParallelCompleted")
    assert (started.node, started.visit, started.data["branch_count"]) == ("fan", 1, 3)
    assert (completed.data["success_count"], completed.data["failure_count"]) == (2, 1)
    assert isinstance(completed.data["duration"], float)
    kinds = [one.type for one in place.events() if one.type.startswith("Parallel")]
    assert (kinds[0], kinds[-1]) == ("ParallelStarted", "ParallelCompleted")
    assert kinds.count("ParallelBranchStarted") == kinds.count("ParallelBranchCompleted") == 3
    for one in place.events("ParallelBranchStarted"):
        assert {"branch", "index"} <= set(one.data)
    for one in place.events("ParallelBranchCompleted"):
        assert {"branch", "index", "duration", "success"} <= set(one.data)
