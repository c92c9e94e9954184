from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from attractor.base.json import Json
from attractor.engine.interviews import AnsweredFirst
from attractor.engine.outcome import FailureClass, StageStatus
from attractor.engine.questions.question import Answer, AnswerKind, Question, question_to_record
from attractor.handlers.wait__human import (
    GateChoice,
    find_choices,
    match_choice,
    match_target,
    preferred_label,
)
from attractor.language.graph.graph import Graph
from attractor.language.source.syntax_tree import Plain
from tests.handlers.stages import Person, Play, edge, edge_if, graph, node
from tests.tables import table


def choices_of(**labels: str) -> tuple[GateChoice, ...]:
    return find_choices(
        graph(*(edge("gate", to, label=label) for to, label in labels.items())), "gate"
    )


def keys_of(*labels: str) -> list[str]:
    return [one.key for one in choices_of(**{f"to{n}": label for n, label in enumerate(labels)})]


def test_choice_has_key_label_and_target_of_its_edge() -> None:
    assert choices_of(ship="[Y] Yes, deploy", fix="No") == (
        GateChoice("Y", "[Y] Yes, deploy", "ship"),
        GateChoice("N", "No", "fix"),
    )


@table("label", ["", "  "])
def test_an_edge_without_a_label_is_chosen_by_its_target(label: str) -> None:
    assert choices_of(ship=label) == (GateChoice("S", "ship", "ship"),)


@table(
    ("key", "value"),
    [
        ("outcome", "success"),
        ("preferred_label", "[F] Fix"),
        ("context.human.gate.selected", "F"),
        ("context.human.gate.label", "[F] Fix"),
        ("context.human.gate.target", "fix"),
        ("context.color", "red"),
    ],
)
def test_edge_is_offered_if_its_condition_would_hold(key: str, value: str) -> None:
    yes, fix = (
        edge("gate", "ship", label="Yes"),
        edge_if("gate", "fix", key, value, label="[F] Fix"),
    )
    values: dict[str, Json] = {"color": "red", "human.gate.selected": "Y"}
    assert [one.key for one in find_choices(graph(yes, fix), "gate", values)] == ["Y", "F"]


@table(
    ("key", "value"), [("outcome", "fail"), ("preferred_label", "Yes"), ("context.color", "blue")]
)
def test_edge_with_a_false_condition_is_not_offered(key: str, value: str) -> None:
    yes, fix = edge("gate", "ship", label="Yes"), edge_if("gate", "fix", key, value, label="Fix")
    values: dict[str, Json] = {"color": "red"}
    assert [one.key for one in find_choices(graph(yes, fix), "gate", values)] == ["Y"]


def test_keys_that_clash_become_numbers() -> None:
    assert keys_of("Approve", "Abort", "Fix") == ["1", "2", "F"]


def test_a_number_that_is_a_key_already_is_left_to_its_choice() -> None:
    assert keys_of("1) One", "Approve", "Abort") == ["1", "2", "3"]
    assert keys_of("Approve", "[a] Abort") == ["1", "2"]


@given(st.lists(st.text(max_size=6), max_size=6))
def test_every_choice_has_unique_key(labels: list[str]) -> None:
    choices = choices_of(**{f"to{n}": label for n, label in enumerate(labels)})
    assert len(choices) == len(labels)
    for choice in choices:
        assert match_choice(choice.key, choices) == choice


def test_empty_answer_matches_no_choice() -> None:
    assert match_choice(" ", (GateChoice("Y", "Yes", ""),)) is None


def test_a_key_goes_before_a_label_and_a_label_before_a_target() -> None:
    choices = (GateChoice("A", "x", "b"), GateChoice("B", "a", "x"))
    assert match_choice("a", choices) == choices[0]
    assert match_choice("b", choices) == choices[1]
    assert match_choice("x", choices) == choices[0]


def test_a_default_is_a_target_first() -> None:
    choices = (GateChoice("B", "Go", "a"), GateChoice("A", "Stop", "b"))
    assert match_target("b", choices) == choices[1]
    assert match_target("stop", choices) == choices[1]
    assert match_target("nowhere", choices) is None


def test_default_of_two_choices_matches_by_label() -> None:
    choices = (GateChoice("B", "Now", "ship"), GateChoice("A", "Later", "ship"))
    assert match_target("ship", choices) is None
    assert match_target("later", choices) == choices[1]


def test_label_is_preferred_only_if_it_is_unique() -> None:
    choices = choices_of(ship="[Y] Yes", fix="yes", stop="No")
    assert [preferred_label(one, choices) for one in choices] == ["", "", "No"]


LATE = Answer(AnswerKind.TIMEOUT)
SKIP = Answer(AnswerKind.SKIPPED)
SOON = timedelta(milliseconds=30)


def gate(**plain: Plain) -> Graph:
    return graph(
        node("gate", shape="hexagon", **plain),
        edge("gate", "ship", label="[A] Approve"),
        edge("gate", "fix", label="[F] Fix"),
        edge("gate", "stop"),
    )


@dataclass
class Asking(Play):
    """A gate with a stand-in for a person, asked within the time limit as in a run."""

    person: Person = field(default_factory=Person)

    def __post_init__(self) -> None:
        self.interviewer = AnsweredFirst(self.person)


def play(*answers: str | Answer, **plain: Plain) -> Asking:
    return Asking(gate(**plain), "gate", person=Person(answers))


def person(it: Asking) -> Person:
    return it.person


def test_an_interview_is_recorded() -> None:
    it = play("F", label="Ready?")
    it.run()
    question = question_to_record(person(it).questions[0])
    (started, first), (completed, last) = it.events.all
    assert (started, first) == ("InterviewStarted", {"question": question})
    assert completed == "InterviewCompleted"
    assert isinstance(last.pop("duration"), float)
    answer = {
        "kind": "given",
        "value": "F",
        "by": "Ada",
        "proof": "unverified",
        "selected_option": {"key": "F", "label": "[F] Fix"},
        "text": "F",
    }
    assert last == {"question": question, "answer": answer}


def test_last_of_several_invalid_answers_is_refused() -> None:
    it = play("yes", "ok", "go" * 500)
    outcome = it.run()
    assert outcome.status is StageStatus.FAIL
    assert outcome.failure_class is FailureClass.TERMINAL
    assert "…': A ([A] Approve)" in outcome.failure_reason
    assert len(outcome.failure_reason) < 400
    assert outcome.suggested_next_ids == ()
    assert outcome.context_updates == {}
    assert len(person(it).questions) == 3


@table("before", [[], ["nonsense"]])
def test_a_skipped_question_fails_and_is_not_asked_again(before: list[str]) -> None:
    it = play(*before, SKIP)
    outcome = it.run()
    assert outcome.status is StageStatus.FAIL
    assert outcome.failure_class is FailureClass.TERMINAL
    assert outcome.failure_reason == "human skipped interaction"
    assert it.events.all[-1][1]["answer"] == {"kind": "skipped", "value": "", "by": ""}


def test_question_has_time_limit_and_default() -> None:
    it = play("f", human__default_choice="ship", timeout=timedelta(hours=2))
    it.run()
    [asked] = person(it).questions
    assert (asked.timeout_seconds, asked.default) == (7200, "A")


def test_invalid_default_choice_is_a_pipeline_error() -> None:
    outcome = play(LATE, human__default_choice="fixx").run()
    assert outcome.status is StageStatus.FAIL
    assert outcome.failure_class is FailureClass.PIPELINE
    assert outcome.failure_reason.startswith("human.default_choice of gate: invalid choice 'fixx'")


def test_default_does_not_replace_skip_or_invalid_answer() -> None:
    assert play(SKIP, human__default_choice="fix").run().status is StageStatus.FAIL
    assert play("x", "x", "x", human__default_choice="fix").run().status is StageStatus.FAIL


@table("answers", [[], ["nonsense"]])
def test_the_timeout_of_the_node_is_the_time_there_is(answers: list[str]) -> None:
    it = play(*answers, timeout=SOON)
    assert it.run().status is StageStatus.RETRY
    assert it.events.kinds == ["InterviewStarted", "InterviewTimeout"]
    duration = it.events.all[-1][1]["duration"]
    assert isinstance(duration, float)
    assert duration >= 0.025


def test_time_limit_of_zero_is_a_limit() -> None:
    assert play(timeout=timedelta()).run().status is StageStatus.RETRY


def test_a_timeout_inside_the_interviewer_is_an_error_of_its_own() -> None:
    class Far(Person):
        async def ask(self, question: Question) -> Answer:
            raise TimeoutError("the chat server does not answer")

    late = gate(timeout=timedelta(minutes=10), human__default_choice="ship")
    it = Asking(late, "gate", person=Far())
    with pytest.raises(TimeoutError, match="chat server"):
        it.run()


def test_gate_without_edges_is_a_pipeline_error() -> None:
    it = Play(graph(node("gate", type="wait.human")), "gate")
    outcome = it.run()
    assert outcome.status is StageStatus.FAIL
    assert outcome.failure_class is FailureClass.PIPELINE
    assert outcome.failure_reason == "No outgoing edges for human gate gate"
    assert it.events.kinds == []
