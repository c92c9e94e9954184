import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.base.json import Json
from attractor.handlers.choices import (
    GateChoice,
    find_choices,
    match_choice,
    match_target,
    preferred_label,
)
from tests.handlers.stages import edge, edge_if, graph


def choices_of(**labels: str) -> tuple[GateChoice, ...]:
    return find_choices(
        graph(*(edge("gate", to, label=label) for to, label in labels.items())), "gate"
    )


def keys_of(*labels: str) -> list[str]:
    return [one.key for one in choices_of(**{f"to{n}": label for n, label in enumerate(labels)})]


def test_a_choice_has_the_key_the_words_and_the_target_of_its_edge() -> None:
    assert choices_of(ship="[Y] Yes, deploy", fix="No") == (
        GateChoice("Y", "[Y] Yes, deploy", "ship"),
        GateChoice("N", "No", "fix"),
    )


@pytest.mark.parametrize("label", ["", "  "])
def test_an_edge_without_a_label_is_chosen_by_its_target(label: str) -> None:
    assert choices_of(ship=label) == (GateChoice("S", "ship", "ship"),)


def test_an_edge_drawn_twice_is_one_choice() -> None:
    twice = edge("gate", "ship", label="Yes")
    assert len(find_choices(graph(twice, twice), "gate")) == 1


@pytest.mark.parametrize(
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
def test_a_way_is_offered_when_its_condition_would_hold_if_it_were_chosen(
    key: str, value: str
) -> None:
    yes, fix = (
        edge("gate", "ship", label="Yes"),
        edge_if("gate", "fix", key, value, label="[F] Fix"),
    )
    values: dict[str, Json] = {"color": "red", "human.gate.selected": "Y"}
    assert [one.key for one in find_choices(graph(yes, fix), "gate", values)] == ["Y", "F"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("outcome", "fail"), ("preferred_label", "Yes"), ("context.color", "blue")],
)
def test_a_way_whose_condition_would_not_hold_is_not_offered(key: str, value: str) -> None:
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


DEPLOY = choices_of(ship="[Y] Yes, deploy", fix="No", stop="Q - Quit")


@pytest.mark.parametrize(
    ("answer", "target"),
    [
        ("Y", "ship"),
        ("y", "ship"),
        (" y \n", "ship"),
        ("[y] yes, DEPLOY", "ship"),
        ("yes, deploy", "ship"),
        ("ship", "ship"),
        ("SHIP", "ship"),
        ("no", "fix"),
        ("quit", "stop"),
    ],
)
def test_key_label_and_target_are_matched_in_any_case(answer: str, target: str) -> None:
    choice = match_choice(answer, DEPLOY)
    assert choice is not None
    assert choice.target == target


@pytest.mark.parametrize("answer", ["", " ", "x", "yes", "ye", "[N] Yes, deploy", "[] no", "ships"])
def test_anything_else_matches_nothing(answer: str) -> None:
    assert match_choice(answer, DEPLOY) is None


def test_an_empty_answer_chooses_nothing_whatever_is_empty_in_a_choice() -> None:
    assert match_choice(" ", (GateChoice("Y", "Yes", ""),)) is None


def test_a_key_goes_before_a_label_and_a_label_before_a_target() -> None:
    choices = (GateChoice("A", "x", "b"), GateChoice("B", "a", "x"))
    assert match_choice("a", choices) == choices[0]
    assert match_choice("b", choices) == choices[1]
    assert match_choice("x", choices) == choices[0]


def test_of_two_that_could_be_meant_neither_is() -> None:
    choices = choices_of(ship="Go on", fix="go on ")
    assert match_choice("go on", choices) is None
    assert match_choice("fix", choices) == choices[1]


def test_a_default_is_a_target_first() -> None:
    choices = (GateChoice("B", "Go", "a"), GateChoice("A", "Stop", "b"))
    assert match_target("b", choices) == choices[1]
    assert match_target("stop", choices) == choices[1]
    assert match_target("nowhere", choices) is None


def test_default_of_two_choices_matches_by_label() -> None:
    choices = (GateChoice("B", "Now", "ship"), GateChoice("A", "Later", "ship"))
    assert match_target("ship", choices) is None
    assert match_target("later", choices) == choices[1]


def test_a_label_is_preferred_only_when_it_tells_the_choice_from_the_others() -> None:
    choices = choices_of(ship="[Y] Yes", fix="yes", stop="No")
    assert [preferred_label(one, choices) for one in choices] == ["", "", "No"]
