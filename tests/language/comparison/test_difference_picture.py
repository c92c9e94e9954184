"""Two pipelines in one picture."""

import asyncio
from xml.etree import ElementTree

from attractor.language.comparison.compare import diff
from attractor.language.comparison.difference_picture import difference_picture
from attractor.language.drawing.draw import dot_text, draw
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
    return difference_picture(after, diff(before, after))


def test_changed_elements_have_a_sign_and_a_class() -> None:
    marks = drawn().marks
    shown = {id_: (mark.name, mark.sign) for id_, mark in marks.items() if id_.startswith("node-")}
    assert shown == {
        "node-start": ("diff-same", ""),
        "node-exit": ("diff-same", ""),
        "node-planning": ("diff-changed", "~ "),
        "node-test": ("diff-changed", "~ "),
        "node-moved": ("diff-changed", "~ "),
        "node-review": ("diff-added", "+ "),
        "node-lint": ("diff-removed", "- "),
    }
    assert marks["node-planning"].tooltip == "changed: renamed from plan"
    assert marks["node-test"].tooltip == "changed: prompt, color"
    shown = {id_: mark.name for id_, mark in marks.items() if id_.startswith("edge-")}
    assert shown["edge-test-review"] in ("diff-added", "diff-changed")
    assert shown["edge-test-planning"] == "diff-changed"
    assert marks["edge-test-planning"].tooltip == "changed: label"
    assert shown["edge-planning-lint"] == "diff-removed"
    assert "edge-start-planning" not in shown


def test_labels_have_signs_unless_nothing_changed() -> None:
    text = dot_text(drawn(), theme=Theme.LIGHT)
    assert 'label="agent\\n~ test"' in text
    assert 'label="agent\\n+ review"' in text
    assert 'label="agent\\n- lint"' in text
    assert 'label=" ~ Once more "' in text
    assert "red" not in text
    graph = parse(BEFORE)
    same = difference_picture(graph, diff(graph, graph))
    assert {mark.sign for mark in same.marks.values()} == {""}
    assert same.description == "No change in meaning."


def test_description_lists_changes() -> None:
    svg = asyncio.run(draw(drawn()))
    description = ElementTree.fromstring(svg).findtext("{http://www.w3.org/2000/svg}desc")
    assert description
    assert description.split("\n") == [
        "Comparison of two pipelines, of 7 nodes and 9 edges.",
        "1 node added: review.",
        "1 node removed: lint.",
        "3 nodes changed: planning, test, moved.",
        "1 edge added: review -> exit.",
        "1 edge removed: lint -> test.",
        "3 edges changed: planning -> test, test -> review, test -> planning.",
        "1 subgraph added, removed or changed: cluster_x.",
    ]
