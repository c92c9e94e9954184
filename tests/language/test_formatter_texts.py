"""The standard layout, and unchanged meaning of formatted texts."""

import re
import subprocess

import pytest
from hypothesis import given, settings, strategies as st
from syrupy.assertion import SnapshotAssertion

from attractor.language.diagnostics import ParseError
from attractor.language.formatter import format_text
from attractor.language.reading import parse
from tests.counts import count
from tests.needs import require

UNTIDY = """// head comment
digraph /* in head */ Branch { // behind the brace
    graph [goal="Implement and validate a feature"]; rankdir=LR
# preprocessor
    node [shape=box, timeout=900s] node []


    start     [shape=Mdiamond, label="Start"] // trailing
    exit      [shape=Msquare, label="Exit"];   /* after */


    plan      [
       // why
       label="Plan", prompt="Plan the implementation" // behind
       , human.default_choice=x.y /* c */ , /* d */ type=wait.human
       /* last */
    ] [a=1;b=2 c="x"+"y" d="x" /* keep */ + "y"]
    subgraph cluster_x { label="Loop A" // c

       a; b:p -> "c d" -> /* inside */ Node; "x" []
       /* multi
          line */ q

    }
    longer_name [label="The label is long enough to break the line", prompt="Because it is so too"]
    lines [label="x", prompt="One
two"]

    start -> plan -> exit [label="Yes", condition="outcome=success"]

    // last

} // after
// end
"""

_COMMENTS = ["// c\n", "/* c */", "/* c\n  d */", "\n# c\n", "/**/"]
_TRIVIA = st.lists(st.sampled_from([" ", "\n", "\n\n\n", "\t", *_COMMENTS]), max_size=4).map(
    "".join
)
_ID = st.sampled_from(["a", "plan", '"c d"', '"b"', "Node", '"Graph"', "é", '"a\\nb"', "start"])
_KEY = st.sampled_from(["label", '"a.b"', "a.b", '"label"', "node", "é"])
_VALUE = st.sampled_from(
    ["1", "-2", "0.5", ".5", "45s", "true", "box", "wait.human", "gpt-5.2", "node", '"t\\"e\\\\"']
    + ['"two\nlines"', '"a" + "b"', '"a" /* c */ + "b"', '"\\l"', '""', '"a\\\nb"', '"// no /* "']
)


@st.composite
def lists(draw: st.DrawFn) -> str:
    between = st.sampled_from([",", ";", " ", "\n"])
    pieces = ["["]
    for _ in range(draw(st.integers(0, 3))):
        pieces += [draw(_TRIVIA), draw(_KEY), draw(_TRIVIA), "=", draw(_TRIVIA), draw(_VALUE)]
        pieces += [draw(_TRIVIA), draw(between)]
    return "".join([*pieces, draw(_TRIVIA), "]"])


@st.composite
def statements(draw: st.DrawFn, depth: int = 0) -> str:
    some_lists = st.lists(lists(), max_size=2)
    match draw(st.integers(0, 4 if depth < 2 else 3)):
        case 0:
            pieces = [draw(_KEY), "=", draw(_VALUE)]
        case 1:
            words = st.sampled_from(["node", "edge", "graph"])
            pieces = [draw(words), *draw(st.lists(lists(), min_size=1, max_size=2))]
        case 2:
            pieces = [draw(_ID), *draw(some_lists)]
        case 3:
            ports = draw(st.sampled_from(["", ":p", ":p:n"]))
            ends = [one for _ in range(draw(st.integers(1, 3))) for one in ("->", draw(_ID))]
            pieces = [draw(_ID), ports, *ends, *draw(some_lists)]
        case _:
            inside = draw(st.lists(statements(depth=depth + 1), max_size=3))
            pieces = ["subgraph ", draw(st.sampled_from(["", "cluster_a"])), "{", *inside, "}"]
    text = "".join(f"{one} {draw(_TRIVIA)}" for one in pieces)
    return text + draw(st.sampled_from([";", "\n", " "])) + draw(_TRIVIA)


@st.composite
def texts(draw: st.DrawFn) -> str:
    inside = "".join(draw(st.lists(statements(), max_size=5)))
    return f"{draw(_TRIVIA)}digraph {draw(_TRIVIA)} G {draw(_TRIVIA)} {{{inside}}}{draw(_TRIVIA)}"


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"(?:/[/*]|^#)\s*([cd])\b", without_texts(text), re.MULTILINE))


def without_texts(text: str) -> str:
    return re.sub(r'"(?:[^"\\]|\\.)*"', "", text, flags=re.DOTALL)


def canon(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require("graphviz"), "-Tcanon"], input=text, capture_output=True, text=True, check=False
    )


def test_formatting_an_untidy_text_matches_the_snapshot(snapshot: SnapshotAssertion) -> None:
    assert format_text(UNTIDY) == snapshot


@settings(max_examples=count(ci=20, full=10_000), deadline=None)
@given(texts())
def test_the_meaning_the_comments_and_the_layout_itself_stay(text: str) -> None:
    written = format_text(text)
    assert parse(written) == parse(text)
    assert format_text(written) == written
    assert comments(written) == comments(text)


@settings(max_examples=count(ci=15, full=1_000), deadline=None)
@given(texts())
def test_graphviz_reads_any_formatted_text(text: str) -> None:
    result = canon(format_text(text))
    assert result.returncode == 0, result.stderr
    assert "syntax error" not in result.stderr


def test_layout_of_comments_ports_and_lists() -> None:
    text = "digraph G {\n    // up\n    a  // on\n    b [\n        // in\n        x=1\n    ]\n}\n"
    assert format_text(text) == text
    written = 'digraph G {\n    a:"n" -> b:p : "q" -> c:"my label"\n    a:"x" [k=v]\n}\n'
    kept = 'digraph G {\n    a -> b:"q" -> c:"my label"\n    a:"x" [k=v]\n}\n'
    assert format_text(written) == format_text(kept) == kept
    text = "digraph G {\n    a [\n        x=1,\n        y=2\n    ]\n}\n"
    assert format_text(text) == text
    with pytest.raises(ParseError, match="1:15"):
        format_text("digraph G { a -- b }")


def test_depth_costs_no_quadratic_time_and_no_recursion() -> None:
    text = "digraph G {" + "subgraph {" * 20_000 + "a" + "}" * 20_000 + "}"
    assert len(format_text(text)) < 100 * len(text)
