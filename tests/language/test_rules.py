"""The page of every rule is true: its example breaks the rule, what it says instead does not."""

import inspect
import textwrap
from importlib import import_module

import pytest

from attractor.language.diagnostics import Diagnostic, Severity
from attractor.language.graph import Edge, Graph, Node
from attractor.language.lint_rule import rule_registry
from attractor.language.preparation import prepare
from attractor.language.validation import validate
from attractor.language.values import Attributes
from attractor.language.vocabulary import Vocabulary

NAMES = list(rule_registry())
TYPES = Vocabulary(types={"start", "exit", "codergen", "wait.human", "tool", "conditional"})
ERRORS = {
    "attribute_value",
    "condition_syntax",
    "distinct_ids",
    "edge_target_exists",
    "exit_no_outgoing",
    "reachability",
    "start_no_incoming",
    "start_node",
    "stylesheet_syntax",
    "terminal_node",
}


def page(name: str) -> str:
    return inspect.getdoc(import_module(f"attractor.language.rules.{name}")) or ""


def shown(name: str, heading: str) -> str:
    _, _, behind = page(name).partition(f"{heading}:\n\n")
    lines: list[str] = []
    for line in behind.splitlines():
        if line and not line.startswith("    "):
            break
        lines.append(line)
    return textwrap.dedent("\n".join(lines))


def found(text: str, rule: str = "") -> list[Diagnostic]:
    diagnostics = prepare(text, vocabulary=TYPES).diagnostics
    return [one for one in diagnostics if not rule or one.rule == rule]


def inside(text: str) -> str:
    return f"digraph G {{ start [shape=Mdiamond]; exit [shape=Msquare]; {text} }}"


@pytest.mark.parametrize("name", NAMES)
def test_the_example_breaks_the_rule_and_nothing_graver(name: str) -> None:
    broken = found(shown(name, "Example"), name)
    assert broken
    assert all(one.fix and one.span.is_somewhere for one in broken)
    assert {one.severity for one in broken} == {
        Severity.ERROR if name in ERRORS else Severity.WARNING
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_instead_is_without_fault(name: str) -> None:
    assert found(shown(name, "Instead")) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_what_and_why(name: str) -> None:
    assert "\n\nWhat it does: " in page(name)
    assert "\n\nWhy: " in page(name)


def test_a_second_start_and_a_second_exit_are_named() -> None:
    text = inside("s2 [shape=Mdiamond]; e2 [shape=Msquare]; start -> exit; s2 -> e2")
    assert [(one.rule, one.node) for one in found(text)] == [
        ("start_node", "s2"),
        ("terminal_node", "e2"),
    ]


def test_an_empty_graph_lacks_both_ends_and_nothing_else() -> None:
    assert [one.rule for one in found("digraph G {}")] == ["start_node", "terminal_node"]


def test_edges_in_code_may_name_no_node_at_all() -> None:
    graph = Graph("G", {"start": Node("start")}, (Edge("start", "strat"),))
    broken = [one for one in validate(graph) if one.rule == "edge_target_exists"]
    assert [(one.node, one.edge) for one in broken] == [("strat", ("start", "strat"))]


def test_a_condition_is_pointed_at_within_its_value() -> None:
    text = inside('start -> exit [condition="outcome=success && x>3"]')
    (one,) = found(text, "condition_syntax")
    assert text[one.span.column - 1 : one.span.end_column - 1] == "x>3"
    assert one.edge == ("start", "exit")


def test_a_condition_with_escapes_is_pointed_at_whole() -> None:
    text = inside(r'start -> exit [condition="a=\"b\" && x>3"]')
    (one,) = found(text, "condition_syntax")
    assert text[one.span.column - 1 : one.span.end_column - 1] == r'"a=\"b\" && x>3"'


def test_a_condition_of_a_chain_is_reported_once_but_each_one_made_in_code() -> None:
    assert len(found(inside("start -> a -> exit [condition=b]"), "condition_syntax")) == 1
    broken = Attributes.of({"condition": "b"})
    graph = Graph("G", {}, (Edge("a", "b", broken), Edge("b", "c", broken)))
    assert [one.rule for one in validate(graph)].count("condition_syntax") == 2


def test_a_mistake_in_a_stylesheet_over_several_lines_is_pointed_at() -> None:
    text = inside('start -> exit\nmodel_stylesheet = "\n  * { llm_model: a; }\n  box { modl: b }"')
    (one,) = found(text, "stylesheet_syntax")
    assert (one.span.line, one.span.column, one.span.end_column) == (4, 9, 13)


def test_types_are_not_judged_where_they_are_not_known() -> None:
    text = inside("a [type=mine]; start -> a -> exit")
    assert [one.rule for one in prepare(text).diagnostics] == []
    assert [one.rule for one in found(text)] == ["type_known"]


def test_a_mistake_in_a_default_block_is_reported_once() -> None:
    text = inside(
        "node [promt=x, max_retries=many]; a [prompt=y]; b [prompt=z]; start -> a -> b -> exit"
    )
    assert [one.rule for one in found(text)] == ["unknown_attribute", "attribute_value"]


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("a [goal=x]", "it belongs on the graph"),
        ("graph [prompt=x]", "it belongs on a node"),
        ("a [weight=1]", "it belongs on an edge"),
        ("a [promt=x]", "did you mean prompt?"),
        ("a [model=x]", "write llm_model"),
        ("a [zzzzzz=x]", "take it away"),
        ("a [color=red, tooltip=x]", ""),
    ],
)
def test_an_unknown_attribute_has_its_fix(text: str, fix: str) -> None:
    told = [one.fix for one in found(inside(text), "unknown_attribute")]
    assert told == ([fix] if fix else [])


@pytest.mark.parametrize(
    ("attribute", "is_fine"),
    [
        ("max_retries=3", True),
        ('max_retries="3"', True),
        ("max_retries=1.5", False),
        ("goal_gate=true", True),
        ('goal_gate="false"', True),
        ("goal_gate=yes", False),
        ("timeout=900s", True),
        ('timeout="15m"', True),
        ('timeout=""', True),
        ("timeout=15", False),
        ("if_interrupted=ask", True),
        ("if_interrupted=perhaps", False),
        ("retry_policy=patient", True),
        ("prompt=5", True),
    ],
)
def test_a_value_is_of_its_type(attribute: str, is_fine: bool) -> None:
    assert (found(inside(f"a [{attribute}]"), "attribute_value") == []) is is_fine


def test_a_goal_gate_may_rely_on_the_graphs_target() -> None:
    text = inside("a [goal_gate=true]; start -> a -> exit")
    assert found(text, "goal_gate_has_retry")
    assert not found(text.replace("{", "{ retry_target=a;", 1), "goal_gate_has_retry")


def test_ten_thousand_mistakes_take_no_longer_than_they_are_worth() -> None:
    edges = "\n".join(f"start -> nowhere_{i} [unknown_{i}=1]" for i in range(3_000))
    diagnostics = found(inside(edges))
    assert sum(one.rule == "edge_target_exists" for one in diagnostics) == 3_000
    assert sum(one.rule == "unknown_attribute" for one in diagnostics) == 3_000
