"""Types of nodes, and iteration over the attributes of a graph."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from attractor.base.errors import UsageError
from attractor.base.json import JsonObject
from attractor.language import format, parse
from attractor.language.graph.attribute_catalogue import AttributeOwner
from attractor.language.graph.builder import GraphBuilder
from attractor.language.graph.graph import (
    Graph,
    Node,
    each_attribute,
    each_unknown_attribute,
    goal_gates,
)
from attractor.language.source.syntax_tree import Attributes, Plain, Value, ValueKind
from tests.counts import count
from tests.language.pipelines import any_graphs
from tests.tables import table

END_IDS = {"start": ("start", "Start"), "exit": ("exit", "Exit", "end", "End")}


def node(id_: str, **attributes: Plain) -> Node:
    return Node(id_, Attributes.of(attributes))


def graph(*nodes: Node) -> Graph:
    return Graph("G", {one.id: one for one in nodes})


def type_of(text: str, id_: str = "start") -> str:
    return parse(f"digraph G {{ {text} }}").nodes[id_].type


@table(("type_", "id_"), [(a, b) for a, ids in END_IDS.items() for b in ids])
def test_end_by_id_has_type_and_shape(type_: str, id_: str) -> None:
    built = [graph(node(id_)), GraphBuilder("G").node(id_).build(), parse(f"digraph {{ {id_} }}")]
    for one in built:
        found = one.nodes[id_]
        shape = {"start": "Mdiamond", "exit": "Msquare"}[type_]
        assert (found.type, found.shape) == (type_, shape)
        assert one.of_type(type_) == (found,)
        assert one.types == {type_}


@table("shape", ["box", "circle", "ellipse"])
def test_shape_of_a_stage_does_not_change_a_start_or_exit_by_id(shape: str) -> None:
    found = parse(f"digraph {{ node [shape={shape}]; start }}").nodes["start"]
    assert (found.type, found.shape) == ("start", shape)


@table(
    ("said", "type_"),
    [
        ("shape=parallelogram", "tool"),
        ("shape=Msquare", "exit"),
        ("type=tool", "tool"),
        ("type=codergen", "codergen"),
        ('type="my.own"', "my.own"),
    ],
)
def test_node_with_another_type_is_not_an_end(said: str, type_: str) -> None:
    found = parse(f"digraph {{ start [{said}] }}")
    assert (found.nodes["start"].type, found.starts) == (type_, ())


def test_other_start_id_counts_beside_another_type() -> None:
    assert type_of("start [shape=hexagon]; Start", "Start") == "start"


def test_role_is_not_part_of_equality_or_text() -> None:
    found = parse("digraph G {\n    start\n    exit\n    start -> exit\n}\n")
    assert found.nodes["start"] == Node("start")
    assert format(found) == "digraph G {\n    start\n    exit\n\n    start -> exit\n}\n"
    assert parse(format(found)) == found


def test_changed_graph_recomputes_roles() -> None:
    before = graph(node("start"), node("exit"))
    start, exit_ = before.nodes.values()
    shaped = replace(before, nodes={**before.nodes, "begin": node("begin", shape="Mdiamond")})
    assert [one.id for one in shaped.starts] == ["begin"]
    assert (shaped.nodes["start"].type, shaped.nodes["start"].shape) == ("codergen", "box")
    assert shaped.nodes["exit"].type == "exit"
    renamed = replace(before, nodes={"go": replace(start, id="go"), "exit": exit_})
    assert (renamed.nodes["go"].type, renamed.starts) == ("codergen", ())
    before = graph(node("start"))
    start = replace(before.nodes["start"], attributes=Attributes.of({"label": "Go"}))
    assert replace(before, nodes={"start": start}).nodes["start"].type == "start"


@settings(max_examples=count(ci=20, full=2000), deadline=None)
@given(any_graphs())
def test_an_end_is_by_shape_or_else_by_its_id(of: Graph) -> None:
    for type_, ids in END_IDS.items():
        said = [one.id for one in of.nodes.values() if Node(one.id, one.attributes).type == type_]
        found = {one.id for one in of.of_type(type_)}
        assert found == set(said) if said else found <= set(ids)
    assert (of.starts, of.exits) == (of.of_type("start"), of.of_type("exit"))


def test_graph_indexes_elements_by_attribute() -> None:
    nodes = "node [shape=box]; a [class=x]; b"
    text = f"digraph {{ {nodes}; a -> b [weight=1]; b -> a; edge [label=y]; b -> b }}"
    found = parse(text)
    assert [one.id for one in found.nodes_with("shape")] == ["a", "b"]
    assert [one.id for one in found.nodes_with("class")] == ["a"]
    assert [(one.source, one.target) for one in found.edges_with("weight")] == [("a", "b")]
    assert (*found.nodes_with("weight"), *found.edges_with("shape")) == ()
    assert (found.node_keys, found.edge_keys) == ({"shape", "class"}, {"weight", "label"})
    before = parse("digraph { a [class=x]; b }")
    assert len(before.nodes_with("class")) == 1
    after = replace(before, nodes={"b": before.nodes["b"]})
    assert after.nodes_with("class") == ()


GRAPH = parse(
    "digraph G { label=g; node [label=d, odd=1]; a; b [label=b, goal_gate=true]; c [goal_gate=no];"
    "edge [label=e]; a -> b -> c }"
)


def test_attributes_are_iterated() -> None:
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
    known = {
        AttributeOwner.GRAPH: {"label"},
        AttributeOwner.NODE: {"label", "goal_gate"},
        AttributeOwner.EDGE: set[str](),
    }
    found = [(holder.place, one.key) for holder, one in each_unknown_attribute(GRAPH, known)]
    assert found == [(AttributeOwner.NODE, "odd"), (AttributeOwner.EDGE, "label")]
    assert [node.id for node in goal_gates(GRAPH)] == ["b"]


@settings(max_examples=count(ci=20, full=2000))
@given(any_graphs())
def test_a_graph_is_read_back_from_its_record(graph: Graph) -> None:
    record = json.loads(json.dumps(graph.to_dict()))
    again = Graph.from_dict(record)
    assert again == graph
    assert again.to_dict() == record


def test_a_record_keeps_templates_undeclared_nodes_and_roles() -> None:
    text = 'digraph { start -> a [condition="outcome=success"]; a -> exit; a [timeout=45s]; exit }'
    drawn = parse(text)
    template = Value(ValueKind.TEMPLATE, "{{ goal }}", '"{{ goal }}"')
    node = drawn.nodes["a"]
    a = replace(node, attributes=node.attributes.replaced("prompt", template))
    again = Graph.from_dict(replace(drawn, nodes={**drawn.nodes, "a": a}).to_dict())
    assert again.nodes["a"].attributes.value("prompt") == template
    assert [one.is_declared for one in again.nodes.values()] == [
        one.is_declared for one in drawn.nodes.values()
    ]
    assert (again.starts, again.exits) == (drawn.starts, drawn.exits)
    assert str(again.edges[0].condition) == str(drawn.edges[0].condition)
    faults: list[JsonObject] = [{}, {"name": "a", "nodes": [5]}, {"name": "a", "edges": [{}]}]
    for broken in faults:
        with pytest.raises(UsageError, match="invalid record of a graph"):
            Graph.from_dict(broken)
