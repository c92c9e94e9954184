"""Ruling L6, its core: `&&` in quotes is text, outcomes have aliases, mistakes are diagnosed."""

import pytest

from attractor.language import parse, validate


def test_L6_and_within_quotes_is_text() -> None:
    (edge,) = parse(r'digraph G { a -> b [condition="context.x=\"p && q\""] }').edges
    assert edge.condition.holds({"context.x": "p && q"}.__getitem__)
    assert edge.condition.keys() == {"context.x"}


@pytest.mark.parametrize(
    ("alias", "word"),
    [
        ("succeeded", "success"),
        ("failed", "fail"),
        ("failure", "fail"),
        ("partially_succeeded", "partial_success"),
    ],
)
def test_L6_aliases_of_outcomes_are_compared_as_their_canonical_form(alias: str, word: str) -> None:
    (edge,) = parse(f'digraph G {{ a -> b [condition="outcome={alias}"] }}').edges
    assert edge.condition.holds({"outcome": word}.__getitem__)
    assert not edge.condition.holds({"outcome": "retry"}.__getitem__)


def test_L6_a_condition_with_a_mistake_is_a_diagnostic_and_never_holds() -> None:
    graph = parse('digraph G { start; exit; start -> exit [condition="outcome >> success"] }')
    assert [one.rule for one in validate(graph)] == ["condition_syntax"]
    assert not graph.edges[0].condition.holds(lambda key: "success")
