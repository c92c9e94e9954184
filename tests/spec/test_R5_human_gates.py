"""Ruling R5, the part of the gate's handler and the interviewers."""

from io import StringIO

import pytest

from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.questions.question import Answer, AnswerKind
from attractor.engine.seams import Parked
from attractor.interviewers.registry import interviewer_registry
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Plain
from tests.handlers.stages import Play, edge, graph, node
from tests.interviewers.questions import Terminal, given
from tests.tables import table

LATE = Answer(AnswerKind.TIMEOUT)


def gate(**plain: Plain) -> Graph:
    return graph(
        node("gate", shape="hexagon", **plain),
        edge("gate", "ship", label="[A] Approve"),
        edge("gate", "fix", label="[F] Fix"),
    )


def answered(*answers: Answer, **plain: Plain) -> Outcome:
    queue = interviewer_registry()["queue"](Terminal().parts(answers=answers))
    return Play(gate(**plain), "gate", interviewer=queue).run()


@table("said", ["F", "f", "fix", "[F] Fix", "FIX"])
def test_R5_the_answer_sets_label_target_and_context(said: str) -> None:
    outcome = answered(given(said))
    assert outcome.status is StageStatus.SUCCESS
    assert outcome.preferred_label == "[F] Fix"
    assert outcome.suggested_next_ids == ("fix",)
    assert outcome.context_updates == {
        "human.gate.selected": "F",
        "human.gate.label": "[F] Fix",
        "human.gate.target": "fix",
    }


def test_R5_an_answer_that_matches_nothing_is_asked_again() -> None:
    assert answered(given("yes"), given("fix")).suggested_next_ids == ("fix",)


def test_R5_an_answer_that_matches_nothing_never_becomes_the_first_choice() -> None:
    outcome = answered(*[given("yes")] * 20)
    assert outcome.status is StageStatus.FAIL
    assert (outcome.preferred_label, outcome.suggested_next_ids) == ("", ())
    assert outcome.context_updates == {}


def test_R5_a_time_out_takes_the_default_choice() -> None:
    assert answered(LATE, human__default_choice="fix").suggested_next_ids == ("fix",)


def test_R5_a_time_out_without_a_default_is_retry() -> None:
    assert answered(LATE).status is StageStatus.RETRY


@table("answers", [(Answer(AnswerKind.SKIPPED),), ()])
def test_R5_a_skip_or_the_end_of_the_answers_is_fail(answers: tuple[Answer, ...]) -> None:
    assert answered(*answers, human__default_choice="ship").status is StageStatus.FAIL


def test_R5_end_of_input_parks() -> None:
    console = interviewer_registry()["console"](Terminal(StringIO("")).parts())
    with pytest.raises(Parked):
        Play(gate(), "gate", interviewer=console).run()


def test_R5_parking_raises_with_a_question_that_names_node_visit_and_attempt() -> None:
    park = interviewer_registry()["park"](Terminal().parts())
    play = Play(gate(), "gate", interviewer=park, visit=2, attempt=3)
    with pytest.raises(Parked) as caught:
        play.run()
    assert caught.value.question.id == "gate@2.3"


def test_R5_automatic_approval_is_recorded() -> None:
    approving = interviewer_registry()["auto_approve"](Terminal().parts())
    play = Play(gate(), "gate", interviewer=approving)
    assert play.run().suggested_next_ids == ("ship",)
    answer = {"kind": "given", "value": "A", "by": "auto_approve", "proof": "--auto-approve"}
    assert play.events.all[-1][1]["answer"] == answer
