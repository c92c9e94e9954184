"""Of several questions one is named, and a refusal says how, however many there are."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from attractor.base.errors import Refused, UsageError
from attractor.engine.questions.question import Option, Question, QuestionKind
from attractor.pipeline.open_questions import pick, pick_all, read_choices

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
