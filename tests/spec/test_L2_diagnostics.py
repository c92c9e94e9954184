"""Ruling L2: every diagnostic points at its place, and names the fix."""

import json
import re
from pathlib import Path

import pytest

from attractor.language import parse, prepare
from attractor.language.diagnostics import as_text
from attractor.language.linting.lint_rule import Vocabulary
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source
from tests.cli.running import attractor

SEVEN = """digraph Seven {
    start [shape=Mdiamond]
    plan [label="Plan" prompt:"Plan it"]
    plan -- build
    build [label=<b>Build</b>]
    test [timeout=15 minutes]
    review [label=“Review”]
    rankdir: LR
    exit [shape=Msquare
}
"""
PLACES = [(3, 30), (4, 10), (5, 18), (6, 22), (7, 19), (8, 12), (9, 10)]
UNKNOWN = """digraph G {
    start [shape=Mdiamond]
    work [promt="Do it", type="tol"]
    exit [shape=Msquare]
    start -> wrok -> exit
    start -> work -> exit
}
"""


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    (tmp_path / "seven.dot").write_text(SEVEN)
    return tmp_path


def test_L2_seven_mistakes_are_seven_diagnostics_with_line_column_and_caret(seven: Path) -> None:
    shown = attractor("validate", "seven.dot", folder=seven).stdout
    found = re.findall(r"^seven\.dot:(\d+):(\d+): error\[syntax\]: (.+)$", shown, re.M)
    assert [(int(line), int(column)) for line, column, _ in found] == PLACES
    assert len({sentence for *_, sentence in found}) == 7
    carets = re.findall(r"^ *(\d+) \| (.*)\n      \| ( *)(\^+)$", shown, re.M)
    assert [(int(line), len(blank) + 1) for line, _, blank, _ in carets] == PLACES
    assert [text for _, text, *_ in carets] == [SEVEN.split("\n")[line - 1] for line, _ in PLACES]
    assert shown.count("\n  fix: ") == 7
    assert "7 errors in 1 file" in shown


@pytest.mark.parametrize("form", ["json", "sarif", "github"])
def test_L2_every_format_reports_all_seven_diagnostics(seven: Path, form: str) -> None:
    output = attractor("validate", "seven.dot", "--format", form, folder=seven).stdout
    assert _places(output, form) == PLACES


def test_L2_every_node_edge_key_and_value_knows_its_place() -> None:
    graph = parse(UNKNOWN, file="u.dot")
    work = graph.nodes["work"]
    assert work.span == Span("u.dot", 3, 5, 3, 9)
    assert graph.edges[0].span[:3] == ("u.dot", 5, 5)
    attribute = work.attributes.by_key["promt"]
    assert attribute.span == Span("u.dot", 3, 11, 3, 16)
    assert attribute.value.span == Span("u.dot", 3, 17, 3, 24)


def test_L2_misspelled_names_get_a_suggestion() -> None:
    vocabulary = Vocabulary(types=frozenset({"tool", "start", "exit", "codergen"}))
    found = prepare(UNKNOWN, vocabulary=vocabulary).diagnostics
    fixes = {one.rule: one.fix for one in found}
    assert "prompt" in fixes["unknown_attribute"]
    assert "work" in fixes["undeclared_node"]
    assert "tool" in fixes["type_known"]


def test_L2_a_diagnostic_is_a_headline_a_line_a_caret_and_a_fix() -> None:
    source = Source(UNKNOWN, "u.dot")
    found = prepare(UNKNOWN, file="u.dot").diagnostics
    (one,) = [one for one in found if one.rule == "unknown_attribute"]
    headline, line, caret, fix = as_text(one, source).split("\n")
    assert headline == "u.dot:3:11: warning[unknown_attribute]: unknown attribute 'promt'"
    assert line == '    3 |     work [promt="Do it", type="tol"]'
    assert caret == "      |           ^^^^^"
    assert fix.startswith("  fix: ")


def _places(message: str, form: str) -> list[tuple[int, int]]:
    if form == "json":
        return [(one["line"], one["column"]) for one in json.loads(message)["diagnostics"]]
    if form == "github":
        found = re.findall(r"^::error .*,line=(\d+),col=(\d+),", message, re.M)
        return [(int(line), int(column)) for line, column in found]
    results = json.loads(message)["runs"][0]["results"]
    regions = [one["locations"][0]["physicalLocation"]["region"] for one in results]
    return [(one["startLine"], one["startColumn"]) for one in regions]
