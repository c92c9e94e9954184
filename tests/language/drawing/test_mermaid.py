"""Mermaid flowchart of a picture."""

import re

from hypothesis import given, settings

from attractor.language.drawing.mermaid import mermaid_text
from attractor.language.drawing.picture import Annotation, Picture
from attractor.language.drawing.theme import TAKEN
from attractor.language.graph.graph import Graph, Node
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Attributes
from tests.counts import count
from tests.language.pipelines import any_graphs

MERMAID_TEXT = """digraph G {
    label="A \\"fine\\" one"; rankdir=LR
    start [shape=Mdiamond]; exit [shape=Msquare]
    end [shape=hexagon, label="Ship [it]?"]
    test [shape=parallelogram, goal_gate=true, retry_target=end]
    subgraph cluster_x { label="Loop"; test; subgraph cluster_y { "a b" } }
    start -> end -> test -> "a b"
    test -> exit [label="Yes", condition="outcome=success && context.x!=1"]
}"""


def test_flowchart_has_shapes_boxes_conditions_and_retry_targets() -> None:
    assert (
        mermaid_text(Picture(parse(MERMAID_TEXT)))
        == """---
title: "A \\"fine\\" one"
---
flowchart LR
    n_start(["start"])
    n_exit((("exit")))
    n_end{{"human<br/>Ship #91;it#93;?"}}
    subgraph s0 ["Loop"]
        n_test[/"tool · goal gate<br/>test"/]
        subgraph s1 [" "]
            n_a_b["agent<br/>a b"]
        end
    end
    n_start --> n_end
    n_end --> n_test
    n_test --> n_a_b
    n_test -->|"Yes<br/>outcome=success #38;#38;<br/>context.x!=1"| n_exit
    n_test -.->|"retry"| n_end
"""
    )


def test_names_breaks_and_taken_edges() -> None:
    ids = ["a b", "a_b", "a.b", "a_b_2", "", "end", "é"]
    graph = Graph("G", {id_: Node(id_) for id_ in ids})
    names = re.findall(r"^    (n_\w*)[\[(]", mermaid_text(Picture(graph)), re.MULTILINE)
    assert len(set(names)) == len(ids)
    text = r'digraph G { label="a\lb"; x [label="one\ltwo\r"]; x -> x [label="so\lso"] }'
    lines = mermaid_text(Picture(parse(text))).splitlines()
    assert lines[1] == 'title: "a b"'
    assert lines[4:] == ['    n_x["agent<br/>one<br/>two"]', '    n_x -->|"so<br/>so"| n_x']
    picture = Picture(parse("digraph G { a -> b }"), {"edge-a-b": Annotation("state-taken", TAKEN)})
    assert "n_a ==> n_b" in mermaid_text(picture)


def test_syntax_of_mermaid_is_escaped() -> None:
    odd = ["1. one", "- two", "`three`", "%%{x}%%", "<b>", '"', "#35;", "$$x$$", "fa:fa-car"]
    nodes = {f"n{at}": Node(f"n{at}", Attributes.of({"label": one})) for at, one in enumerate(odd)}
    lines = mermaid_text(Picture(Graph("G", nodes))).splitlines()[4:]
    labels = [line.partition("<br/>")[2].removesuffix('"]') for line in lines]
    assert labels == [
        *("1#46; one", "#45; two", "#96;three#96;", "#37;#37;#123;x#125;#37;#37;"),
        *("#60;b#62;", "#34;", "#35;35#59;", "#36;\u2060#36;x#36;\u2060#36;", "fa\u2060#58;fa-car"),
    ]


@settings(max_examples=count(ci=20, full=1000), deadline=None)
@given(any_graphs())
def test_every_line_is_valid_in_a_flowchart(graph: Graph) -> None:
    text = mermaid_text(Picture(graph))
    label = r'"(?:[^"\n<>]|<br/>)*"'
    node = rf"n_\w*[\[({{/]+{label}[\])}}/\\]+"
    edge = rf"n_\w* (?:-->|==>|-\.->)(?:\|{label}\|)? n_\w*"
    line = re.compile(rf"\s*(?:{node}|{edge}|subgraph s\d+ \[{label}\]|end)")
    assert all(line.fullmatch(one) for one in text.split("\n")[4:-1])
