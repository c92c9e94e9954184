"""Each syntax error is reported once, and its fix works."""

from attractor.language.diagnostics import Diagnostic
from attractor.language.preparation.fixes import fix_safely
from attractor.language.preparation.prepare import Prepared, prepare
from attractor.language.source.text import Source
from tests.tables import table

PIPELINE = """digraph H {{
  start [shape=Mdiamond]
  exit [shape=Msquare]
  a [prompt="A"]
  b [prompt="B"]
  start -> a -> b -> exit
  {}
}}
"""
ANOTHER = "\n  q -- r"

NO_ORIGIN = "an edge cannot have several sources"
NO_TARGET = "an edge cannot have several targets"
FROM_SUBGRAPH = "an edge cannot begin at a subgraph"
DOUBLE = "a text needs double quotes"
SMART = "typographic quotes"
SWALLOWED = "a value with '//' needs quotes, otherwise it is a comment"
BRACKETS = "attributes need square brackets"
NO_COMMENT = "invalid comment with '#'"


def in_quotes(value: str) -> str:
    return f"the value '{value}' needs quotes"


def no_value(key: str) -> str:
    return f"missing value of '{key}'"


# The text, the message, and the remedy.
ONCE = [
    ('subgraph x { c [prompt="x"] } -> b', FROM_SUBGRAPH, "write an edge for each of its nodes"),
    ('subgraph x { c [prompt="x"] }\n -> b', FROM_SUBGRAPH, "write an edge for each of its nodes"),
    ("subgraph { a; b } -> exit", FROM_SUBGRAPH, "write an edge for each of its nodes"),
    ("{a b} -> exit", NO_ORIGIN, "write a -> exit and b -> exit"),
    ("{a; b} -> exit [weight=1]", NO_ORIGIN, "write a -> exit and b -> exit"),
    ("{a b} -> {b exit}", NO_ORIGIN, "write an edge for each of its nodes"),
    ("{ a -> b } -> exit", NO_ORIGIN, "write an edge for each of its nodes"),
    ("a -> {b exit}", NO_TARGET, "write a -> b and a -> exit"),
    ('a -> {b, exit} [label="x"]', NO_TARGET, "write a -> b and a -> exit"),
    ("a -> {a b c exit};", NO_TARGET, "write an edge for each of its nodes"),
    ("start -> a -> {b exit}", NO_TARGET, "write a -> b and a -> exit"),
    ('d {prompt="x"}', BRACKETS, "use [ ] instead of { }"),
    ('d {\n prompt="x"\n label="y",\n}', BRACKETS, "use [ ] instead of { }"),
    ("node {shape=box}", BRACKETS, "use [ ] instead of { }"),
    ('a -> b {label="x"}', BRACKETS, "use [ ] instead of { }"),
    ("{ rank=same; a; b }", "unexpected '{'", "add subgraph before it"),
    ("c16 {\n  a\n  }", "unexpected '{'", "write subgraph c16 {"),
    ("c [prompt='do it']", DOUBLE, 'write prompt="do it"'),
    (
        "c [prompt='write the tests, run them; then stop']",
        DOUBLE,
        'write prompt="write the tests, run them; then stop"',
    ),
    ("c [prompt='it''s', label='x']\n", DOUBLE, "write prompt=\"it''s\""),
    ("c [prompt='say \"hi\"']", DOUBLE, 'write prompt="say \\"hi\\""'),
    ("c [prompt='a\n b, c']", DOUBLE, 'write prompt="a…"'),
    ("c [prompt='do it]", DOUBLE, 'write prompt="..."'),
    ("label = 'my graph, yes'", DOUBLE, 'write label = "my graph, yes"'),
    ("c [prompt=`x y`]", DOUBLE, 'write prompt="x y"'),
    ("prompt=`x y`", DOUBLE, 'write prompt="x y"'),
    ("c [prompt=\u201cone, two\u201d]", SMART, 'write prompt="one, two"'),
    ("label = \u201cone; two\u201d", SMART, 'write label = "one; two"'),
    ("c [label=[1,2]]", in_quotes("[1,2]"), 'write label="[1,2]"'),
    ("c [label={x}]", in_quotes("{x}"), 'write label="{x}"'),
    ("c [label={{x}}, k=v]", in_quotes("{{x}}"), 'write label="{{x}}"'),
    ("label=[1,2]", in_quotes("[1,2]"), 'write label="[1,2]"'),
    ("label={x}", in_quotes("{x}"), 'write label="{x}"'),
    ("c [prompt=@prompts/x.md]", in_quotes("@prompts/x.md"), 'write prompt="@prompts/x.md"'),
    ("c [prompt=@a/x.md, k=v]", in_quotes("@a/x.md"), 'write prompt="@a/x.md"'),
    ("prompt=@prompts/x.md", in_quotes("@prompts/x.md"), 'write prompt="@prompts/x.md"'),
    (
        "a -> b [condition=outcome!=success && x=y]",
        in_quotes("outcome!=success && x=y"),
        'write condition="outcome!=success && x=y"',
    ),
    (
        "a -> b [condition=outcome=success, weight=3]",
        in_quotes("outcome=success"),
        'write condition="outcome=success"',
    ),
    (
        "a -> b [condition=(outcome!=success) weight=3]",
        in_quotes("(outcome!=success)"),
        'write condition="(outcome!=success)"',
    ),
    ("c [prompt=this is it]", in_quotes("this is it"), 'write prompt="this is it"'),
    ("c [prompt=it's so, k=v]", in_quotes("it's so"), 'write prompt="it\'s so"'),
    (
        "label = What's up, then?",
        in_quotes("What's up, then?"),
        'write label = "What\'s up, then?"',
    ),
    ("c [tool_command=ls -l | wc]", in_quotes("ls -l | wc"), 'write tool_command="ls -l | wc"'),
    ("c [URL=https://a.b/c]", SWALLOWED, 'write URL="https://a.b/c"'),
    ("c [URL=https://a.b/c, k=v]", SWALLOWED, 'write URL="https://a.b/c"'),
    ('c [URL=https://a.b/c\n prompt="x"]', SWALLOWED, 'write URL="https://a.b/c"'),
    ("URL = http://a.b/c", SWALLOWED, 'write URL = "http://a.b/c"'),
    ("c [prompt:=A]", "expected '=', not ':='", "write prompt=A"),
    ('c [prompt:="A"]', "expected '=', not ':='", 'write prompt="A"'),
    ("a -> b [weight=+1]", "unsupported '+' before a number", "write weight=1"),
    ("c [fontsize=5.]", "invalid number '5.'", "write 5.0"),
    ("c [fontsize=5e3]", "invalid number '5e3'", "write 5000.0"),
    ("c [fontsize=5e999]", "invalid number '5e999'", 'write "5e999"'),
    ("c [width=50%]", in_quotes("50%"), 'write "50%"'),
    ('c [prompt="x"] # note', NO_COMMENT, "use //"),
    ("# a 'note' [", NO_COMMENT, "use //"),
    ('c [k="x", # it\'s {\n label="y"]', NO_COMMENT, "use //"),
    ("goal = \n start -> a", no_value("goal"), 'write goal = "..."'),
    ('goal =\n c [prompt="x"]', no_value("goal"), 'write goal = "..."'),
    ('goal =\n label="x"', no_value("goal"), 'write goal = "..."'),
    ("goal =\n node [shape=box]", no_value("goal"), 'write goal = "..."'),
    ("goal =\n subgraph { }", no_value("goal"), 'write goal = "..."'),
    ("subgraph { goal = }", no_value("goal"), 'write goal = "..."'),
    ('c [k=,\n label="x"]', no_value("k"), 'write k="..."'),
    ('c [a="x",, b="y"]', "unexpected ','", "remove it"),
    ('c [,a="x"]', "unexpected ','", "remove it"),
    ("c [;]", "unexpected ';'", "remove it"),
    ("c [weight 3]", "missing '=' after 'weight'", "write weight=3"),
    ('c [prompt "x", k=v]', "missing '=' after 'prompt'", 'write prompt="x"'),
    ("c [prompt do it]", "missing '=' after 'prompt'", 'write prompt="do it"'),
    ("a > b", "invalid edge '>'", "use ->"),
    ("a >> b", "invalid edge '>>'", "use ->"),
    ("a ~> b", "invalid edge '~>'", "use ->"),
    ("a \u2013 b", "invalid edge '–'", "use ->"),
    ("a \u2014 b", "invalid edge '—'", "use ->"),
    ("a \u2013> b", "invalid edge '–>'", "use ->"),
    ("a \u2014> b", "invalid edge '—>'", "use ->"),
    ("a - b", "invalid edge '-'", "use ->"),
    ("a - > b", "invalid edge '- >'", "use ->"),
    ("a ==> b", "invalid edge '==>'", "use ->"),
    ("a <- b", "invalid edge '<-'", "swap the nodes, and use -> between them"),
    ("a <-> b", "invalid edge '<->'", "write an edge for each direction"),
    ("a -- b", "invalid edge '--': edges have a direction", "use ->"),
    ("} x", "this '}' ends the graph too early", "remove it"),
    ("}\n  c", "this '}' ends the graph too early", "remove it"),
]


def check(text: str) -> Prepared:
    return prepare(text, file="h.dot")


def mistakes(text: str) -> list[Diagnostic]:
    return [one for one in check(text).diagnostics if one.rule == "syntax"]


@table(("written", "message", "fix"), ONCE)
def test_each_mistake_is_reported_once(written: str, message: str, fix: str) -> None:
    diagnostics = mistakes(PIPELINE.format(written))
    labels = written.count("='") - 1 if "label='x'" in written else 0
    assert [(one.message, one.fix) for one in diagnostics[: len(diagnostics) - labels]] == [
        (message, fix)
    ]
    assert diagnostics[0].span.line in (6, 7, 8)


@table("written", [one for one, _, _ in ONCE])
def test_mistake_hides_no_later_mistake(written: str) -> None:
    alone, both = (mistakes(PIPELINE.format(one)) for one in (written, written + ANOTHER))
    assert [one.message for one in both] == [
        *(one.message for one in alone),
        "invalid edge '--': edges have a direction",
    ]


@table(
    ("written", "mended"),
    [
        ("c [prompt='do it, now']", 'c [prompt="do it, now"]'),
        ("c [prompt='say \"hi\"', k=v]", 'c [prompt="say \\"hi\\"", k=v]'),
        ("c [prompt='it\\'s']", 'c [prompt="it\'s"]'),
        ("c [prompt='a\n  b']", 'c [prompt="a\n  b"]'),
        ("c [prompt=`x y`]", 'c [prompt="x y"]'),
        ("c [prompt=\u201cx \u201ey\u201d]", 'c [prompt="x \u201ey"]'),
        ("c [label=[1,2]]", 'c [label="[1,2]"]'),
        ("c [prompt=@prompts/x.md]", 'c [prompt="@prompts/x.md"]'),
        ("a -> exit [condition=x!=y && z=1]", 'a -> exit [condition="x!=y && z=1"]'),
        ("c [prompt=this is it label=x]", 'c [prompt="this is it" label=x]'),
        ("c [URL=https://a.b/c\n prompt=x]", 'c [URL="https://a.b/c"\n prompt=x]'),
        ("URL = http://a.b/c", 'URL = "http://a.b/c"'),
        ("a -> exit [weight=+1]", "a -> exit [weight=1]"),
        ("c [prompt=x] # note", "c [prompt=x] // note"),
        ("# note", "// note"),
        ("c [a=1,, b=2]", "c [a=1, b=2]"),
        ("c [,a=1]", "c [a=1]"),
        ("c [weight 3]", "c [weight=3]"),
        ('c {prompt="x"}', 'c [prompt="x"]'),
        ("{ rank=same; a; b }", "subgraph { rank=same; a; b }"),
        ("a ~> exit", "a -> exit"),
        ("a \u2014> exit", "a -> exit"),
        ("a --> exit", "a -> exit"),
    ],
)
def test_unambiguous_mistakes_are_fixed(written: str, mended: str) -> None:
    text = PIPELINE.format(written)
    # Notes that appear once the text is readable are fixed, too.
    found = [
        one for one in fix_safely(text, check=check, file="h.dot").applied if one.rule == "syntax"
    ]
    assert found
    done = text
    for one in found:
        for edit in one.edits:
            source = Source(done, "h.dot")
            start = source.offset(edit.span.line, edit.span.column)
            end = source.offset(edit.span.end_line, edit.span.end_column)
            done = done[:start] + edit.text + done[end:]
    assert done == PIPELINE.format(mended)
    assert not mistakes(done)


@table(
    "written",
    [
        "c [prompt='do it]",
        "a -- exit",
        "a > exit",
        "a <- exit",
        "a -> {b exit}",
        "c [prompt do it, weight]",
        "c [shape=box style]",
    ],
)
def test_ambiguous_mistakes_are_not_fixed(written: str) -> None:
    text = PIPELINE.format(written)
    assert mistakes(text)
    assert fix_safely(text, check=check, file="h.dot").text == text


@table(
    ("head", "message", "fix"),
    [
        ("digraph my-pipe {", "the id 'my-pipe' has a '-'", 'write "my-pipe" or my_pipe'),
        ("digraph my.pipe {", "the id 'my.pipe' has a '.'", 'write "my.pipe" or my_pipe'),
        ("digraph my pipe {", "the id 'my pipe' has a blank", 'write "my pipe" or my_pipe'),
        ("digraph 'my pipe' {", DOUBLE, 'write "my pipe" or my_pipe'),
        ("digraph \u201cG\u201d {", SMART, "write G"),
        ("digraph G = {", "unexpected '=' before the '{' of a graph", "remove it"),
        ("digraph G: {", "unexpected ':' before the '{' of a graph", "remove it"),
        ("digraph = {", "unexpected '=' before the '{' of a graph", "remove it"),
        ("digraph 1 {", "an id cannot begin with a digit", "use n1 or another id"),
        ("digraph node {", "'node' is a keyword, not an id", "use node_ or another id"),
        ("digraph digraph {", "'digraph' is a keyword, not an id", "use digraph_ or another id"),
        ("digraph G\n", "missing '{' after 'G'", "write G {"),
        ("digraph G", "missing '{' after 'G'", "write G {"),
        ("digraph\n {", "", ""),
        ("digraph G digraph {", "the id 'G digraph' has a blank", 'write "G digraph" or G_digraph'),
        (
            "digraph G [x=1] {",
            "attribute list before the '{' of a graph",
            "move them into the graph: graph [...]",
        ),
        ("digraph G (", "expected '{', not '('", "use {"),
        ("digraph G [", "expected '{', not '['", "use {"),
    ],
)
def test_mistake_before_the_brace_is_reported_once(head: str, message: str, fix: str) -> None:
    rest = "\n start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit\n}\n"
    diagnostics = mistakes(head + rest)
    assert [(one.message, one.fix) for one in diagnostics] == ([(message, fix)] if message else [])
    behind = mistakes(head + rest.replace("}", "q -- r }"))
    assert len(behind) == len(diagnostics) + 1


@table(
    ("text", "messages"),
    [
        ("Digraph a-b {}", ["unknown keyword 'Digraph'", "the id 'a-b' has a '-'"]),
        ("graph a.b {}", ["undirected graphs are not supported", "the id 'a.b' has a '.'"]),
        ("Digraph - {}", ["unknown keyword 'Digraph'", "unexpected '-' before the '{' of a graph"]),
        ("digraph", ["missing '{'"]),
    ],
)
def test_wrong_keyword_of_a_graph_hides_no_invalid_name(text: str, messages: list[str]) -> None:
    assert [one.message for one in mistakes(text)] == messages


@table(
    ("head", "mended"),
    [
        ("digraph my-pipe {", 'digraph "my-pipe" {'),
        ("digraph my pipe{", 'digraph "my pipe"{'),
        ("digraph G = {", "digraph G {"),
        ("digraph G\n", "digraph G {\n"),
        ("digraph G", "digraph G {"),
    ],
)
def test_graph_head_is_fixed(head: str, mended: str) -> None:
    rest = "\n start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit\n}\n"
    assert fix_safely(head + rest, check=check, file="h.dot").text == mended + rest


@table(
    ("inside", "line"),
    [
        ("subgraph {\n    a\n", 7),
        ("subgraph x {\n    c\n  subgraph y {\n    d\n  }", 7),
        ("subgraph x {\n    c\n    subgraph y {\n    d\n  }", 9),
        ("subgraph x { subgraph y { c }", 7),
    ],
)
def test_diagnostic_points_at_the_unclosed_brace(inside: str, line: int) -> None:
    (diagnostic,) = mistakes(PIPELINE.format(inside))
    assert diagnostic.message == "unclosed '{'"
    assert diagnostic.span.line == line


def test_unclosed_braces_hide_nothing() -> None:
    diagnostics = mistakes(PIPELINE.format('c16 {\n  q -- r\n  c [prompt="y"\n'))
    assert [one.message for one in diagnostics] == [
        "unexpected '{'",
        "invalid edge '--': edges have a direction",
        "unclosed '['",
    ]
    diagnostics = mistakes(PIPELINE.format('} x\n  q -- r\n  c [prompt="y"\n'))
    assert [one.message for one in diagnostics] == [
        "this '}' ends the graph too early",
        "invalid edge '--': edges have a direction",
        "unclosed '['",
    ]
    assert (diagnostics[0].span.line, diagnostics[0].span.column) == (7, 3)


@table(
    ("text", "messages"),
    [
        ("digraph{a->", ["unclosed '{'", "missing target of the edge"]),
        ("digraph{ graph", ["unclosed '{'", "missing attributes after 'graph'"]),
        ("digraph{ a", ["unclosed '{'"]),
    ],
)
def test_text_that_ends_in_a_statement_lacks_two_delimiters(text: str, messages: list[str]) -> None:
    assert [one.message for one in mistakes(text)] == messages


@table("rest", ["```\nHere it is: a -- b.\n", "digraph I { a -- b }\n", "digraph I { a } }"])
def test_text_after_the_graph_is_reported_once(rest: str) -> None:
    assert len(mistakes(PIPELINE.format("") + rest)) == 1
