"""Ruling L4b: a mistyped id must not become an empty stage."""

from attractor.language import Severity, parse, validate
from tests.language.pipelines import HUMAN_GATE

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]; work [prompt=x]; start -> work -> exit"


def findings(text: str) -> list[tuple[str, str, str, str]]:
    return [(one.rule, one.severity, one.node, one.fix) for one in validate(parse(text))]


def test_L4b_undeclared_node_in_an_edge_gets_a_warning() -> None:
    graph = parse(HUMAN_GATE)
    assert {"ship_it", "fixes"} <= set(graph.nodes)
    found = [(one.severity, one.node) for one in validate(graph) if one.rule == "undeclared_node"]
    assert found == [(Severity.WARNING, "ship_it"), (Severity.WARNING, "fixes")]


def test_L4b_only_ever_a_target_is_an_error_with_a_guess() -> None:
    assert findings(f"digraph G {{ {ENDS}; work -> wrok; start -> wrok }}") == [
        ("edge_target_exists", "error", "wrok", "did you mean work?")
    ]


def test_L4b_only_ever_a_source_is_an_error_with_a_guess() -> None:
    assert findings(f"digraph G {{ {ENDS}; wrok -> exit }}") == [
        ("edge_target_exists", "error", "wrok", "did you mean work?")
    ]


def test_L4b_declared_anywhere_is_declared() -> None:
    assert findings('digraph G { start -> a -> exit; start; a [prompt="x"]; exit }') == []
