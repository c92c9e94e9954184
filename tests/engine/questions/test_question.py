import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.engine.questions.question import (
    TARGETS,
    Answer,
    AnswerKind,
    Option,
    Question,
    QuestionKind,
    choices_of,
    find_option,
    read_answer,
    require_answer,
    with_option,
)
from tests.tables import table

YES, NO, QUIT = Option("Y", "[Y] Yes, deploy"), Option("N", "No"), Option("1", "Q - Quit")
GATE = Question(
    "gate@1.1",
    "Deploy?",
    QuestionKind.MULTIPLE_CHOICE,
    (YES, NO, QUIT),
    "gate",
    metadata={TARGETS: {"Y": "ship", "N": "fix", "1": "exit"}},
)


def plain(kind: QuestionKind, *options: Option) -> Question:
    return Question("q", "?", kind, options, "gate")


@table(
    ("said", "option"),
    [
        ("y", YES),
        (" Y \n", YES),
        ("[y] yes, DEPLOY", YES),
        ("yes, deploy", YES),
        ("ship", YES),
        ("no", NO),
        ("FIX", NO),
        ("quit", QUIT),
        ("1", QUIT),
    ],
)
def test_key_label_and_target_are_matched_in_any_case(said: str, option: Option) -> None:
    assert find_option(said, GATE) == option


@table("said", ["", " ", "yes", "x", "Q", "0"])
def test_anything_else_matches_nothing(said: str) -> None:
    assert find_option(said, GATE) is None
    assert read_answer(said, GATE) is None


def test_ambiguous_label_selects_no_option() -> None:
    twice = plain(QuestionKind.MULTIPLE_CHOICE, Option("1", "Go"), Option("2", "go"))
    assert find_option("go", twice) is None
    assert find_option("2", twice) == twice.options[1]


def test_answer_has_key_option_and_text() -> None:
    assert read_answer("no", GATE, by="ann") == Answer(AnswerKind.GIVEN, "N", "ann", NO, "no")


@pytest.mark.parametrize("kind", [QuestionKind.YES_NO, QuestionKind.CONFIRMATION])
def test_yes_and_no_have_many_spellings_and_no_others(kind: QuestionKind) -> None:
    for said, value in [("y", "yes"), (" Yes ", "yes"), ("N", "no"), ("no", "no")]:
        answer = read_answer(said, plain(kind, YES, NO))
        assert answer is not None
        assert answer.value == value
    assert read_answer("[Y] Yes, deploy", plain(kind, YES, NO)) is None
    assert [one.key for one in choices_of(plain(kind))] == ["yes", "no"]


@given(st.text())
def test_free_text_is_unchanged(said: str) -> None:
    answer = read_answer(said, plain(QuestionKind.FREEFORM, YES))
    assert answer == Answer(AnswerKind.GIVEN, said, text=said)


@table(
    ("asked", "said", "hint"),
    [
        (GATE, "maybe", "choose one of Y ([Y] Yes, deploy), N (No), 1 (Q - Quit)"),
        (plain(QuestionKind.YES_NO), "maybe", "choose one of yes (Yes), no (No)"),
        (plain(QuestionKind.FREEFORM), " ", ""),
    ],
)
def test_invalid_answer_is_refused(asked: Question, said: str, hint: str) -> None:
    with pytest.raises(UsageError, match=r"invalid choice|invalid answer") as refused:
        require_answer(said, asked)
    assert refused.value.hint == hint


def test_answer_gets_the_option_that_it_means() -> None:
    given = Answer(AnswerKind.GIVEN, "n", "ann")
    assert with_option(given, GATE) == Answer(AnswerKind.GIVEN, "N", "ann", NO, "n")
    for other in (Answer(AnswerKind.GIVEN, "maybe"), Answer(AnswerKind.TIMEOUT, "N")):
        assert with_option(other, GATE) == other
