"""Properties of all texts and all graphs."""

import codecs
import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from attractor.language.diagnostics import UnreadablePipeline, as_text
from attractor.language.graph.graph import Graph
from attractor.language.preparation.prepare import prepare
from attractor.language.reading import decode, parse, read_graph
from attractor.language.source.text import Source
from tests.counts import count
from tests.language.pipelines import BRANCH, HUMAN_GATE, SMOKE, as_dot, graphs

MANY = settings(
    max_examples=count(ci=20, full=10_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
_PIECES = [
    *('"', "[", "]", "{", "}", "->", "--", "=", ",", ";", ":", "//", "/*", "*/", "\\", "<", "\n"),
    *("'", "`", "\u201c", "#", "# n", "='", "=@a/b", "://", ":=", "~>", " - ", "} x", "a {", "->{"),
    *("{a b} -> ", "k={", "label=a b", "goal=\n", "+1", ' : "l"', "digraph ", "Digraph ", "graph "),
]
_TEXTS = [BRANCH, HUMAN_GATE, SMOKE]


@st.composite
def mutations(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(_TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        end = at + draw(st.integers(0, 5))
        text = text[:at] + draw(st.sampled_from(["", *_PIECES]) | st.text(max_size=3)) + text[end:]
    return text


def diagnose(text: str) -> None:
    """Read and check a text: a graph, or errors; every diagnostic points into it."""
    source = Source(text, "some.dot")
    lines = text.split("\n")
    prepared = prepare(text, file="some.dot")
    assert (prepared.graph is None) <= any(one.is_error for one in prepared.diagnostics)
    for one in prepared.diagnostics:
        assert 1 <= one.span.line <= one.span.end_line <= len(lines)
        assert 1 <= one.span.column <= len(lines[one.span.line - 1]) + 1
        assert 1 <= one.span.end_column <= len(lines[one.span.end_line - 1]) + 1
        assert one.message
        assert one.rule
        assert re.match(r"some\.dot:\d+:\d+: \w+\[\w+\]: .", as_text(one, source))


@MANY
@given(st.text(alphabet=st.characters(), max_size=200))
def test_any_text_is_a_graph_or_has_diagnostics(text: str) -> None:
    diagnose(text)
    reading = read_graph(Source(text))
    assert reading.graph is not None or any(one.is_error for one in reading.diagnostics)


@MANY
@given(st.lists(st.sampled_from([*_PIECES, "a", "graph", "node", "subgraph", " "]), max_size=30))
def test_any_row_of_signs_is_a_graph_or_has_diagnostics(pieces: list[str]) -> None:
    diagnose("digraph G {" + " ".join(pieces) + "}")
    diagnose("".join(pieces))


@MANY
@given(mutations())
def test_a_pipeline_with_mistakes_is_diagnosed(text: str) -> None:
    diagnose(text)


@MANY
@given(st.binary(max_size=200))
def test_any_bytes_are_a_text_or_an_error_of_ours(content: bytes) -> None:
    text = ""
    with suppress(UnreadablePipeline):
        text = decode(content)
    assert text.encode() == content.removeprefix(codecs.BOM_UTF8) or is_no_text(content)


def is_no_text(content: bytes) -> bool:
    try:
        return "\0" in content.decode() or content[:2] in (b"\xff\xfe", b"\xfe\xff")
    except UnicodeDecodeError:
        return True


@settings(MANY, max_examples=count(ci=12, full=2_000))
@given(graphs())
def test_a_graph_written_as_text_is_read_as_itself(graph: Graph) -> None:
    read = parse(as_dot(graph))
    assert read == graph
    assert list(read.nodes) == list(graph.nodes)


MUCH = count(ci=1, full=5)


@pytest.mark.parametrize(
    "text",
    [
        "digraph G {" + "a -> " * 10_000 * MUCH + "b }",
        "digraph G {" + "subgraph {" * 4_000 * MUCH + "a" + "}" * 4_000 * MUCH + "}",
        "digraph G {" + "subgraph x {" * 4_000 * MUCH,
        'digraph G { a [prompt="' + "word \\\\ " * 30_000 * MUCH + '"] }',
        "digraph G { a [" + "k=v, " * 10_000 * MUCH + "k=v] }",
        "digraph G {" + "a -> b -- c\n" * 4_000 * MUCH + "}",
        "digraph G {" + " [" * 10_000 * MUCH,
        "digraph G {" + "/*" * 10_000 * MUCH,
        "digraph G { a [x=" + "/**/ " * 10_000 * MUCH,
        'digraph G { a [x="' + "\\" * (10_000 * MUCH + 1),
        "digraph G {\n" + "\n".join(f"a -> b{i}" for i in range(2_000 * MUCH)) + "}",
        "digraph G {" + "{" * 6_000 * MUCH,
        "digraph G {" + "}" * 6_000 * MUCH,
        "digraph G { a [x" + " " * 40_000 * MUCH + "] }",
        'digraph G { a [x="1"' + '+"1"' * 4_000 * MUCH + "] }",
    ],
    ids=lambda text: text[:30],
)
def test_no_size_or_depth_is_too_much(text: str) -> None:
    reading = read_graph(Source(text))
    faults = [one for one in reading.diagnostics if one.is_error]
    assert (reading.graph is None) is bool(faults)
