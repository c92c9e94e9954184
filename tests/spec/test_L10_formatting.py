"""Ruling L10: `fmt` keeps the meaning and the comments, and `diff` compares the meaning."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings

from attractor.language import Graph, format, parse
from tests.cli.running import attractor
from tests.counts import count
from tests.language.pipelines import BRANCH, HUMAN_GATE, SMOKE, as_dot, graphs
from tests.needs import needs_graphviz
from tests.tables import table

COMMENTED = """// above
digraph G {
# not C
  /* first */ start [shape=Mdiamond]; // behind
  work [human.default_choice=exit, /* within */ prompt="a
b"]
  exit [shape=Msquare] start->work->exit[weight=2;label=go] // last
}
// below
"""
TEXTS = [BRANCH, HUMAN_GATE, SMOKE, COMMENTED]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.dot").write_text(COMMENTED)
    return tmp_path


@table("text", TEXTS)
def test_L10_fmt_is_idempotent(text: str) -> None:
    assert format(format(text)) == format(text)


@table("text", TEXTS)
def test_L10_fmt_never_changes_meaning(text: str) -> None:
    assert parse(format(text)) == parse(text)


@settings(max_examples=count(ci=12, full=5_000), deadline=None)
@given(graphs())
def test_L10_fmt_changes_the_meaning_of_no_graph(graph: Graph) -> None:
    text = as_dot(graph)
    assert parse(format(text)) == parse(text)
    assert format(format(text)) == format(text)


def test_L10_fmt_keeps_comments() -> None:
    written = format(COMMENTED)
    for comment in ("// above", "not C", "/* first */", "// behind", "/* within */", "// last"):
        assert comment in written
    assert written.endswith("// below\n")


def test_L10_dotted_keys_are_quoted_for_graphviz() -> None:
    assert '"human.default_choice"=exit' in format(COMMENTED)


@needs_graphviz
@pytest.mark.parametrize("text", TEXTS)
def test_L10_formatted_text_is_valid_for_graphviz(text: str) -> None:
    result = subprocess.run(
        ["dot", "-Tcanon"],
        input=format(text),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_L10_the_command_does_all_this_to_a_file(folder: Path) -> None:
    (folder / "old.dot").write_text(COMMENTED)
    assert attractor("fmt", "p.dot", folder=folder).returncode == 0
    assert (folder / "p.dot").read_text() == format(COMMENTED)
    assert attractor("fmt", "--check", "p.dot", folder=folder).returncode == 0
    result = attractor("diff", "old.dot", "p.dot", folder=folder)
    assert result.stdout == "no change in meaning\n"


def test_L10_diff_speaks_of_nodes_edges_and_attributes(folder: Path) -> None:
    (folder / "q.dot").write_text(format(COMMENTED).replace("weight=2", "weight=3"))
    output = attractor("diff", "p.dot", "q.dot", folder=folder).stdout
    assert "work -> exit" in output
    assert "weight" in output
    assert "@@" not in output
