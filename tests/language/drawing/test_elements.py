""""""

from attractor.language.drawing.elements import Box, in_order, sheet
from attractor.language.source.parse import parse

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
    return box.element, box.nodes, [shape(one) for one in box.inner]


def test_a_node_stands_in_the_innermost_box_that_names_it() -> None:
    assert shape(sheet(parse(NESTED))) == (
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


def test_what_stands_side_by_side_stays_so() -> None:
    assert sheet(parse(NESTED)).inner[0].ranks == [("same", ["d", "e", "free"])]


def test_boxes_begin_and_end_in_order() -> None:
    told = [(box.element, begins) for box, begins in in_order(sheet(parse(NESTED)))]
    assert told == [
        ("subgraph-cluster_a", True),
        ("subgraph-cluster_b", True),
        ("subgraph-cluster_b", False),
        ("subgraph-cluster_a", False),
        ("subgraph-cluster_a-2", True),
        ("subgraph-cluster_a-2", False),
    ]


def test_nobody_sees_more_than_forty_boxes_in_each_other() -> None:
    depth = 2000
    graph = parse("digraph G { " + "subgraph cluster_x { " * depth + "a" + " }" * depth + " }")
    boxes = [box for box, begins in in_order(sheet(graph)) if begins]
    assert len(boxes) == 40
    assert boxes[-1].nodes == ["a"]
