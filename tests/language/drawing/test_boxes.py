"""Boxes around nodes."""

from attractor.language.drawing.boxes import Box, nest_boxes, walk_boxes
from attractor.language.reading import parse

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


def test_node_is_in_the_innermost_box_that_names_it() -> None:
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


def test_rank_aligns_nodes() -> None:
    assert nest_boxes(parse(NESTED)).inner[0].ranks == [("same", ["d", "e", "free"])]


def test_boxes_begin_and_end_walk_boxes() -> None:
    walk = [(box.element, begins) for box, begins in walk_boxes(nest_boxes(parse(NESTED)))]
    assert walk == [
        ("subgraph-cluster_a", True),
        ("subgraph-cluster_b", True),
        ("subgraph-cluster_b", False),
        ("subgraph-cluster_a", False),
        ("subgraph-cluster_a-2", True),
        ("subgraph-cluster_a-2", False),
    ]


def test_at_most_forty_nested_boxes_are_drawn() -> None:
    depth = 2000
    graph = parse("digraph G { " + "subgraph cluster_x { " * depth + "a" + " }" * depth + " }")
    boxes = [box for box, begins in walk_boxes(nest_boxes(graph)) if begins]
    assert len(boxes) == 40
    assert boxes[-1].nodes == ["a"]
