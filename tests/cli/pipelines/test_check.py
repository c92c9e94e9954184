"""Diagnostics of pipelines that consist of several files."""

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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nonsense = 1", "attractor.toml:1: unknown setting nonsense"),
        ("[output]\ncolor = 5", "attractor.toml:2: output.color = 5 should be"),
        ("runs_dir = here", "attractor.toml:1:12: invalid TOML: Invalid value"),
    ],
)
def test_validate_checks_the_settings_as_run_does(folder: Path, content: str, message: str) -> None:
    (folder / "attractor.toml").write_text(content)
    validated, run = (attractor(word, "part.dot", folder=folder) for word in ("validate", "run"))
    assert (validated.returncode, validated.stdout) == (run.returncode, run.stdout) == (2, "")
    assert message in validated.stderr
    assert validated.stderr == run.stderr


@pytest.mark.parametrize("key", ["backend", "llm_provider", "agent"])
def test_unknown_name_that_a_run_refuses_is_an_error_with_strict(folder: Path, key: str) -> None:
    text = f"""digraph Part {{
        node [{key}="nobody"]
        start [shape=Mdiamond]; exit [shape=Msquare]
        test [shape=parallelogram, tool_command="true"]
        work [prompt="Work"]
        start -> test -> work -> exit
    }}"""
    (folder / "part.dot").write_text(text)
    assert attractor("run", "part.dot", "--preflight", folder=folder).returncode != 0
    warned = attractor("validate", "part.dot", folder=folder)
    assert (warned.returncode, "warning" in warned.stdout) == (0, True)
    assert "'nobody': only a simulation can run this" in warned.stdout
    strict = attractor("validate", "part.dot", "--strict", folder=folder)
    assert (strict.returncode, "error" in strict.stdout) == (1, True)


def test_settings_are_not_loaded_where_there_are_none(folder: Path) -> None:
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
