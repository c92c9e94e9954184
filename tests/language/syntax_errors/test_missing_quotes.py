"""One wrong quote is reported once, at its place, and hides no other mistake."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from attractor.language.reading import read_graph
from attractor.language.source.text import TEXT_OR_COMMENT, Source
from attractor.language.syntax_errors.missing_quotes import (
    QuoteFault,
    find_quote_mistakes,
    repair_text,
)
from tests.counts import count
from tests.growing import times_more
from tests.language.repeated import SLIPPED
from tests.tables import table

PIPELINES = sorted(Path("pipelines").glob("*.dot"))

UNCLOSED = "unclosed text"
UNOPENED = "missing opening quote"
INNER = "this quote ends the text too early"
SMART = "typographic quotes"

SIX = """  a -- b
  c [shape:box]
  d [max_retries=2hours]
  rankdir: LR
  my-node [label="x"]
  f => g
"""

# The beginning and the end of a value, before six mistakes and a last value.
CASES = {
    "in a list": ('  x [label="x]', UNCLOSED, 12),
    "with other attributes": ('  x [shape=box, prompt="x, y, z]', UNCLOSED, 24),
    "before a semicolon": ('  x [label="x];', UNCLOSED, 12),
    "before a comment": ('  x [label="x] // is "that" it', UNCLOSED, 12),
    "with a bracket in it": ('  g -> a [label="[A] Approve]', UNCLOSED, 17),
    "on an edge": ('  x -> y [condition="outcome=success]', UNCLOSED, 21),
    "on the graph": ('  goal="Ship it', UNCLOSED, 8),
    "as the last word": ('  x [label="]', UNCLOSED, 12),
    "with an address": ('  x [URL="https://example.org/a]', UNCLOSED, 10),
    "with escapes": (r'  x [prompt="Say \"hi\" and \"bye\"]', UNCLOSED, 13),
    "with an escape at its end": (r'  x [prompt="C:\\]', UNCLOSED, 13),
    "with its quote escaped": (r'  x [prompt="all\"]', UNCLOSED, 13),
    "in an id": ('  x -> "y z', UNCLOSED, 8),
    "in a key": ('  x ["human.default_choice="y"]', UNCLOSED, 6),
    "in a key of a number": ('  x ["manager.max_cycles=240]', UNCLOSED, 6),
    "before the next attribute": ('  x [label="x, prompt="Do it"]', UNCLOSED, 12),
    "before the next statement": ('  x [label="x]; y [label="Y"]', UNCLOSED, 12),
    "in a row of lines": ('  x [\n    label="x,\n    prompt="Do it",\n  ]', UNCLOSED, 11),
    "in a row without commas": ('  x [\n    label="x\n    prompt="Do it"\n  ]', UNCLOSED, 11),
    "over lines": (
        '  x [prompt="Do this\nand that.\n\n- first\n- second\nThen rest.]',
        UNCLOSED,
        13,
    ),
    "in a stylesheet": (
        '  model_stylesheet="\n    * { llm_model: m; }\n    .a { x: y; }',
        UNCLOSED,
        20,
    ),
    "joined with another": ('  x [prompt="one +\n   "two"]', UNCLOSED, 13),
    "behind a comment": ('  // don\'t say "hi\n  /* nor " */ x [label="x]', UNCLOSED, 24),
    "with a carriage return": ('  x [label="x]\r', UNCLOSED, 12),
    "alone": ('  "', UNCLOSED, 3),
    "no quote before": ('  x [label=x"]', UNOPENED, 12),
    "no quote before words": ('  x [label=Hello, world", shape=box]', UNOPENED, 12),
    "no quote before a condition": ('  x -> y [condition=outcome=success"]', UNOPENED, 21),
    "no quote before lines": ('  x [prompt=Hello\nworld, and\nall of it"]', UNOPENED, 13),
    "no quote before a key": ('  x [human.default_choice"="y"]', UNOPENED, 6),
    "no quote behind a key": ('  x ["manager.poll_interval"=30s"]', UNOPENED, 30),
    "quotes within": ('  x [prompt="Say "hello" to"]', INNER, 18),
    "quotes and commas within": ('  x [prompt="Say "yes", then "no" to it"]', INNER, 18),
    "a quote within": ('  x [label="5" wide"]', INNER, 14),
    "quotes within lines": ('  x [prompt="Do it\nand say "hello" to\nall"]', INNER, 9),
    "one quote too many": ('  x [label="x""]', INNER, 14),
    "no quote before escapes": (r'  x [prompt=a && test \"$(b)\" -gt 0", k=1]', UNOPENED, 13),
    "no quote before assignments": ('  x [tool_command=env A=1 B=2 make"]', UNOPENED, 19),
    "a smart quote behind": ('  x [label="x\u201d]', SMART, 14),
    "a smart quote before": ('  x [label=\u201cx"]', SMART, 12),
}


def found(text: str) -> list[tuple[int, int, str]]:
    diagnostics = read_graph(Source(text)).diagnostics
    return [(one.span.line, one.span.column, one.message) for one in diagnostics]


def messages(text: str) -> list[str]:
    return [message for _, _, message in found(text)]


SAID_OF_SIX = messages(f"digraph G {{\n{SIX}}}\n")


@table(("written", "message", "column"), CASES.values(), ids=list(CASES))
@table("behind", ['  z [label="Z", prompt="Do\nall=of it"]\n', ""])
def test_a_wrong_quote_is_one_of_seven_mistakes(
    written: str, message: str, column: int, behind: str
) -> None:
    text = f'digraph G {{\n  s [label="S"]\n{written}\n{SIX}{behind}}}\n'
    received = found(text)
    assert [one for _, _, one in received] == [message, *SAID_OF_SIX]
    assert received[0][1] == column


@table(("written", "message", "column"), CASES.values(), ids=list(CASES))
def test_quote_mistake_after_other_mistakes(written: str, message: str, column: int) -> None:
    received = found(f'digraph G {{\n  p [prompt="\n over\n lines"]\n{SIX}{written}\n}}\n')
    assert [one for _, _, one in received] == [*SAID_OF_SIX, message]
    assert received[-1][1] == column


def test_several_quote_mistakes() -> None:
    assert messages(f'digraph G {{ label="Big graph\n{SIX}}}') == [UNCLOSED, *SAID_OF_SIX]
    assert messages(f'digraph G {{\n{SIX} e [label="E] }}') == [*SAID_OF_SIX, UNCLOSED]
    text = f'digraph G {{\n x [label="x]\n y [label="y]\n{SIX}  z [label=Z"]\n}}\n'
    assert messages(text) == [UNCLOSED, UNCLOSED, *SAID_OF_SIX, UNOPENED]
    text = 'digraph G {\n  a [label="A]\n  b [shape=box, label="B"]\n  c [label="C]\n}'
    assert found(text) == [(2, 12, UNCLOSED), (4, 12, UNCLOSED)]
    text = 'digraph { a [label="A]\n b [label="B"]\n c [label=C"]\n d [label="x "y" z"] }'
    assert [(one.fault, text[one.start : one.end]) for one in find_quote_mistakes(text)] == [
        (QuoteFault.UNCLOSED, '"A'),
        (QuoteFault.UNOPENED, 'C"'),
        (QuoteFault.INNER, '"'),
        (QuoteFault.INNER, '"'),
    ]


@table(
    "written",
    [
        'p [prompt="Do this\nand that:\n- a -> b\n- c"]',
        'p [prompt="\nWrite\na -> b\nb [shape=box]\nx = 1\n}\nand be done"]',
        'p [prompt="x=1, y=2;\n]"]\n  q [label="q"shape=box prompt="\n\n"]',
        'p [model_stylesheet="\n* { llm_model: m; }\n.code { }\n"]',
        'p [prompt="one " +\n "two"]',
        'p [label="He said \\"yes\\"\nand left"]',
        '"a b" -> "c d" [label="[Y] Yes"]',
        'p [condition="x=1 && y!=2", label=""]',
    ],
)
def test_multiline_texts_add_no_mistake(written: str) -> None:
    assert messages(f"digraph G {{\n {written}\n{SIX}}}\n") == SAID_OF_SIX


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.stem)
def test_each_quote_of_a_pipeline_may_be_missing(file: Path) -> None:
    text = file.read_text("utf-8")
    texts = [one for one in TEXT_OR_COMMENT.finditer(text) if one[0].startswith('"')]
    step = max(1, len(texts) // count(ci=8, full=100))
    for one in texts[::step]:
        for at in (one.start(), one.end() - 1):
            diagnostics = read_graph(Source(text[:at] + text[at + 1 :])).diagnostics
            assert len(diagnostics) == 1
            first = Source(text).span(one.start(), one.start())
            begins_with_a_line = text[one.start() + 1] == "\n"
            assert diagnostics[0].span.line - first.line in (0, begins_with_a_line)


@table(
    "written",
    [
        'p [label="A" prompt:"B"]',
        'p [label "A", prompt "B"]',
        'p [label="A" prompt"B"]',
        'p [label="A" 2="B"]',
        'p ["human.default_choice""q"]',
        'p "q" = "r"',
        'p [label=<<td a="l">x</td><td b="c">y</td>>, k="v"]',
        'p [label=<<img src="x"/>>]',
        '"p" -- "q" [label="x"]',
        "p [label='say \"hi\"']",
    ],
)
def test_mistake_beside_a_quote_is_not_a_quote_mistake(written: str) -> None:
    text = messages(f'digraph G {{\n a [label="A"]\n {written}\n b [label="B"]\n}}\n')
    assert text
    assert not {UNCLOSED, UNOPENED, INNER} & set(text)


@table("piece", SLIPPED)
def test_ten_times_as_many_slips_are_ten_times_the_work(piece: str) -> None:
    def work(times: int) -> Callable[[], object]:
        text = 'digraph G { a [b="' + piece * times
        return lambda: find_quote_mistakes(text)

    assert times_more(work, few=100) < 15


PIECES = st.sampled_from(
    [
        *('"', '"', '\\"', "\\", "\n", "\r\n", "=", "[", "]", "{", "}", ",", ";", "a", "b ", "k="),
        *("//", "/*", "*/", "#", "+", "->", "\u200b", "\u00a0", "\u201c", '"x"'),
        *("'", "`", "<", ">", "# ", "='", "=@/", "://", "k=[", "k={", "=\n", "label=a b", "+1"),
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=count(ci=30, full=10_000), deadline=None)
def test_repaired_text_keeps_positions(inside: str) -> None:
    text = f"digraph G {{{inside}"
    findings = repair_text(Source(text))
    mended = findings.source.text if findings else text
    assert [len(one) for one in mended.split("\n")] == [len(one) for one in text.split("\n")]


def test_repaired_texts() -> None:
    findings = repair_text(Source('digraph G {"\n"=\nk=['))
    assert findings
    assert findings.source.text == "digraph G { \n  \nk=["
    assert repair_text(Source('digraph G { a -- b [label="x"] }')) is None
    findings = repair_text(Source('digraph G { a [label="one\\two] }'))
    assert findings
    assert findings.source.text == 'digraph G { a [label="one_tw"] }'
    findings = repair_text(Source('digraph G {\n a [b="x "y" z"]\n c [d="x "y" z"]\n}'))
    assert findings
    assert [one.span.line for one in findings.diagnostics] == [2, 3]
