"""A text that is written anew keeps its line ends, and its meaning with them."""

import re

from hypothesis import HealthCheck, given, settings

from attractor.cli.line_ends import has_mixed_line_ends, with_line_ends_of
from attractor.language import format, parse
from attractor.language.formatter import format_text
from attractor.language.graph.graph import Graph
from tests.counts import count
from tests.language.pipelines import any_graphs


def test_only_a_text_that_ends_every_line_so_keeps_crlf() -> None:
    assert with_line_ends_of("a\r\nb\r\n", "c\nd\r\ne") == "c\r\nd\r\ne"
    assert with_line_ends_of("a\r\nb\n", "c\nd\n") == "c\nd\n"
    assert with_line_ends_of("a", "c\n") == "c\n"


def test_a_text_in_quotes_stays_as_it_is() -> None:
    text = 'digraph G {\n    a [x="1\n2"]  // "b\n}\n'
    assert with_line_ends_of("a\r\n", text) == 'digraph G {\r\n    a [x="1\n2"]  // "b\r\n}\r\n'


def test_mixed_line_ends_are_found() -> None:
    assert has_mixed_line_ends("a\r\nb\n")
    assert not has_mixed_line_ends("a\r\nb\r\n")
    assert not has_mixed_line_ends("a\nb\n")


def test_comments_and_texts_of_several_lines_keep_theirs() -> None:
    text = 'digraph x { /* a\n b */ y [prompt="c\nd" + "e"] // e\n#f\n y->z }\n'
    crlf = text.replace("\n", "\r\n")
    laid_out = with_line_ends_of(crlf, format_text(crlf))
    assert laid_out == format_text(text).replace("\n", "\r\n")
    assert parse(laid_out) == parse(crlf)


@settings(
    max_examples=count(ci=50, full=1_000),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(any_graphs())
def test_a_text_in_its_layout_stays_as_it_is_with_crlf(graph: Graph) -> None:
    text = re.sub(r"(?<!\r)\n", "\r\n", format(graph))
    assert with_line_ends_of(text, format_text(text)) == text
