import time

import pytest

from attractor.language.conditions.condition import ALWAYS, Comparison
from attractor.language.graph.resolve import MOST_CLASSES_AROUND, derived_class
from attractor.language.linting.lint_rule import Vocabulary, rule_registry
from attractor.language.reading import parse
from tests.counts import count


def texts(dot: str, node: str, *keys: str) -> list[str]:
    attributes = parse(f"digraph G {{ {dot} }}").nodes[node].attributes
    return [attributes.text(key) for key in keys]


def test_own_attributes_override_defaults() -> None:
    dot = "node [x=1]; a [x=2]; node [x=3]; b"
    assert texts(dot, "a", "x") == ["2"]
    assert texts(dot, "b", "x") == ["3"]


def test_defaults_of_a_subgraph_end_with_it() -> None:
    dot = "node [x=1]; subgraph s { node [x=2, y=3]; a; b [x=4] } c"
    assert texts(dot, "a", "x", "y") == ["2", "3"]
    assert texts(dot, "b", "x", "y") == ["4", "3"]
    assert texts(dot, "c", "x", "y") == ["1", ""]


def test_a_node_named_by_an_edge_first_takes_the_defaults_of_its_declaration() -> None:
    assert texts("node [x=1]; s -> a; node [x=2]; a [y=3]", "a", "x", "y") == ["2", "3"]


def test_a_node_that_only_edges_name_takes_the_defaults_of_the_first() -> None:
    graph = parse("digraph G { node [x=1]; s -> a; node [x=2]; a -> t }")
    assert graph.nodes["a"].attributes.text("x") == "1"
    assert not graph.nodes["a"].is_declared


def test_second_declaration_adds_attributes() -> None:
    dot = "node [x=1]; a [z=1]; subgraph s { node [x=2, y=2]; a [z=2, w=1] }"
    assert texts(dot, "a", "x", "y", "z", "w") == ["1", "2", "2", "1"]


def test_a_subgraph_gives_its_class_to_the_nodes_declared_in_it() -> None:
    graph = parse(
        """digraph G {
            label = "Not a class"
            a
            subgraph cluster_x {
                b [class="code,critical fast"]
                subgraph { graph [label="Inner (2)"]; c }
                subgraph { d }
                label = "Loop A!"
                a -> e
            }
            f -> b
        }"""
    )
    assert {id_: node.classes for id_, node in graph.nodes.items()} == {
        "a": (),
        "b": ("code", "critical", "fast", "loop-a"),
        "c": ("loop-a", "inner-2"),
        "d": ("loop-a",),
        "e": ("loop-a",),
        "f": (),
    }


def test_a_subgraphs_attributes_are_not_the_graphs() -> None:
    graph = parse('digraph G { goal="g"; subgraph s { goal="other"; graph [x=1] } }')
    assert graph.goal == "g"
    assert "x" not in graph.attributes.by_key


def test_a_subgraph_leaves_nothing_but_its_content() -> None:
    graph = parse("digraph G { a; subgraph s { b; a -> b } c }")
    assert list(graph.nodes) == ["a", "b", "c"]
    assert [(one.source, one.target) for one in graph.edges] == [("a", "b")]


def test_edge_has_its_parsed_condition() -> None:
    edges = parse('digraph G { a -> b [condition="outcome=success"]; a -> c }').edges
    assert [one.condition for one in edges] == [Comparison("outcome", "success"), ALWAYS]
    assert [one.is_conditional for one in edges] == [True, False]


@pytest.mark.parametrize(
    ("label", "name"), [("Loop A", "loop-a"), ("Ä/b_c-1", "bc-1"), ("  ", "--"), ("!", "")]
)
def test_the_class_of_a_label(label: str, name: str) -> None:
    assert derived_class(label) == name


def nested(levels: int, *, sheet: str = "") -> str:
    opened = "".join(f'subgraph {{ label="L {one}" n{one} ' for one in range(levels))
    return f'digraph G {{ model_stylesheet="{sheet}" {opened}{"}" * levels} }}'


def test_a_node_has_the_classes_of_the_innermost_labels_around_it() -> None:
    graph = parse(nested(MOST_CLASSES_AROUND + 5))
    most, last = MOST_CLASSES_AROUND, MOST_CLASSES_AROUND + 4
    assert graph.nodes[f"n{most - 1}"].classes == tuple(f"l-{one}" for one in range(most))
    assert graph.nodes[f"n{last}"].classes == tuple(f"l-{one}" for one in range(5, last + 1))


def test_deep_nesting_of_labels_takes_no_longer_than_it_is_worth() -> None:
    started = time.process_time()
    graph = parse(nested(10_000))
    # With the classes of every label around a node it took a minute.
    assert time.process_time() - started < 20
    assert len(graph.nodes["n9999"].classes) == MOST_CLASSES_AROUND


def test_labels_beyond_the_class_limit_are_reported() -> None:
    def told(levels: int, sheet: str) -> list[tuple[str, int]]:
        graph = parse(nested(levels, sheet=sheet))
        rule = rule_registry()["stylesheet_syntax"]
        return [(one.message, one.span.column) for one in rule.apply(graph, Vocabulary())]

    by_class = ".l-1 { llm_model: m }"
    ((message, column),) = told(MOST_CLASSES_AROUND + 3, by_class)
    assert "only the classes of the innermost 100" in message
    text = nested(MOST_CLASSES_AROUND + 3, sheet=by_class)
    assert text[column - 1 :].startswith(f'subgraph {{ label="L {MOST_CLASSES_AROUND}"')
    assert told(MOST_CLASSES_AROUND, by_class) == []
    assert told(MOST_CLASSES_AROUND + 3, "* { llm_model: m }") == []


def test_node_belongs_to_every_subgraph_that_declares_it() -> None:
    many = count(ci=10_000, full=40_000)
    subgraphs = "".join(f"subgraph {{ label=L{one}; a }} " for one in range(many))
    started = time.process_time()
    graph = parse(f"digraph G {{ {subgraphs} }}")
    assert time.process_time() - started < count(ci=5, full=20)
    assert all(one.nodes == ("a",) for one in graph.subgraphs)
    assert len(graph.nodes["a"].classes) == many
