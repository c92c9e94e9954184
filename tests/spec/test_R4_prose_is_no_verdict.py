"""Ruling R4, the part of the codergen handler: text is no verdict where one is required."""

from collections.abc import Callable
from pathlib import Path

from attractor.engine.outcome import FailureClass, Outcome, StageStatus
from attractor.language.source.syntax_tree import Plain
from tests.handlers.stages import Play, Saying, graph, node
from tests.spec.runs import ScriptedBackend, between, events, record, run
from tests.tables import table


def said(answer: Outcome | str, **plain: Plain) -> Outcome:
    pipeline = graph(node("build", **plain), require_verdict=True)
    return Play(pipeline, "build", backend=Saying(answer)).run()


def test_R4_text_alone_at_a_goal_gate_under_require_verdict_is_no_verdict() -> None:
    outcome = said("All done!", goal_gate=True)
    assert (outcome.status, outcome.failure_reason) == (StageStatus.FAIL, "no_verdict")


def test_R4_an_outcome_is_a_verdict() -> None:
    green = Outcome(StageStatus.SUCCESS)
    assert said(green, goal_gate=True) is green


def test_R4_text_at_a_plain_stage_is_success() -> None:
    assert said("All done!").status is StageStatus.SUCCESS


def test_R4_text_at_a_stage_that_requires_a_verdict_is_no_verdict() -> None:
    outcome = said("All done!", require_verdict=True)
    assert (outcome.failure_class, outcome.failure_reason) == (FailureClass.VERDICT, "no_verdict")


def test_R4_auto_status_lets_text_be_enough() -> None:
    assert said("All done!", goal_gate=True, auto_status=True).status is StageStatus.SUCCESS


# Without a report of a coding agent, the rule of the specification holds (4.5, smoke test 11.13).
@table("backend", [ScriptedBackend, lambda: "simulate"])
def test_R4_text_of_a_callback_or_a_simulation_meets_a_goal_gate_and_is_marked(
    tmp_path: Path, backend: Callable[[], ScriptedBackend | str]
) -> None:
    text = between("gate [prompt=Judge, goal_gate=true]", "plain [prompt=Write]")
    text = text.replace("}", "start -> plain -> gate -> exit }")
    result = run(tmp_path, text, backend=backend())
    assert result.outcome is StageStatus.SUCCESS
    assert [one.node for one in events(result, "OutcomeAssumed")] == ["gate"]
    assert record(result, "final.json")["assumed_outcomes"] == ["gate"]
