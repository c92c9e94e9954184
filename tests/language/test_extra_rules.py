"""Rules that callers bring along, by name or as the specification has them."""

from collections.abc import Iterator
from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.language import Diagnostic, Graph, Vocabulary, parse, prepare, validate
from attractor.language.diagnostics import warning
from attractor.language.extra_rules import ExtraRules

GRAPH = parse("digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }")


class NoGoal:
    """As the specification has it: a name, and a graph to look at."""

    name = "no_goal"

    def apply(self, graph: Graph) -> Iterator[Diagnostic]:
        if not graph.goal:
            yield warning("there is no goal", node="start")


class TooSmall:
    def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
        yield warning(f"{len(graph.nodes)} nodes, {vocabulary.types}")


@pytest.mark.parametrize(
    "rules", [[NoGoal(), TooSmall()], {"no_goal": NoGoal(), "too_small": TooSmall()}]
)
def test_further_rules_speak_under_their_names(rules: ExtraRules) -> None:
    vocabulary = Vocabulary(types={"start", "exit"})
    found = [one.rule for one in validate(GRAPH, extra_rules=rules, vocabulary=vocabulary)]
    assert sorted(found) == ["no_goal", "too_small"]


def test_they_are_asked_when_a_text_is_prepared_too() -> None:
    text = "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    [told] = prepare(text, extra_rules=[NoGoal()]).diagnostics
    assert (told.rule, told.node_id) == ("no_goal", "start")


class Reachability:
    """A rule with the name of a built-in one, which finds something else."""

    def __init__(self, *found: str) -> None:
        self._found = found

    def apply(self, graph: Graph) -> list[Diagnostic]:
        return [warning(one) for one in self._found]


LOST = parse(
    "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; a [prompt=a]; start -> exit }"
)


def reported(graph: Graph, rules: Any) -> list[tuple[str, str]]:
    return [(one.rule, one.message) for one in validate(graph, extra_rules=rules)]


def test_a_built_in_rule_stays_beside_one_of_the_same_name() -> None:
    built_in = reported(LOST, [])
    assert [rule for rule, _ in built_in] == ["reachability"]
    assert reported(LOST, [Reachability()]) == built_in
    assert sorted(reported(LOST, [Reachability("mine")])) == sorted(
        [*built_in, ("reachability", "mine")]
    )
    assert sorted(reported(LOST, {"reachability": Reachability("mine")})) == sorted(
        [*built_in, ("reachability", "mine")]
    )


def test_two_rules_of_one_class_both_speak() -> None:
    rules = [Reachability("one"), Reachability("two")]
    assert reported(GRAPH, rules) == [("reachability", "one"), ("reachability", "two")]


def test_rules_that_come_one_by_one_are_known_to_a_comment_too() -> None:
    text = (
        "digraph G {\n// attractor: ignore[too_small]\n"
        "start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
    )
    found = prepare(text, extra_rules=(one for one in [TooSmall()])).diagnostics
    assert [one.message for one in found if one.rule == "unused_ignore"] == [
        "this comment silences nothing: 'too_small' does not speak here"
    ]


class HTTPCheck2Go:
    def apply(self, graph: Graph, *rest: object) -> list[Diagnostic]:
        return [warning("found")]


def test_a_rule_without_a_name_goes_by_the_words_of_its_class() -> None:
    assert reported(GRAPH, [HTTPCheck2Go()]) == [("http_check2_go", "found")]


class WithNothing:
    def apply(self, graph: Graph) -> None:
        return None


class WithWords:
    def apply(self, graph: Graph) -> list[str]:
        return ["wrong"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (object(), "the rule 'object' has no method apply"),
        (NoGoal, "the rule 'no_goal' is a class"),
        (WithNothing(), "the rule 'with_nothing' returned NoneType, no diagnostics"),
        (WithWords(), "the rule 'with_words' found str, no diagnostics"),
    ],
)
def test_what_is_no_rule_is_named(rule: Any, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        validate(GRAPH, extra_rules=[rule])
    assert raised.value.message == message
    assert raised.value.hint
