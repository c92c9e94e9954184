"""Outcomes in conditions are converted, and nothing else changes."""

from hypothesis import given, strategies as st

from attractor.language.converter.word_tables import convert_condition
from tests.tables import table


@table(
    ("written", "ours"),
    [
        ("outcome=succeeded", "outcome=success"),
        ("outcome=failed", "outcome=fail"),
        ("outcome!=failure", "outcome!=fail"),
        ("outcome=partially_succeeded", "outcome=partial_success"),
        ("outcome = SUCCESS", "outcome = success"),
        ("outcome=degraded-success", "outcome=partial_success"),
        ("context.outcome=ok", "context.outcome=success"),
        (r"outcome=\"failed\" && context.a=b", r"outcome=\"fail\" && context.a=b"),
        ("outcome=failed && outcome!=error", "outcome=fail && outcome!=fail"),
        ("outcome=process", "preferred_label=process"),
        ("outcome!=needs_dod", "preferred_label!=needs_dod"),
        ("!outcome=failed || context.n > 3", "!outcome=fail || context.n > 3"),
    ],
)
def test_outcomes_of_other_tools_are_converted(written: str, ours: str) -> None:
    converted = convert_condition(written)
    assert converted.text == ours
    assert converted.changed


@table(
    "written",
    [
        "",
        "outcome=success && context.tests_passed=true",
        "outcome=retry",
        "preferred_label=failed",
        "context.word=failed",
        r"context.text=\"outcome=failed\"",
        r"context.text=\"a \\\" outcome=failed\"",
        "tool.output=ok",
    ],
)
def test_conditions_of_attractor_are_unchanged(written: str) -> None:
    converted = convert_condition(written)
    assert (converted.text, converted.changed, converted.left) == (written, [], [])


@table(
    ("written", "key"),
    [
        ("codergen.validate.verdict = fail", "codergen.validate.verdict"),
        ("tool.verify.output = pass", "tool.verify.output"),
        ("context.internal.node_visit_count >= 5", "context.internal.node_visit_count"),
    ],
)
def test_unwritten_key_is_reported(written: str, key: str) -> None:
    converted = convert_condition(written)
    assert converted.text == written
    ((message, advice),) = converted.left
    assert message == f"unknown key {key}: Attractor does not set it"
    assert advice


@given(st.text())
def test_conversion_is_idempotent(written: str) -> None:
    once = convert_condition(written).text
    assert convert_condition(once).text == once
