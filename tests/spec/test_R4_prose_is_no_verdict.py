"""Ruling R4, the part of the codergen handler: text at a goal gate is no verdict."""

from attractor.engine.outcome import Outcome, StageStatus
from attractor.language.source.syntax_tree import Plain
from tests.handlers.stages import Play, Saying, graph, node


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


def test_R4_auto_status_lets_text_be_enough() -> None:
    assert said("All done!", goal_gate=True, auto_status=True).status is StageStatus.SUCCESS
