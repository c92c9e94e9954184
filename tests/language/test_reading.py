"""Reading of texts and files; the stored parser table is up to date."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.language import reading
from attractor.language.diagnostics import ParseError, UnreadablePipeline
from attractor.language.parsing.build_table import build_table
from attractor.language.parsing.grammar import TABLE, Machine, Unexpected, read_table
from attractor.language.parsing.tokens import END, Token
from attractor.language.reading import open_source, parse, parse_file, read_graph
from attractor.language.source.syntax_tree import Plain, Span, ValueKind
from attractor.language.source.text import Source
from tests.growing import lines, times_more
from tests.tables import table


@table(
    ("written", "kind", "plain"),
    [
        ('"Hello world"', ValueKind.STRING, "Hello world"),
        (r'"a \"b\" \\ \n \t"', ValueKind.STRING, 'a "b" \\ \n \t'),
        ('"over\nlines"', ValueKind.STRING, "over\nlines"),
        ('"// no comment"', ValueKind.STRING, "// no comment"),
        ('"]"', ValueKind.STRING, "]"),
        ("42", ValueKind.INTEGER, 42),
        ("-1", ValueKind.INTEGER, -1),
        ("007", ValueKind.INTEGER, 7),
        ("0.5", ValueKind.FLOAT, 0.5),
        ("-3.14", ValueKind.FLOAT, -3.14),
        (".5", ValueKind.FLOAT, 0.5),
        ("true", ValueKind.BOOLEAN, True),
        ("false", ValueKind.BOOLEAN, False),
        ("900s", ValueKind.DURATION, timedelta(minutes=15)),
        ("250ms", ValueKind.DURATION, timedelta(milliseconds=250)),
        ("1d", ValueKind.DURATION, timedelta(days=1)),
        ("Mdiamond", ValueKind.BARE, "Mdiamond"),
        ("wait.human", ValueKind.BARE, "wait.human"),
        ("summary:high", ValueKind.BARE, "summary:high"),
        ("claude-opus-4-6", ValueKind.BARE, "claude-opus-4-6"),
        ("True", ValueKind.BARE, "True"),
    ],
)
@table("around", ["digraph G {{ a [k={}] }}", "digraph G {{ graph [k={}] }}"])
def test_a_value_has_its_kind_and_meaning(
    written: str, kind: ValueKind, plain: Plain, around: str
) -> None:
    graph = parse(around.format(written))
    holder = graph.nodes.get("a", graph)
    value = holder.attributes.value("k")
    assert value is not None
    assert (value.kind, value.plain, value.text) == (kind, plain, written)
    assert type(value.plain) is type(plain)


def test_a_line_of_its_own_means_the_same_as_a_graph_block() -> None:
    assert parse('digraph G { goal = "x"; rankdir=LR\n a.b=1 }') == parse(
        'digraph G { graph [goal="x", rankdir=LR, a.b=1] }'
    )


def test_files_are_read_and_mistakes_raised(tmp_path: Path) -> None:
    file = tmp_path / "a.dot"
    file.write_bytes(b'\xef\xbb\xbfdigraph G {\r\n  \xc3\xa4 [label="x"]\r\n}\r\n')
    graph = parse_file(file)
    assert graph.nodes["ä"].span == Span(str(file), 2, 3, 2, 4)
    with pytest.raises(ParseError) as raised:
        parse("digraph G {\n a -- b\n c -- d\n}", file="x.dot")
    assert raised.value.message == (
        "x.dot:2:4: error[syntax]: invalid edge '--': edges have a direction (and 1 more)"
    )
    assert raised.value.hint == "use ->"
    assert raised.value.exit_code is ExitCode.USAGE
    assert len(raised.value.diagnostics) == 2


@table(
    ("content", "words"),
    [
        ("digraph G {}".encode("utf-16"), "is UTF-16, not UTF-8"),
        (b"digraph\n{\xff", "is not valid UTF-8 (line 2)"),
        (b"\x7fELF\0\0", "is a binary file"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "a.dot"
    file.write_bytes(content)
    with pytest.raises(UnreadablePipeline, match="a.dot") as raised:
        open_source(file)
    assert words in raised.value.message
    assert raised.value.exit_code is ExitCode.USAGE


@table("name", ["missing.dot", ".", "nul\0.dot"])
def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadablePipeline, match="cannot read"):
        open_source(f"{tmp_path}/{name}")


def test_ten_times_the_text_is_about_ten_times_the_work() -> None:
    def work(nodes: int) -> Callable[[], object]:
        stages = (f'n{i} [label="N {i}"] n{i} -> n{i + 1}' for i in range(nodes))
        text = f"digraph G {{ {' '.join(stages)} }}"
        return lambda: parse(text)

    assert times_more(work, few=100) < 15


def tokens(*types: str) -> list[Token]:
    return [Token(one, 0, 0) for one in types]


def test_parser_table_is_up_to_date() -> None:
    assert TABLE.read_text("utf-8") == build_table(), "run: make tables"


def test_machine_refuses_unexpected_tokens() -> None:
    machine = Machine()
    machine.feed(Token("DIGRAPH", 0, 0))
    with pytest.raises(Unexpected):
        machine.feed(Token("_ARROW", 0, 0))
    assert machine.feed(Token("_OPEN", 0, 0)) is None
    machine = Machine()
    assert machine.is_at_beginning
    for token in tokens("DIGRAPH", "_OPEN", "_CLOSE"):
        machine.feed(token)
    assert machine.expects_only(END)
    assert not machine.is_at_beginning


def test_pass_through_rule_returns_its_child() -> None:
    class Calls:
        def statement(self, children: list[object]) -> object:
            raise AssertionError(children)

    table = read_table(json.loads(TABLE.read_text("utf-8")), Calls())
    assert all(rule.passes_on for rule in table.rules if rule.name == "statement")


def test_very_many_quotes_are_answered_with_the_first_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "MOST_QUOTES", 1000)
    for before, repeated, message in (
        ("", '"', "unexpected '\"\"'"),
        ("", '" ', "unexpected '\" \"'"),
        ("", '"\n', "unexpected '\"\n\"'"),
        ("digraph G {\na [label=", '"', "unexpected"),
        ("digraph G {\na [label=", '"\n', "unexpected"),
        ("digraph G {", '"', "unclosed '{'"),
        ("digraph G {", '"\n', "unclosed '{'"),
    ):
        text = before + repeated * 4000
        found = read_graph(Source(text)).diagnostics
        assert [one.message.startswith(message) for one in found] == [True], text[:30]
        assert found[0].fix == "check the quotes before it: the text has 4,000"
        passed = lines(lambda text=text: read_graph(Source(text)))
        # The search for a wrong quote takes 150 lines more for each quote.
        assert passed < 120 * 4000, (text[:30], passed / 4000)
