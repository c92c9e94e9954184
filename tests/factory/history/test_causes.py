"""Causes across runs: groups of failed, stopped and rejected runs."""

import random
from collections import Counter
from pathlib import Path

from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage
from attractor.engine.run_folder.layout import create_run_directory
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.state.run_state import BOOTING, CANCELED, EXECUTING, FAILED
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.history.causes import CauseGroup, read_causes
from attractor.factory.history.index import RunIndex
from tests.counts import count
from tests.engine.graphs import line
from tests.engine.runs import Workplace, manifest
from tests.factory.flows import Flow, make_flow

EACH, SINGLE = count(ci=(3, 2), full=(16, 20))
FULL = "[Errno 28] No space left on device: '{path}'"
COMMON = [
    ("plan", "tool_command ended with exit code 1: {count} tests failed in {path}"),
    ("plan", "timed out after {count}m"),
    ("plan", "ServerError: openai answered 500: {id}"),
    ("plan", "AuthenticationError: openai answered 401: {id}"),
]


def fail(flow: Flow, name: str, node: str, reason: str, **facts: str) -> None:
    """Record a run that fails at a node, with a usage of 10 tokens for 0.25 dollars."""
    graph = line("plan", "build", "check")
    create_run_directory(
        flow.runs_dir / name, manifest(graph, run_id=name, **facts), "digraph T {}\n"
    )
    failed = Outcome(
        StageStatus.FAIL,
        failure_reason=reason,
        failure_class=FailureClass.TERMINAL,
        usage=Usage(6, 4, 0.25),
    )
    Workplace(flow.runs_dir / name, graph, {node: failed}).run()


def causes(flow: Flow, since: str = "") -> list[CauseGroup]:
    return [*read_causes(RunIndex(flow.machine.state_dir), flow.runs_dir, since)]


def groups_of(flow: Flow) -> list[tuple[int, str, float]]:
    return [(len(one.runs), one.cause.reason, one.usage.cost_usd) for one in causes(flow)]


def test_runs_of_five_causes_are_five_groups(tmp_path: Path) -> None:
    flow, randomness = make_flow(tmp_path), random.Random(5)
    runs = [
        (node, reason.format(path=f"/tmp/{number}/x", count=number + 2, id=f"req_0000{number:04}"))
        for number in range(EACH)
        for node, reason in [*COMMON, (("plan", "build", "check")[number % 3], FULL)]
    ]
    runs += [("build", f"unknown word {letter}") for letter in "abcdefghijklmnopqrst"[:SINGLE]]
    randomness.shuffle(runs)
    for number, (node, reason) in enumerate(runs):
        # A full disk stops stages of several pipelines.
        pipeline = node if "No space left" in reason else "wish"
        fail(flow, f"R{number:03}", node, reason, pipeline=pipeline)
    found = groups_of(flow)
    assert [(number, cost) for number, _, cost in found[:5]] == [(EACH, EACH * 0.25)] * 5
    assert {reason for _, reason, _ in found[:5]} == {
        "disk full",
        "openai answered 401",
        "openai answered 500",
        "timed out after #",
        "tool_command ended with exit code 1: # test failed in <path>",
    }
    assert Counter(number for number, _, _ in found[5:]) == {1: SINGLE}


def test_past_runs_are_in_the_order_of_their_ends(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    # The run that began last ended first.
    for name in ("R3", "R1", "R2"):
        fail(flow, name, "plan", "broken")
    with RunIndex(flow.machine.state_dir).opened() as index:
        found = index.past_runs(flow.runs_dir)
    assert [one.run_id for one in found] == ["R3", "R1", "R2"]


def test_difference_to_the_last_success_before_the_first_run(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    for name, profile in (("R1", "old@1"), ("R2", "strict@1")):
        graph = line("plan", "build", "check")
        facts = manifest(graph, run_id=name, profile=profile)
        create_run_directory(flow.runs_dir / name, facts, "digraph T {}\n")
        Workplace(flow.runs_dir / name, graph).run()
    fail(flow, "R3", "build", "broken", profile="strict@2", content_hash="b" * 64)
    fail(flow, "R4", "build", "broken", profile="strict@3")
    [group] = causes(flow)
    assert group.latest_run.endswith("/R4")
    assert (group.last_success, len(group.runs)) == ("R2", 2)
    assert [(one.fact, one.before, one.now) for one in group.differences] == [
        ("pipeline", "a" * 12, "b" * 12),
        ("profile", "strict@1", "strict@2"),
    ]
    assert causes(flow, "2026-02-01") == []


def test_only_failed_and_resumable_runs_have_a_cause(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    for name, statuses in {
        "R1": (BOOTING, EXECUTING),
        "R2": (BOOTING, EXECUTING, CANCELED),
        "R3": (),
        "R4": (BOOTING, FAILED),
    }.items():
        graph = line("plan")
        create_run_directory(flow.runs_dir / name, manifest(graph, run_id=name), "digraph T {}\n")
        with open_run(flow.runs_dir / name, clock=flow.machine.clock, before_end=None) as run:
            for status in statuses:
                run.change_status(status)
    Workplace(flow.runs_dir / "R5", line("plan")).run()
    found = {run.directory.name: one.cause.reason for one in causes(flow) for run in one.runs}
    assert found == dict.fromkeys(("R1", "R4"), "the process ended without a reason")


def test_no_go_is_grouped_by_the_rules_of_the_gate(tmp_path: Path) -> None:
    flow = make_flow(tmp_path, wanted="something else")
    rejected, undecided = flow.launch(), flow.launch(goal="again")
    rules = ", ".join(sorted(flow.rules(undecided)))
    assert rules
    flow.decide(rejected, DecisionKind.REJECTED)
    [group] = causes(flow)
    assert (group.cause.is_no_go, group.cause.reason) == (True, rules)
    assert {run.run_id for run in group.runs} == {rejected.run_id, undecided.run_id}
