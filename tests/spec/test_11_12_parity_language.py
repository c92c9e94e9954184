"""Definition of Done 11.12: the rows of the parity matrix that parse and validate."""

from attractor.language import Severity, parse, prepare, validate
from tests.language.pipelines import SMOKE


def test_11_12_parse_a_simple_linear_pipeline() -> None:
    graph = parse("digraph Linear { start -> A -> B -> done }")
    assert list(graph.nodes) == ["start", "A", "B", "done"]
    assert [(one.source, one.target) for one in graph.edges] == [
        ("start", "A"),
        ("A", "B"),
        ("B", "done"),
    ]


def test_11_12_parse_graph_level_attributes() -> None:
    graph = parse('digraph G { graph [goal="Run tests"] label = "Tests" }')
    assert (graph.goal, graph.attributes.text("label")) == ("Run tests", "Tests")


def test_11_12_parse_multi_line_node_attributes() -> None:
    graph = parse('digraph G { a [\n  label="A",\n  prompt="first\n  second"\n] }')
    assert graph.nodes["a"].prompt == "first\n  second"


def test_11_12_a_missing_start_is_an_error() -> None:
    (one,) = (one for one in validate(parse("digraph G { exit }")) if one.rule == "start_node")
    assert one.severity is Severity.ERROR


def test_11_12_a_missing_exit_is_an_error() -> None:
    (one,) = (one for one in validate(parse("digraph G { start }")) if one.rule == "terminal_node")
    assert one.severity is Severity.ERROR


def test_11_12_an_orphan_is_reported() -> None:
    # An error, where the matrix says warning: ruling L5.
    graph = parse("digraph G { start; a [prompt=x]; exit; start -> exit }")
    assert [(one.rule, one.node) for one in validate(graph)] == [("reachability", "a")]


def test_11_12_prompt_variable_expansion() -> None:
    graph = prepare(SMOKE).graph
    assert graph is not None
    assert graph.nodes["plan"].prompt == (
        "Plan how to create a hello world script for: Create a hello world Python script"
    )


def test_11_12_a_pipeline_with_more_than_ten_nodes() -> None:
    chain = " -> ".join(["start", *(f"n{i}" for i in range(20)), "exit"])
    nodes = " ".join(f'n{i} [prompt="Work"]' for i in range(20))
    assert prepare(f"digraph G {{ start exit {nodes} {chain} }}").diagnostics == ()


def test_11_13_smoke_parses_and_validates() -> None:
    graph = parse(SMOKE)
    assert graph.goal == "Create a hello world Python script"
    assert (len(graph.nodes), len(graph.edges)) == (5, 6)
    assert not any(one.is_error for one in validate(graph))
