"""Iteration over the attributes of a graph."""

from attractor.language.graph.attribute_catalogue import AttributeOwner
from attractor.language.graph.attributes import each_attribute, each_stranger, goal_gates
from attractor.language.reading import parse

GRAPH = parse(
    "digraph G { label=g; node [label=d, odd=1]; a; b [label=b, goal_gate=true]; c [goal_gate=no];"
    "edge [label=e]; a -> b -> c }"
)


def test_default_block_attribute_is_listed_once() -> None:
    found = [
        (holder.place, holder.node, holder.edge, str(attribute.value))
        for holder, attribute in each_attribute(GRAPH, {"label"})
    ]
    assert found == [
        (AttributeOwner.GRAPH, "", None, "g"),
        (AttributeOwner.NODE, "a", None, "d"),
        (AttributeOwner.NODE, "b", None, "b"),
        (AttributeOwner.EDGE, "", ("a", "b"), "e"),
    ]


def test_attribute_of_another_element_is_unknown() -> None:
    known = {
        AttributeOwner.GRAPH: {"label"},
        AttributeOwner.NODE: {"label", "goal_gate"},
        AttributeOwner.EDGE: set[str](),
    }
    found = [(holder.place, one.key) for holder, one in each_stranger(GRAPH, known)]
    assert found == [(AttributeOwner.NODE, "odd"), (AttributeOwner.EDGE, "label")]


def test_goal_gates_are_those_set_to_true() -> None:
    assert [node.id for node in goal_gates(GRAPH)] == ["b"]
