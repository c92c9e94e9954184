"""Definition of Done 11.2: validation and linting."""

from collections.abc import Iterator

import pytest

from attractor.language import (
    Diagnostic,
    Graph,
    Severity,
    ValidationError,
    Vocabulary,
    parse,
    validate,
    validate_or_raise,
)
from attractor.language.linting.pages import read_page
from tests.tables import table

WHOLE = """digraph G {
    start [shape=Mdiamond]
    work  [prompt="Work"]
    exit  [shape=Msquare]
    start -> work -> exit
}"""


def found(text: str, rule: str) -> list[Diagnostic]:
    return [one for one in validate(parse(text)) if one.rule == rule]


def replaced(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new)


def test_11_2_valid_pipeline_has_no_diagnostics() -> None:
    assert validate(parse(WHOLE)) == ()


@table(
    ("rule", "there", "twice"),
    [
        ("start_node", "start [shape=Mdiamond]", "other [shape=Mdiamond]"),
        ("terminal_node", "exit  [shape=Msquare]", "other [shape=Msquare]"),
    ],
)
def test_11_2_exactly_one_start_and_one_exit(rule: str, there: str, twice: str) -> None:
    none = found(f"digraph G {{ {twice.replace('[', '[type=tool, ')} }}", rule)
    several = found(replaced(there, f"{there}\n{twice}"), rule)
    assert [one.severity for one in none + several] == [Severity.ERROR, Severity.ERROR]
    assert several[0].node == "other"


@table("start", ["start", "Start"])
@table("exit_", ["exit", "end"])
def test_11_2_start_and_exit_are_found_by_id(start: str, exit_: str) -> None:
    text = f"digraph G {{ {start}; {exit_}; {start} -> {exit_} }}"
    assert validate(parse(text)) == ()


def test_11_2_the_start_has_no_incoming_edges() -> None:
    (one,) = found(replaced("start -> work", "work -> start\nstart -> work"), "start_no_incoming")
    assert (one.severity, one.edge) == (Severity.ERROR, ("work", "start"))


def test_11_2_the_exit_has_no_outgoing_edges() -> None:
    (one,) = found(replaced("start -> work", "exit -> work\nstart -> work"), "exit_no_outgoing")
    assert (one.severity, one.edge) == (Severity.ERROR, ("exit", "work"))


def test_11_2_all_nodes_are_reachable() -> None:
    (one,) = found(replaced("exit  [", "lost [prompt=x]\nexit ["), "reachability")
    assert (one.severity, one.node) == (Severity.ERROR, "lost")


def test_11_2_all_edges_reference_nodes() -> None:
    (one,) = found(replaced("start -> work", "work -> wrok\nstart -> work"), "edge_target_exists")
    assert (one.severity, one.node, one.edge) == (Severity.ERROR, "wrok", ("work", "wrok"))


@table("attributes", ["", '[label="Work"]', '[prompt=" "]'])
def test_11_2_a_codergen_node_without_prompt_is_a_warning(attributes: str) -> None:
    (one,) = found(replaced('[prompt="Work"]', attributes), "prompt_on_llm_nodes")
    assert (one.severity, one.node) == (Severity.WARNING, "work")


def test_11_2_conditions_parse() -> None:
    text = replaced("-> exit", '-> exit [condition="outcome is good"]')
    (one,) = found(text, "condition_syntax")
    assert (one.severity, one.edge) == (Severity.ERROR, ("start", "work"))


def test_11_2_validate_or_raise_throws_on_errors_alone() -> None:
    with pytest.raises(ValidationError, match=r"error\[terminal_node\]"):
        validate_or_raise(parse("digraph G { start }"))
    warned = validate_or_raise(parse(replaced('[prompt="Work"]', "")))
    assert [one.rule for one in warned] == ["prompt_on_llm_nodes"]


def test_11_2_a_result_names_rule_severity_place_and_message() -> None:
    (one,) = found(replaced("exit  [", "lost [prompt=x]\nexit ["), "reachability")
    assert one.rule == "reachability"
    assert one.severity is Severity.ERROR
    assert one.node == "lost"
    assert one.message == "orphan node 'lost': unreachable from the start"
    assert one.fix


# attractor-spec 7.2.
SPECIFIED = {
    "start_node": Severity.ERROR,
    "terminal_node": Severity.ERROR,
    "reachability": Severity.ERROR,
    "edge_target_exists": Severity.ERROR,
    "start_no_incoming": Severity.ERROR,
    "exit_no_outgoing": Severity.ERROR,
    "condition_syntax": Severity.ERROR,
    "stylesheet_syntax": Severity.ERROR,
    "type_known": Severity.WARNING,
    "fidelity_valid": Severity.WARNING,
    "retry_target_exists": Severity.WARNING,
    "goal_gate_has_retry": Severity.WARNING,
    "prompt_on_llm_nodes": Severity.WARNING,
}


@table("rule", SPECIFIED)
def test_11_2_the_rules_of_the_specification_have_its_ids_and_severities(rule: str) -> None:
    assert read_page(rule).severity is SPECIFIED[rule]


def test_11_2_custom_rules_run_after_the_built_in_ones() -> None:
    class Named:
        """Requires every node to have a label."""

        def apply(self, graph: Graph, vocabulary: Vocabulary) -> Iterator[Diagnostic]:
            for node in graph.nodes.values():
                if not node.attributes.text("label"):
                    yield Diagnostic(Severity.WARNING, "no label", node.span, node.id)

    found = validate(parse(WHOLE), extra_rules={"named": Named()})
    assert [(one.rule, one.node) for one in found] == [
        ("named", "start"),
        ("named", "work"),
        ("named", "exit"),
    ]
