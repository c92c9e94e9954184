"""Two pipelines in one picture."""

import asyncio
from xml.etree import ElementTree

from attractor.language.comparison.compare import diff
from attractor.language.comparison.output import union
from attractor.language.drawing.dot import dot_text
from attractor.language.drawing.draw import draw
from attractor.language.drawing.picture import Picture
from attractor.language.drawing.theme import Theme
from attractor.language.reading import parse

BEFORE = """digraph G {
    start [shape=Mdiamond]; exit [shape=Msquare]
    plan [prompt="Plan it"]; lint; test [prompt="Test it", color=red]; moved
    start -> plan -> lint -> test -> exit
    test -> plan [label="Again"]; test -> moved
}"""
AFTER = """digraph G {
    start [shape=Mdiamond]; exit [shape=Msquare]
    planning [prompt="Plan it"]; review; test [prompt="Test it well"]
    subgraph cluster_x { moved }
    start -> planning -> test -> review -> exit
    test -> planning [label="Once more"]; test -> moved
}"""


def drawn() -> Picture:
    before, after = parse(BEFORE), parse(AFTER)
    return union(after, diff(before, after))


def test_what_is_new_gone_or_changed_has_a_sign_and_a_class() -> None:
    marks = drawn().marks
    told = {id_: (mark.name, mark.sign) for id_, mark in marks.items() if id_.startswith("node-")}
    assert told == {
        "node-start": ("diff-same", ""),
        "node-exit": ("diff-same", ""),
        "node-planning": ("diff-changed", "~ "),
        "node-test": ("diff-changed", "~ "),
        "node-moved": ("diff-changed", "~ "),
        "node-review": ("diff-added", "+ "),
        "node-lint": ("diff-removed", "- "),
    }
    assert marks["node-planning"].tooltip == "changed: was called plan"
    assert marks["node-test"].tooltip == "changed: prompt, color"


def test_edges_of_both_stand_between_the_nodes_of_today() -> None:
    marks = drawn().marks
    told = {id_: mark.name for id_, mark in marks.items() if id_.startswith("edge-")}
    assert told["edge-test-review"] in ("diff-added", "diff-changed")
    assert told["edge-test-planning"] == "diff-changed"
    assert marks["edge-test-planning"].tooltip == "changed: label"
    assert told["edge-planning-lint"] == "diff-removed"
    assert "edge-start-planning" not in told


def test_signs_stand_in_the_drawing() -> None:
    text = dot_text(drawn(), theme=Theme.LIGHT)
    assert 'label="agent\\n~ test"' in text
    assert 'label="agent\\n+ review"' in text
    assert 'label="agent\\n- lint"' in text
    assert 'label=" ~ Once more "' in text
    assert "red" not in text


def test_the_same_pipelines_give_a_picture_without_signs() -> None:
    graph = parse(BEFORE)
    same = union(graph, diff(graph, graph))
    assert {mark.sign for mark in same.marks.values()} == {""}
    assert same.description == "No change in meaning."


def test_who_does_not_see_it_is_told_that_it_is_a_difference_and_of_what() -> None:
    svg = asyncio.run(draw(drawn()))
    description = ElementTree.fromstring(svg).findtext("{http://www.w3.org/2000/svg}desc")
    assert description
    assert description.split("\n") == [
        "Two versions of a pipeline in one, of 7 nodes and 9 edges.",
        "1 new node: review.",
        "1 node gone: lint.",
        "3 nodes changed: planning, test, moved.",
        "1 new edge: review -> exit.",
        "1 edge gone: lint -> test.",
        "3 edges changed: planning -> test, test -> review, test -> planning.",
        "1 subgraph new, gone or changed: cluster_x.",
    ]
