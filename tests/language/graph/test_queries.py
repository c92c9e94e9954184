"""Attributes are gone over once each, where they were written.

Conditionals that ask nothing judge nothing.
"""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attractor.language.graph.attribute_catalogue import AttributeOwner
from attractor.language.graph.attributes import each_attribute, each_stranger, goal_gates
from attractor.language.graph.outcomes import unasked_conditionals
from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Value
from attractor.language.source.text import Source, read_text, span_within
from tests.growing import times_more

GRAPH = parse(
    "digraph G { label=g; node [label=d, odd=1]; a; b [label=b, goal_gate=true]; c [goal_gate=no];"
    "edge [label=e]; a -> b -> c }"
)


def test_an_attribute_of_a_default_block_comes_once() -> None:
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


def test_what_is_not_known_for_its_place_is_a_stranger() -> None:
    known = {
        AttributeOwner.GRAPH: {"label"},
        AttributeOwner.NODE: {"label", "goal_gate"},
        AttributeOwner.EDGE: set[str](),
    }
    found = [(holder.place, one.key) for holder, one in each_stranger(GRAPH, known)]
    assert found == [(AttributeOwner.NODE, "odd"), (AttributeOwner.EDGE, "label")]


def test_goal_gates_are_those_set_to_true() -> None:
    assert [node.id for node in goal_gates(GRAPH)] == ["b"]


DIAMONDS = "c, d, e [shape=diamond];".replace(",", " [shape=diamond];")


@pytest.mark.parametrize(
    ("edges", "unasked"),
    [
        ("c -> a", {"c"}),
        ("c -> d -> a", {"c", "d"}),
        ("c -> d -> a; d -> b", set[str]()),
        ('c -> a [condition="outcome=success"]', set[str]()),
        ('c -> d; d -> a [condition="outcome=fail"]', set[str]()),
        ("c -> d -> c", {"c", "d"}),
        ("c -> d -> e -> d", {"c", "d", "e"}),
        ("a -> c", set[str]()),
    ],
)
def test_one_behind_which_nobody_asks_judges_nothing(edges: str, unasked: set[str]) -> None:
    graph = parse(f"digraph G {{ {DIAMONDS} {edges} }}")
    assert unasked_conditionals(graph, ["c"]) == unasked


def test_only_what_lies_behind_is_looked_at() -> None:
    graph = parse(f"digraph G {{ {DIAMONDS} c -> a; d -> e -> b; a -> d }}")
    assert unasked_conditionals(graph, ["c", "a", "nobody"]) == {"c"}
    assert unasked_conditionals(graph, []) == set()


def test_one_conditional_is_no_more_work_in_a_larger_graph() -> None:
    def work(many: int) -> Callable[[], object]:
        rows = " ".join(f"c{one} -> a{one};" for one in range(many))
        graph = parse(f"digraph G {{ node [shape=diamond]; {rows} }}")
        graph.outgoing("c0")
        return lambda: unasked_conditionals(graph, ["c0"])

    assert times_more(work, few=10) == 1


PIECES = ["a", "é", " ", "\n", "\r\n", r"\"", r"\\", r"\n", r"\t", "\\\n", "\\\r\n", r"\l"]

_ESCAPE_OR_LETTER = re.compile(r"\\(?:\r\n|.)|.", re.DOTALL)


def value_in(text: str) -> Value:
    value = parse(text).nodes["a"].attributes.value("prompt")
    assert value is not None
    return value


def shown(text: str, start: int, end: int) -> str:
    source, span = Source(text), span_within(value_in(text), start, end)
    return text[
        source.offset(span.line, span.column) : source.offset(span.end_line, span.end_column)
    ]


@pytest.mark.parametrize(
    ("inside", "part"),
    [
        ("one two three", "two"),
        (r"one \"x\" two three", "two"),
        (r"one\n\t\\ two", "two"),
        ("one\ntwo\nthree", "two"),
        ("one \\\n  two", "two"),
        ("one \\\r\n  two\\\n", "two"),
        ('one \\\n \\"x\\"\n two', "two"),
        (r"one\l two", "two"),
    ],
)
def test_a_part_is_found_behind_escapes_and_newlines(inside: str, part: str) -> None:
    text = f'digraph G {{\n  a [prompt="{inside}"] }}'
    start = str(value_in(text)).index(part)
    assert shown(text, start, start + len(part)) == part


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.data())
def test_what_stands_in_the_place_of_a_part_means_that_part(
    inside: str, data: st.DataObject
) -> None:
    text = f'digraph G {{ a [prompt="{inside}"] }}'
    plain = str(value_in(text))
    start = data.draw(st.integers(0, max(len(plain) - 1, 0)))
    end = data.draw(st.integers(min(start + 1, len(plain)), len(plain)))
    found = shown(text, start, end)
    # An escape of Graphviz's own means two characters, which a place may part.
    if start < end and r"\l" not in inside:
        assert read_text(found)[0] == plain[start:end]
        escapes = _ESCAPE_OR_LETTER.findall(found)
        assert not any(one.endswith("\n") for one in (escapes[0], escapes[-1]) if len(one) > 1)


@pytest.mark.parametrize("prompt", ['"one " + "two"', "two", "12"])
def test_what_is_not_one_text_in_quotes_stays_whole(prompt: str) -> None:
    value = value_in(f"digraph G {{ a [prompt={prompt}] }}")
    assert span_within(value, 0, 1) == value.span


def test_a_value_made_in_code_stands_nowhere() -> None:
    value = Value.of("one two")
    assert span_within(value, 0, 3) == value.span


def test_a_newline_behind_an_escaped_backslash_is_part_of_the_text() -> None:
    text = 'digraph G { a [prompt="\\\\\n"] }'
    assert str(value_in(text)) == "\\\n"
    assert shown(text, 0, 2) == "\\\\\n"
