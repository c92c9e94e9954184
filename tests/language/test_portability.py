"""What other tools accept is accepted, with a note (ruling L1)."""

import pytest

from attractor.language.parsing import parse, read_graph
from attractor.language.sources import Source

PLAIN = "digraph G { a [x=1, y=2]; a -> b }"


@pytest.mark.parametrize(
    ("text", "plain", "words"),
    [
        ("digraph { a }", "", "without a name"),
        ("digraph G { a [x=1 y=2]; a -> b }", PLAIN, "no comma"),
        ("digraph G { a [x=1; y=2]; a -> b }", PLAIN, "';' between"),
        ("digraph G { a [x=1, y=2,]; a -> b }", PLAIN, "nothing follows"),
        ("digraph G { a [x=1] [y=2]; a -> b }", PLAIN, "second attribute list"),
        ("digraph G { a [x=1, y=2]; a:n -> b }", PLAIN, "port"),
        ("digraph G { a [x=1, y=2]; a -> b:s }", PLAIN, "port"),
        ('digraph G { "a" [x=1, y=2]; a -> b }', PLAIN, "id in quotes"),
        ('digraph G { a ["x"=1, y=2]; a -> b }', PLAIN, "key in quotes"),
        ("# a line\ndigraph G { a [x=1, y=2]; a -> b }", PLAIN, "preprocessor"),
        ("digraph G { a []; }", "digraph G { a }", "empty attribute list"),
        ('digraph G { a [x="b" + "c"] }', 'digraph G { a [x="bc"] }', "joined"),
        ('digraph G { a [x="b\\\nc"] }', 'digraph G { a [x="bc"] }', "escape"),
        ('digraph G { a [x="b\\lc"] }', 'digraph G { a [x="b\\\\lc"] }', "escape"),
        ("digraph G { größe }", "", "outside a to z"),
        ("digraph G { a [größe=1] }", "", "outside a to z"),
    ],
)
def test_it_is_accepted_and_noted(text: str, plain: str, words: str) -> None:
    graph, diagnostics = read_graph(Source(text))
    assert [(one.severity, one.rule) for one in diagnostics] == [("info", "portability")]
    assert words in diagnostics[0].message
    assert diagnostics[0].fix
    assert not plain or graph == parse(plain)


def test_the_specifications_grammar_needs_no_note() -> None:
    text = """digraph G {
        graph [goal="g", a.b=1]
        node [shape=box]; edge [weight=0];
        rankdir=LR;
        subgraph { x }
        subgraph cluster_a { y -> z [label="l"]; }
        a [b="c", d=-1, e=.5, f=-3.14, g=true, h=900s, i=summary:low, j=a.b-c:d]
    }
    // the end
    """
    assert read_graph(Source(text)).diagnostics == ()
