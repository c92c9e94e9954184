"""Element ids, retry lines, labels and tooltips.

Boxes around nodes.
"""

import re

from hypothesis import given, strategies as st

from attractor.language.drawing.picture import (
    Box,
    as_class,
    clean,
    edge_elements,
    edge_lines,
    ems_of,
    encoded,
    jumps,
    label_of,
    nest_boxes,
    node_element,
    node_tooltip,
    type_caption,
    walk_boxes,
    wrapped,
)
from attractor.language.graph.graph import Edge, Node
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Attributes
from attractor.language.source.text import columns_of
from tests.tables import table

TEXT = """digraph G {
    retry_target=a; fallback_retry_target=b
    a; b [retry_target=nowhere]; c [retry_target=a, fallback_retry_target="b"]
    gate [goal_gate=true]; own [goal_gate=true, retry_target=c]; plain
}"""


def test_retry_lines_lead_to_retry_targets_and_from_gates_to_those_of_the_graph() -> None:
    found = [(one.element, one.caption) for one in jumps(parse(TEXT))]
    assert found == [
        ("retry-c-a", "retry"),
        ("fallback-c-b", "fallback retry"),
        ("retry-gate-a", "retry"),
        ("fallback-gate-b", "fallback retry"),
        ("retry-own-c", "retry"),
    ]


WORDS = st.text(max_size=5) | st.text("-a2e0", max_size=6)


def test_element_ids() -> None:
    assert node_element("plan_2") == "node-plan_2"
    assert list(edge_elements([Edge("a", "b"), Edge("a", "b")])) == ["edge-a-b", "edge-a-b-2"]
    assert node_element("a.b é") == "node-a--2e-b--20---e9-"
    assert (node_element(""), node_element("\0")) == ("node---0-", "node---00-")
    assert as_class("wait.human") == "wait-human"


@given(WORDS, WORDS)
def test_different_ids_have_different_encodings(one: str, other: str) -> None:
    assert (encoded(one) == encoded(other)) == (one == other)


@given(WORDS)
def test_element_id_needs_no_escape_in_a_selector(word: str) -> None:
    assert re.fullmatch(r"node-[A-Za-z0-9_-]+", node_element(word))


@given(st.lists(st.tuples(WORDS, WORDS), max_size=8))
def test_every_edge_has_its_own_element_id(ends: list[tuple[str, str]]) -> None:
    elements = list(edge_elements([Edge(*one) for one in ends]))
    assert len(set(elements)) == len(ends)


def node(**attributes: str | bool) -> Node:
    return Node("n", Attributes.of(attributes))


@table(
    ("attributes", "caption"),
    [
        ({}, "agent"),
        ({"shape": "parallelogram"}, "tool"),
        ({"shape": "hexagon"}, "human"),
        ({"shape": "diamond"}, "decision"),
        ({"shape": "tripleoctagon"}, "fan-in"),
        ({"type": "my.own"}, "my.own"),
        ({"goal_gate": True}, "agent · goal gate"),
    ],
)
def test_type_of_a_node_is_shown_in_one_or_two_words(
    attributes: dict[str, str | bool], caption: str
) -> None:
    assert type_caption(node(**attributes)) == caption


def test_labels_of_edges_and_nodes() -> None:
    edge = Edge("a", "b", Attributes.of({"label": "Yes", "condition": "outcome=success"}))
    assert edge_lines(edge) == ["Yes", "outcome=success"]
    assert edge_lines(edge, sign="+ ")[0] == "+ Yes"
    assert edge_lines(Edge("a", "b"), sign="- ") == ["-"]
    assert edge_lines(Edge("a", "b")) == []
    graph = parse(
        r"""digraph G { a [label="one\ltwo\rC:\\logs\nend"]; b; c [label="a" + "\lb"] }"""
    )
    a, b, c = graph.nodes.values()
    assert label_of(a.attributes) == "one\ntwo\nC:\\logs\nend"
    assert label_of(b.attributes, "b") == "b"
    assert label_of(c.attributes) == "a\\lb"
    assert label_of(node(label=r"C:\logs").attributes) == r"C:\logs"
    text = node_tooltip(node(prompt="Do it.\nThen rest."), "done")
    assert text == "n (codergen)\ndone\nDo it.\nThen rest."
    assert len(node_tooltip(node(prompt="x" * 1_000_000))) < 1100
    assert node_tooltip(node(shape="parallelogram", tool_command="ls")) == "n (tool)\nls"


@given(st.text(max_size=200), st.integers(2, 30))
def test_wrapped_lines_fit_and_contain_all_words(text: str, columns: int) -> None:
    lines = wrapped(text, columns)
    assert all(columns_of(line) <= columns for line in lines)
    if lines and lines[-1] != "…":
        words = "".join(clean(text.replace("\n", " ")).split())
        assert "".join("".join(lines).split()) == words


def test_long_and_wide_text() -> None:
    lines = wrapped("word " * 200_000, 28)
    assert len(lines) == 12
    assert lines[-1] == "…"
    assert columns_of("計画") == 4
    assert wrapped("計画を立てる", 6) == ["計画を", "立てる"]
    assert ems_of("mmm") > ems_of("iii")
    assert clean("a\x00b\x1bc\ufffed\ud800") == "a\ufffdb\ufffdc\ufffdd\ufffd"


NESTED = """digraph G {
    free
    subgraph cluster_a {
        label="A"; a
        subgraph cluster_b { b; a }
        subgraph inner { c }
        subgraph { rank=same; d; e; free }
    }
    subgraph cluster_a { f }
    subgraph outer { g }
}"""


def shape(box: Box) -> object:
    return box.element, box.nodes, [shape(inner) for inner in box.inner]


def test_boxes_around_nodes() -> None:
    assert shape(nest_boxes(parse(NESTED))) == (
        "",
        ["g"],
        [
            (
                "subgraph-cluster_a",
                ["free", "c", "d", "e"],
                [("subgraph-cluster_b", ["a", "b"], [])],
            ),
            ("subgraph-cluster_a-2", ["f"], []),
        ],
    )
    assert nest_boxes(parse(NESTED)).inner[0].ranks == [("same", ["d", "e", "free"])]
    walk = [(box.element, begins) for box, begins in walk_boxes(nest_boxes(parse(NESTED)))]
    assert walk == [
        ("subgraph-cluster_a", True),
        ("subgraph-cluster_b", True),
        ("subgraph-cluster_b", False),
        ("subgraph-cluster_a", False),
        ("subgraph-cluster_a-2", True),
        ("subgraph-cluster_a-2", False),
    ]
    depth = 2000
    graph = parse("digraph G { " + "subgraph cluster_x { " * depth + "a" + " }" * depth + " }")
    boxes = [box for box, begins in walk_boxes(nest_boxes(graph)) if begins]
    assert len(boxes) == 40
    assert boxes[-1].nodes == ["a"]
