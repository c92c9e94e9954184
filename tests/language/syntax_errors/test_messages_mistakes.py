"""Every common mistake has its own message, at its own place."""

from collections.abc import Callable

import pytest
from syrupy.assertion import SnapshotAssertion

from attractor.language.diagnostics import as_text
from attractor.language.preparation.prepare import prepare
from attractor.language.reading import read_graph
from attractor.language.source.text import Source
from tests.growing import times_more
from tests.language.repeated import MISTAKEN
from tests.tables import table

MANY = """digraph G {
  graph [goal="x", label=<<b>hi</b>>]
  a [shape:box, label="A", max_retries=2hours, weird=a/b, x, prompt=“Hello world”]
  a -- b
  b ->
  c [label="C"
  d -> e
  rankdir: LR
  node;
  my-node [label="x"]
  1 -> 2
  f -> node
  g =
  { h }
  i => j, k
  l ]
  -> m
  {a b} -> c
  label = <b>
  timeout=900sec
  p -> q [a=1] -> r
  s -> subgraph x { t }
  title = “Big”
  u, v
  size = 99999999999999999999
  w [2=3, =4, é.b=1, color=#ff0000, y=]
  a "b" = c
}
foo
"""


def shown(text: str) -> str:
    source = Source(text, "pipeline.dot")
    return "\n".join(as_text(one, source) for one in read_graph(source).diagnostics)


def test_all_mistakes_of_a_file_are_reported_each_with_a_caret(snapshot: SnapshotAssertion) -> None:
    assert shown(MANY) == snapshot


@pytest.mark.parametrize(
    "text",
    [
        "",
        "// nothing\n",
        "hello",
        "strict graph G { a -- b }",
        "Digraph G { a }",
        "digraph my graph { a }",
        "digraph G",
        "digraph G { a",
        "digraph G { subgraph x { a }",
        "digraph G { a } }",
        "digraph G { a }\ndigraph H { b }",
        "digraph G { a } and more",
        'digraph G { a [label="x }',
        "digraph G { a /* b }",
        "digraph G { a [b=c /* d ] }",
        'digraph G {\n a [label="abc]\n b [label="B"]\n c [label="C"]\n}',
        "digraph G { a [b=[c]] }",
        "digraph G { a [shape=box }",
        "}",
        "\ufffd\x00",
        "digraph G { a [\x1b[31m] }",
        "digraph G { a\u200b }",
        "\ufeffdigraph G { a }",
    ],
)
def test_the_sentence_for_a_mistake(text: str, snapshot: SnapshotAssertion) -> None:
    assert shown(text) == snapshot


def test_parsing_continues_after_a_mistake() -> None:
    diagnostics = read_graph(Source("digraph G { a -- b; c -- d }\n")).diagnostics
    assert [one.span.column for one in diagnostics] == [15, 23]
    diagnostics = read_graph(Source('digraph G {a : a "}')).diagnostics
    assert [one.message for one in diagnostics] == [
        "expected key = value, not ':'",
        "unclosed text",
    ]
    diagnostics = read_graph(Source('digraph { "a b" -- c }')).diagnostics
    assert {one.rule for one in diagnostics} == {"syntax"}
    text = """digraph G {
        a -- b
        c [promt=x, max_retries=many]
        f -> exit [condition="outcome == x"]
    }"""
    found = [(one.rule, one.span.line) for one in prepare(text).diagnostics]
    assert found == [
        ("syntax", 2),
        ("unknown_attribute", 3),
        ("attribute_value", 3),
        ("condition_syntax", 4),
    ]


@table("line", ["1", "{ a }", "1 -> 2", "}", "]", "-> a", '"'])
def test_line_without_a_statement_is_skipped(line: str) -> None:
    reading = read_graph(Source(f"digraph G {{\n a -- b\n{line}\n{line}\n a -- b\n"))
    assert reading.graph is None


@table("piece", MISTAKEN)
def test_ten_times_as_many_mistakes_are_ten_times_the_work(piece: str) -> None:
    def work(times: int) -> Callable[[], object]:
        text = "digraph G {" + piece * times + "\n}"
        return lambda: read_graph(Source(text))

    assert times_more(work, few=30) < 15
