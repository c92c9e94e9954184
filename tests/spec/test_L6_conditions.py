"""Ruling L6: conditions beyond the core, quotes, aliases, errors, and dead conditions."""

from collections.abc import Mapping

from attractor.language import Severity, parse, prepare, validate
from attractor.language.conditions.condition import keys_of
from tests.tables import table

VALUES = {"outcome": "success", "context.n": "12", "context.log": "2 errors", "context.ok": "true"}


def holds(condition: str, values: Mapping[str, str] = VALUES) -> bool:
    text = condition.replace("\\", "\\\\").replace('"', '\\"')
    (edge,) = parse(f'digraph G {{ a -> b [condition="{text}"] }}').edges
    return edge.condition.holds(lambda key: values.get(key, ""))


def rules(condition: str) -> list[tuple[str, Severity]]:
    text = f'digraph G {{ start; exit; start -> exit [condition="{condition}"]; start -> exit }}'
    spoken = [one for one in prepare(text).diagnostics if "condition" in one.rule]
    return [(one.rule, one.severity) for one in spoken]


def test_L6_and_within_quotes_is_text() -> None:
    (edge,) = parse(r'digraph G { a -> b [condition="context.x=\"p && q\""] }').edges
    assert edge.condition.holds({"context.x": "p && q"}.__getitem__)
    assert keys_of(edge.condition) == {"context.x"}


@table(
    ("condition", "expected"),
    [
        ("outcome=fail || outcome=success", True),
        ("outcome=fail || outcome=retry", False),
        ("!outcome=fail", True),
        ("!(outcome=fail || context.ok)", False),
        ("outcome=success && (outcome=fail || context.ok=true)", True),
        ("outcome=success || outcome=fail && context.ok=false", True),
        ("(outcome=success || outcome=fail) && context.ok=false", False),
        ("context.n < 13", True),
        ("context.n <= 12", True),
        ("context.n > 2", True),
        ("context.n >= 100", False),
        ("context.log > 1", False),
        ("context.log contains error", True),
        ("context.log contains Error", False),
        (r'context.log matches "^\d+ errors?$"', True),
        ('context.log matches "^errors"', False),
        ("context.ok", True),
        ("context.nothing", False),
    ],
)
def test_L6_extensions_of_the_core_are_accepted(condition: str, expected: bool) -> None:
    assert holds(condition) is expected


@table(
    "condition",
    [
        "outcome=fail || outcome=success",
        "!outcome=fail",
        "(outcome=fail)",
        "context.n < 3",
        "context.n <= 3",
        "context.n > 3",
        "context.n >= 3",
        "context.log contains x",
        "context.log matches x",
        "context.ok",
    ],
)
def test_L6_extensions_of_the_core_are_reported(condition: str) -> None:
    assert rules(condition) == [("portable_condition", Severity.INFO)]


@table(
    ("alias", "word"),
    [
        ("succeeded", "success"),
        ("failed", "fail"),
        ("failure", "fail"),
        ("partially_succeeded", "partial_success"),
    ],
)
def test_L6_aliases_of_outcomes_are_compared_as_their_canonical_form(alias: str, word: str) -> None:
    assert holds(f"outcome={alias}", {"outcome": word})
    assert holds(f"outcome={word}", {"outcome": alias})
    assert not holds(f"outcome={alias}", {"outcome": "retry"})


@table("condition", ["outcome=Success", "outcome=done", "outcome=fail && outcome=success"])
def test_L6_a_condition_that_can_never_hold_is_a_warning(condition: str) -> None:
    assert ("dead_condition", Severity.WARNING) in rules(condition)


def test_L6_a_condition_with_a_mistake_is_a_diagnostic_and_never_holds() -> None:
    graph = parse('digraph G { start; exit; start -> exit [condition="outcome >> success"] }')
    assert "condition_syntax" in [one.rule for one in validate(graph)]
    assert not graph.edges[0].condition.holds(lambda key: "success")
