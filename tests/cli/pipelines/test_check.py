"""What is shown of pipelines that are made of several files."""

from dataclasses import replace
from pathlib import Path

import pytest

from attractor.cli.pipelines.check import without_duplicates
from attractor.language.diagnostics import Edit, error
from attractor.language.source.syntax_tree import Span
from tests.cli.running import attractor

WHOLE = """digraph Whole {
    start [shape=Mdiamond]
    part [type="import", file="part.dot"]
    exit [shape=Msquare]
    start -> part -> exit
}
"""
PART = """digraph Part {
    start [shape=Mdiamond]
    work [promt="Work", prompt="Work"]
    exit [shape=Msquare]
    start -> work -> exit
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "whole.dot").write_text(WHOLE)
    (tmp_path / "part.dot").write_text(PART)
    return tmp_path


def test_problems_of_an_imported_file_are_reported_once(folder: Path) -> None:
    shown = attractor("validate", "whole.dot", folder=folder).stdout
    assert "part.dot:3:11: warning[unknown_attribute]" in shown
    assert '    3 |     work [promt="Work", prompt="Work"]\n      |           ^^^^^' in shown
    shown = attractor("validate", ".", folder=folder).stdout
    assert shown.count("unknown attribute 'promt'") == 1


@pytest.mark.parametrize("content", ["", "[output]\ncolor = 'never'\n", "nonsense = 1\n"])
def test_settings_without_rules_are_not_loaded(folder: Path, content: str) -> None:
    (folder / "attractor.toml").write_text(content)
    result = attractor(
        "validate", "part.dot", folder=folder, variables={"PYTHONPROFILEIMPORTTIME": "1"}
    )
    assert result.returncode == 0
    assert "pydantic" not in result.stderr


def test_settings_that_are_not_a_file_are_reported(folder: Path) -> None:
    (folder / "attractor.toml").mkdir()
    result = attractor("validate", "part.dot", folder=folder)
    assert result.returncode == 2
    assert "attractor.toml" in result.stderr


def test_duplicates_keep_the_first_place_and_the_fix() -> None:
    one, other = error("a", Span("f", 1, 1, 1, 2), node="x"), error("b", Span("f", 2, 1, 2, 2))
    again = error("a", Span("f", 1, 1, 1, 2), node="part.x")
    assert without_duplicates([one, other, again]) == [one, other]
    place = Span("f", 1, 1, 1, 2)
    bare, other = error("a", place), error("b", Span("f", 2, 1, 2, 2))
    mendable = replace(bare, edits=(Edit(place, "x"),))
    assert without_duplicates([bare, other, mendable]) == [mendable, other]
