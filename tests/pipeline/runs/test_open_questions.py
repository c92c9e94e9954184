"""Of several questions one is named, and a refusal says how, however many there are."""

import shlex
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.errors import Refused, UsageError
from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.language.reading import parse
from attractor.pipeline.runs.open_questions import (
    answer_command,
    pick,
    pick_all,
    read_choices,
)
from attractor.pipeline.simulation.simulate import check_answers

NOW = datetime(2026, 1, 31, tzinfo=UTC)
YES = (Option("Y", "Yes"),)
GATE = Question("gate@1.1", "Go?", QuestionKind.MULTIPLE_CHOICE, YES, "gate")
MANY = [replace(GATE, id=f"gate@{at}.1") for at in range(120, 0, -1)]
OTHER = replace(GATE, id="other@1.1", stage="other", options=(Option("N", "No"),))


def read(*questions: Question) -> list[str]:
    return read_choices("yes", questions, NOW, go_on="GO ON", listing="LIST")


def test_a_refusal_names_a_few_of_many_in_the_order_of_their_numbers() -> None:
    with pytest.raises(UsageError, match="the run asks 120 questions") as caught:
        pick(MANY, "", where="WHERE", listing="LIST")
    assert caught.value.hint == (
        "name one: --question gate@1.1 or gate@2.1 or gate@3.1 (117 more); "
        "all of them, with their commands: LIST"
    )
    with pytest.raises(Refused) as unknown:
        pick(MANY, "fate", where="WHERE", listing="LIST")
    assert unknown.value.hint == "it asks: gate@1.1, gate@2.1, gate@3.1 (117 more)"


def test_one_is_meant_by_its_id_and_all_of_a_node_by_its_name() -> None:
    assert pick([*MANY, OTHER], "other", where="", listing="") is OTHER
    assert pick(MANY, "gate@7.1", where="", listing="").id == "gate@7.1"
    assert len(pick_all([*MANY, OTHER], "gate", where="")) == 120


def test_the_same_words_are_the_answer_to_all_or_to_none() -> None:
    assert read(GATE, replace(GATE, options=(Option("1", "[Y] Yes"),))) == ["Y", "1"]
    with pytest.raises(UsageError, match="no answer to 1 of 2 questions: other@1.1") as caught:
        read(GATE, OTHER)
    assert caught.value.hint == "nothing was answered; what each of them asks: LIST"
    late = replace(GATE, deadline="2026-01-30T00:00:00+00:00")
    with pytest.raises(Refused, match="was up"):
        read(GATE, late)


def test_the_question_is_named_where_it_is_given() -> None:
    assert answer_command("R", "Y") == "attractor answer R Y"
    assert answer_command("R", "Y", question="g@1.1") == "attractor answer R --question g@1.1 Y"
    assert answer_command("R", "", question="g@1.1") == "attractor answer R --question g@1.1"
    assert answer_command("R", "") == "attractor answer R"


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_a_shell_reads_the_answer_as_it_was_and_never_as_an_option(said: str) -> None:
    *words, last = shlex.split(answer_command("R", said))
    assert last == said
    assert (words[-1] == "--") is said.startswith("-")


GRAPH = parse("""digraph G {
    start [shape=Mdiamond]; exit [shape=Msquare]; ask [shape=hexagon]
    start -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> later [label="Yesterday"]
    ask -> again [label="Anew", condition="context.tries=3"]
    again -> exit; later -> exit
}""")


@pytest.mark.parametrize("answer", ["Y", "1", "yes", "[Y] Yes", "exit", "ANEW", "A", "later"])
def test_what_may_be_chosen_at_any_time_is_a_choice(answer: str) -> None:
    check_answers(GRAPH, {"ask": ["Yesterday", answer]})


@pytest.mark.parametrize(
    ("answers", "said", "hint"),
    [
        ({"ask": ["Yes", "Maybe"]}, "node 'ask' has no choice 'Maybe'", "its choices: [Y] Yes,"),
        ({"ask": ["Yesterdy"]}, "no choice 'Yesterdy'", "did you mean Yesterday?"),
        ({"again": ["Yes"]}, "node 'again' asks nobody", "give it an outcome instead"),
        ({"aks": ["Yes"]}, "unknown node 'aks'", "did you mean ask?"),
    ],
)
def test_what_nobody_could_choose_is_refused(
    answers: dict[str, list[str]], said: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        check_answers(GRAPH, answers)
    assert raised.value.hint.startswith(hint)
