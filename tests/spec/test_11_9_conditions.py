"""Definition of Done 11.9: condition expressions."""

from collections.abc import Mapping

from attractor.engine.outcome import StageStatus
from attractor.engine.routing.edge_selection import make_lookup
from attractor.language import parse
from tests.tables import table

VALUES = {
    "outcome": "success",
    "preferred_label": "Fix",
    "context.tests_passed": "true",
    "context.loop.state": "running",
}


def holds(condition: str, values: Mapping[str, str] = VALUES) -> bool:
    text = condition.replace('"', '\\"')
    (edge,) = parse(f'digraph G {{ a -> b [condition="{text}"] }}').edges
    return edge.condition.holds(lambda key: values.get(key, ""))


def test_11_9_equals() -> None:
    assert holds("outcome=success")
    assert not holds("outcome=fail")
    assert not holds("preferred_label=fix")


def test_11_9_not_equals() -> None:
    assert holds("outcome!=fail")
    assert not holds("outcome!=success")


def test_11_9_and_joins_clauses() -> None:
    assert holds("outcome=success && context.tests_passed=true")
    assert not holds("outcome=success && context.tests_passed=false")
    assert not holds("outcome=fail && context.tests_passed=true")
    assert holds("outcome=success && context.tests_passed=true && preferred_label=Fix")


@table("status", ["success", "retry", "fail", "partial_success"])
def test_11_9_outcome_is_the_nodes_status(status: str) -> None:
    assert holds(f"outcome={status}", {"outcome": status})
    assert not holds(f"outcome={status}", {"outcome": "skipped"})


def test_11_9_preferred_label_is_the_outcomes() -> None:
    assert holds("preferred_label=Fix")
    assert holds('preferred_label="[F] Fix it"', {"preferred_label": "[F] Fix it"})


def test_11_9_context_keys_are_looked_up_and_missing_ones_are_empty() -> None:
    assert holds("context.loop.state!=exhausted")
    assert not holds("context.missing=x")
    assert holds("context.missing!=x")
    assert holds('context.missing=""')


def test_11_9_engine_resolves_keys_as_specified() -> None:
    (edge,) = parse('digraph G { a -> b [condition="context.a.b=1 && c=2"] }').edges
    lookup = make_lookup(StageStatus.SUCCESS, "Fix", {"a.b": 1, "c": "2"})
    assert edge.condition.holds(lookup)
    assert not edge.condition.holds(make_lookup(StageStatus.SUCCESS, "", {"context.a.b": 1}))


@table("condition", ["", "   "])
def test_11_9_an_empty_condition_always_holds(condition: str) -> None:
    assert holds(condition, {})
