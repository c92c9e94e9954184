"""Spans of parts of values."""

import re

from hypothesis import given, strategies as st

from attractor.language.reading import parse
from attractor.language.source.syntax_tree import Value
from attractor.language.source.text import Source, read_text, span_within
from tests.tables import table

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


@table(
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
def test_replacing_a_span_changes_only_that_part(inside: str, data: st.DataObject) -> None:
    text = f'digraph G {{ a [prompt="{inside}"] }}'
    plain = str(value_in(text))
    start = data.draw(st.integers(0, max(len(plain) - 1, 0)))
    end = data.draw(st.integers(min(start + 1, len(plain)), len(plain)))
    found = shown(text, start, end)
    # An escape that only Graphviz knows represents two characters; a span may end between them.
    if start < end and r"\l" not in inside:
        assert read_text(found)[0] == plain[start:end]
        escapes = _ESCAPE_OR_LETTER.findall(found)
        assert not any(one.endswith("\n") for one in (escapes[0], escapes[-1]) if len(one) > 1)


@table("prompt", ['"one " + "two"', "two", "12"])
def test_span_of_a_concatenation_is_the_whole_value(prompt: str) -> None:
    value = value_in(f"digraph G {{ a [prompt={prompt}] }}")
    assert span_within(value, 0, 1) == value.span


def test_spans_of_unusual_values() -> None:
    value = Value.of("one two")
    assert span_within(value, 0, 3) == value.span
    text = 'digraph G { a [prompt="\\\\\n"] }'
    assert str(value_in(text)) == "\\\n"
    assert shown(text, 0, 2) == "\\\\\n"
