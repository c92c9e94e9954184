import pytest

from attractor.language.conditions import ALWAYS, Comparison
from attractor.language.parsing import parse
from attractor.language.resolving import derived_class, split_classes


def texts(dot: str, node: str, *keys: str) -> list[str]:
    attributes = parse(f"digraph G {{ {dot} }}").nodes[node].attributes
    return [attributes.text(key) for key in keys]


def test_defaults_hold_for_what_follows_them() -> None:
    dot = "a; node [x=1]; b; node [y=2]; c"
    assert [texts(dot, node, "x", "y") for node in "abc"] == [["", ""], ["1", ""], ["1", "2"]]


def test_what_a_node_says_itself_overrides_defaults_before_and_behind() -> None:
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


def test_a_second_declaration_adds_and_fills_what_is_open() -> None:
    dot = "node [x=1]; a [z=1]; subgraph s { node [x=2, y=2]; a [z=2, w=1] }"
    assert texts(dot, "a", "x", "y", "z", "w") == ["1", "2", "2", "1"]


def test_attributes_of_a_chain_belong_to_each_of_its_edges() -> None:
    edges = parse(
        "digraph G { edge [weight=1]; a -> b -> c [label=x]; edge [weight=2]; a -> c }"
    ).edges
    told = [(one.source, one.target, one.label, one.weight) for one in edges]
    assert told == [("a", "b", "x", 1), ("b", "c", "x", 1), ("a", "c", "", 2)]


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


def test_an_edge_holds_its_condition_parsed() -> None:
    edges = parse('digraph G { a -> b [condition="outcome=success"]; a -> c }').edges
    assert [one.condition for one in edges] == [Comparison("outcome", "success"), ALWAYS]
    assert [one.is_conditional for one in edges] == [True, False]


@pytest.mark.parametrize(
    ("label", "name"), [("Loop A", "loop-a"), ("Ä/b_c-1", "bc-1"), ("  ", "--"), ("!", "")]
)
def test_the_class_of_a_label(label: str, name: str) -> None:
    assert derived_class(label) == name


def test_classes_stand_between_commas_and_blanks() -> None:
    assert split_classes(" code, critical\tfast ,") == ["code", "critical", "fast"]
