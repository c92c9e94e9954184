import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.language.drawing.captions import (
    clean,
    columns_of,
    edge_lines,
    ems_of,
    label_of,
    node_tooltip,
    type_caption,
    wrapped,
)
from attractor.language.graph import Edge, Node
from attractor.language.parsing import parse
from attractor.language.values import Attributes


def node(**attributes: str | bool) -> Node:
    return Node("n", Attributes.of(attributes))


@pytest.mark.parametrize(
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
def test_a_caption_says_what_a_node_is(attributes: dict[str, str | bool], caption: str) -> None:
    assert type_caption(node(**attributes)) == caption


def test_an_edge_shows_label_and_condition() -> None:
    edge = Edge("a", "b", Attributes.of({"label": "Yes", "condition": "outcome=success"}))
    assert edge_lines(edge) == ["Yes", "outcome=success"]
    assert edge_lines(edge, sign="+ ")[0] == "+ Yes"
    assert edge_lines(Edge("a", "b"), sign="- ") == ["-"]
    assert edge_lines(Edge("a", "b")) == []


def test_only_what_is_written_as_a_line_break_is_one() -> None:
    graph = parse(
        r"""digraph G { a [label="one\ltwo\rC:\\logs\nend"]; b; c [label="a" + "\lb"] }"""
    )
    a, b, c = graph.nodes.values()
    assert label_of(a.attributes) == "one\ntwo\nC:\\logs\nend"
    assert label_of(b.attributes, "b") == "b"
    assert label_of(c.attributes) == "a\\lb"
    assert label_of(node(label=r"C:\logs").attributes) == r"C:\logs"


def test_a_tooltip_has_the_prompt_but_not_a_book() -> None:
    told = node_tooltip(node(prompt="Do it.\nThen rest."), "done")
    assert told == "n (codergen)\ndone\nDo it.\nThen rest."
    assert len(node_tooltip(node(prompt="x" * 1_000_000))) < 1100
    assert node_tooltip(node(shape="parallelogram", tool_command="ls")) == "n (tool)\nls"


@given(st.text(max_size=200), st.integers(2, 30))
def test_lines_are_short_enough_and_say_all_the_words(text: str, columns: int) -> None:
    lines = wrapped(text, columns)
    assert all(columns_of(line) <= columns for line in lines)
    if lines and lines[-1] != "…":
        words = "".join(clean(text.replace("\n", " ")).split())
        assert "".join("".join(lines).split()) == words


def test_a_text_of_a_million_letters_is_cut() -> None:
    lines = wrapped("word " * 200_000, 28)
    assert len(lines) == 12
    assert lines[-1] == "…"


def test_wide_letters_take_more_room() -> None:
    assert columns_of("計画") == 4
    assert wrapped("計画を立てる", 6) == ["計画を", "立てる"]
    assert ems_of("mmm") > ems_of("iii")


def test_nothing_is_left_that_xml_refuses() -> None:
    assert clean("a\x00b\x1bc\ufffed\ud800") == "a\ufffdb\ufffdc\ufffdd\ufffd"
