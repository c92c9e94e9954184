"""Syntax of other tools is accepted with a note (ruling L1)."""

from attractor.language.diagnostics import PORTABILITY, Diagnostic
from attractor.language.graph.graph import Graph
from attractor.language.preparation.fixes import fix
from attractor.language.preparation.prepare import prepare
from attractor.language.reading import parse, read_graph
from attractor.language.source.text import Source
from tests.tables import table

PLAIN = "digraph G { a [x=1, y=2]; a -> b }"


@table(
    ("text", "plain", "words"),
    [
        ("digraph { a }", "", "without a name"),
        ("digraph G { a [x=1 y=2]; a -> b }", PLAIN, "missing comma"),
        ("digraph G { a [x=1; y=2]; a -> b }", PLAIN, "';' between"),
        ("digraph G { a [x=1, y=2,]; a -> b }", PLAIN, "trailing"),
        ("digraph G { a [x=1] [y=2]; a -> b }", PLAIN, "second attribute list"),
        ("digraph G { a [x=1, y=2]; a:n -> b }", PLAIN, "port"),
        ("digraph G { a [x=1, y=2]; a -> b:s }", PLAIN, "port"),
        ("digraph G { a:n [x=1, y=2]; a -> b }", PLAIN, "port"),
        ('digraph G { a:"of mine" [x=1, y=2]; a -> b }', PLAIN, "port"),
        ('digraph G { a [x=1, y=2]; a -> b : "a label" }', PLAIN, "port"),
        ('digraph G { "a" [x=1, y=2]; a -> b }', PLAIN, "id in quotes"),
        ('digraph G { "node" [x=1] }', "", "id in quotes"),
        ('digraph "Graph" { }', "", "id in quotes"),
        ('digraph G { "1" [x=1] }', "", "id in quotes"),
        ('digraph G { a ["x"=1, y=2]; a -> b }', PLAIN, "key in quotes"),
        ("# a line\ndigraph G { a [x=1, y=2]; a -> b }", PLAIN, "preprocessor"),
        ("digraph G { a []; }", "digraph G { a }", "empty attribute list"),
        ('digraph G { a [x="b" + "c"] }', 'digraph G { a [x="bc"] }', "joined"),
        ('digraph G { a [x="b\\\nc"] }', 'digraph G { a [x="bc"] }', "escape"),
        ('digraph G { a [x="b\\lc"] }', 'digraph G { a [x="b\\\\lc"] }', "escape"),
        ("digraph G { größe }", "", "other than a to z"),
        ("digraph G { a [größe=1] }", "", "other than a to z"),
    ],
)
def test_foreign_syntax_is_accepted_and_noted(text: str, plain: str, words: str) -> None:
    graph, diagnostics, _ = read_graph(Source(text))
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


@table(
    ("text", "mended"),
    [
        ("digraph G { a [x=1 y=2] }", "digraph G { a [x=1, y=2] }"),
        ('digraph G { a [x="1"  /* z */ y=2] }', 'digraph G { a [x="1",  /* z */ y=2] }'),
        ("digraph G { a [x=1; y=2] }", "digraph G { a [x=1, y=2] }"),
        ("digraph G { a [x=1, y=2 ; ] }", "digraph G { a [x=1, y=2  ] }"),
        ("digraph G { a [x=1] [y=2] }", "digraph G { a [x=1, y=2] }"),
        ("digraph G { a [x=1,] [y=2] }", "digraph G { a [x=1, y=2] }"),
        ("digraph G { a [x=1] [y=2] [z=3] }", "digraph G { a [x=1, y=2, z=3] }"),
        ("digraph G { a:n -> b:s:w }", "digraph G { a -> b }"),
        ('digraph G { a:"n" [x=1] }', "digraph G { a [x=1] }"),
        ('digraph G { "a" -> "b" }', "digraph G { a -> b }"),
        ('digraph G { "a""b" }', "digraph G { a b }"),
        ('digraph G { subgraph"a" { } }', "digraph G { subgraph a { } }"),
        ('digraph G { a [x="1""y"=2] }', 'digraph G { a [x="1",y=2] }'),
        ("# a line\ndigraph G { a }", "// a line\ndigraph G { a }"),
        ("digraph G { a [] }", "digraph G { a }"),
        ("digraph G { a[]b }", "digraph G { a b }"),
        ('digraph G { a [x="b" +\n "c"] }', 'digraph G { a [x="bc"] }'),
        ('digraph G { a [script="make"] }', 'digraph G { a [tool_command="make"] }'),
        ("digraph G { default_max_retry=2 }", "digraph G { default_max_retries=2 }"),
    ],
)
def test_portability_notes_are_fixed(text: str, mended: str) -> None:
    assert fix(text, check=notes).text == mended
    assert not notes(mended)
    assert meaning(mended) == meaning(text)


@table(
    "text",
    [
        "digraph { a }",
        "digraph G { größe }",
        'digraph G { "a b" }',
        'digraph G { "node" }',
        'digraph G { a -> b : "label" }',
        "digraph G { a -> b:label [x=1] }",
        'digraph G { a:"a label" -> b }',
        'digraph G { a [x="b\\lc"] }',
        "digraph G { a [ /* why */ ] }",
        'digraph G { a [x="b" + /* why */ "c"] }',
        "digraph G { a [x=1] /* why */ [y=2] }",
        "digraph G { a [script=ls, tool_command=make] }",
    ],
)
def test_lossy_fixes_are_not_applied(text: str) -> None:
    assert notes(text)
    assert fix(text, check=notes).text == text


def test_notes_have_their_own_advice() -> None:
    (note,) = notes('digraph G { a -> b : "Yes, do" }')
    assert note.fix == 'write [label="Yes, do"] for a label, otherwise remove it'
    (note,) = notes('digraph G { "edge" }')
    assert note.fix == "edge is a keyword: use edge_ or another id"


def notes(text: str) -> list[Diagnostic]:
    return [one for one in prepare(text).diagnostics if one.rule == PORTABILITY]


def meaning(text: str) -> Graph | None:
    return prepare(text).graph
