""""""

from attractor.language.diagnostics import (
    Diagnostic,
    Edit,
    Severity,
    annotation,
    as_record,
    as_text,
    error,
    headline,
    in_order,
    info,
    one_slip,
    suggester,
    summary,
    warning,
)
from attractor.language.source.syntax_tree import NOWHERE, Span
from attractor.language.source.text import Source
from tests.tables import table


def test_suggestions_are_bounded_and_remembered() -> None:
    ask = suggester(["review", "plan"])
    assert [ask("reveiw"), ask("zzz")] == ["did you mean review?", ""]
    ask = suggester(f"node_{i}" for i in range(9_000))
    assert ask("nod_1") == ask("nod_1") == "did you mean node_1?"
    assert ask("nod_2") == "did you mean node_2?"
    assert ask("nod_3") == ""
    assert ask("nod_1") == "did you mean node_1?"
    assert one_slip("mailer", ("mailed", "mailes")) == ""


KNOWN = ("prompt", "label", "step1", "max_retries", "full")


@table(
    ("word", "meant"),
    [
        ("promt", "prompt"),
        ("prompts", "prompt"),
        ("pronpt", "prompt"),
        ("rpompt", "prompt"),
        ("prmopt", "prompt"),
        ("Prompt", "prompt"),
        ("fulll", "full"),
        ("max_retires", "max_retries"),
        ("prmt", ""),
        ("pmorpt", ""),
        ("step2", ""),
        ("step12", ""),
        ("step", ""),
        ("ful", ""),
        ("", ""),
    ],
)
def test_typo_is_distinguished_from_a_different_word(word: str, meant: str) -> None:
    assert one_slip(word, KNOWN) == meant


def test_caret_is_under_the_mistake() -> None:
    source = Source("one\n\ttwo three\n", "f.dot")
    shown = as_text(error("m", source.span(9, 14), fix="do it"), source)
    assert shown.split("\n") == [
        "f.dot:2:6: error[]: m",
        "    2 | \ttwo three",
        "      | \t    ^^^^^",
        "  fix: do it",
    ]
    source = Source("abcdef\nghi", "f")
    assert as_text(error("m", source.span(3, 9)), source).endswith(" |    ^^^")
    source = Source("日本e\u0301 語x", "f")
    shown = as_text(error("m", source.span(5, 7)), source).split("\n")
    assert shown[2] == "      |      " + " " + "^^^"
    source = Source("ab", "f")
    shown = as_text(error("m", source.span(0, 2)), source, paint=lambda text: f"<{text}>")
    assert shown.split("\n") == ["<f:1:1: error[]: m>", "    1 | ab", "      | <^^>"]
    assert as_text(error("m"), None) == "error[]: m"
    assert headline(Diagnostic(Severity.INFO, "m", Span("f", 0, 0, 0, 0), rule="r")) == (
        "f: info[r]: m"
    )


def test_long_and_dangerous_lines_are_shortened_and_escaped() -> None:
    source = Source("x" * 1000 + "HERE" + "y" * 1_000_000, "f")
    shown = as_text(error("m", source.span(1000, 1004)), source)
    _, line, caret = shown.split("\n")
    assert len(line) < 120
    assert line[caret.index("^") : caret.rindex("^") + 1] == "HERE"
    source = Source("a\x1b[31m\u202eb", "f\x1b.dot")
    shown = as_text(error("bad \x1b[0m\nname", source.span(0, 1), fix="\x07"), source)
    assert not {"\x1b", "\u202e", "\x07"} & set(shown)
    assert "bad \ufffd[0m\\nname" in shown


def test_the_record_has_every_field_and_counts() -> None:
    found = warning("m", Span("f.dot", 2, 3, 2, 4), node="n", edge=("a", "b"), fix="do it")
    assert as_record([found, error("e")], files=2) == {
        "diagnostics": [
            {
                "rule": "",
                "severity": "warning",
                "message": "m",
                "file": "f.dot",
                "line": 2,
                "column": 3,
                "end_line": 2,
                "end_column": 4,
                "node": "n",
                "edge": ["a", "b"],
                "fix": "do it",
                "fixable": False,
            },
            {
                "rule": "",
                "severity": "error",
                "message": "e",
                "file": "",
                "line": 0,
                "column": 0,
                "end_line": 0,
                "end_column": 0,
                "node": None,
                "edge": None,
                "fix": None,
                "fixable": False,
            },
        ],
        "summary": {"files": 2, "errors": 1, "warnings": 1, "infos": 0, "fixable": 0},
    }


def test_summary_names_the_counts() -> None:
    assert summary([], files=1) == "1 file, no problems found"
    assert summary([error("a"), error("b"), warning("c")], files=2) == (
        "2 errors, 1 warning in 2 files"
    )
    assert summary([error("a")], files=0) == "1 error"
    of_one = [error("a", Span("f", line, 1, line, 2)) for line in (1, 2)]
    assert summary(of_one, files=3) == "2 errors in f, 1 of 3 files"
    of_two = [*of_one, error("a", Span("g", 1, 1, 1, 2))]
    assert summary(of_two, files=3) == "3 errors in 2 of 3 files"
    edits = (Edit(Span("f", 1, 1, 1, 2), "x"),)
    assert summary([error("a"), error("b", edits=edits)], files=1) == (
        "2 errors in 1 file (1 fixable with --fix)"
    )


def test_diagnostics_are_sorted_by_position_and_unique() -> None:
    later, sooner = (error("m", Span("f", line, 1, line, 2)) for line in (9, 2))
    assert in_order([later, sooner, later]) == (sooner, later)
    assert in_order([later, error("x", NOWHERE)])[0].span is NOWHERE


def test_annotations_of_github() -> None:
    found = annotation(error("wrong", Span("a.dot", 2, 3, 2, 5), fix="do it"))
    assert found == "::error file=a.dot,line=2,col=3,endLine=2,endColumn=5,title=::wrong%0Ado it"
    found = annotation(warning("wrong", Span("a.dot", 2, 3, 4, 5)))
    assert found == "::warning file=a.dot,line=2,col=3,endLine=4,title=::wrong"
    assert annotation(info("m", Span("a.dot", 0, 0, 0, 0))) == "::notice file=a.dot,title=::m"
    assert "file=caf\ufffd," in annotation(info("m", Span("caf\udce9", 0, 0, 0, 0)))
    assert annotation(info("m")) == "::notice title=::m"
    found = annotation(error("50% a:b,c\nd", Span("d:,%/\n.dot", 1, 1, 1, 2), fix="x::y"))
    assert found.startswith("::error file=d%3A%2C%25/%0A.dot,line=1")
    assert found.endswith("::50%25 a:b,c\\nd%0Ax::y")
