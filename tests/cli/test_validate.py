"""`attractor validate`, as a person and as a program use it."""

import json
import os
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.cli.running import attractor
from tests.language.pipelines import BRANCH

BROKEN = """digraph G {
    start [shape=Mdiamond]
    work  [promt="Work"]
    exit  [shape=Msquare]
    start -> wrok -> exit
}
"""
NOT_PORTABLE = "digraph { start; a [prompt=x label=y]; exit; start -> a -> exit }"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {
        "good.dot": BRANCH,
        "broken.dot": BROKEN,
        "syntax.dot": "digraph G {\n  a -- b\n  c = \n}\n",
        "warned.dot": BRANCH.replace('prompt="Run tests"', 'fidelity="fll"'),
        "odd.dot": NOT_PORTABLE,
        "empty.dot": "",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.dot").write_bytes(b"\x7fELF\0\0\xff")
    return tmp_path


def test_a_good_pipeline_has_nothing_to_mend(folder: Path) -> None:
    result = attractor("validate", "good.dot", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "1 file, nothing to mend\n"


def test_what_is_wrong_is_shown_with_carets_and_a_summary(
    folder: Path, snapshot: SnapshotAssertion
) -> None:
    result = attractor("validate", "broken.dot", "good.dot", "syntax.dot", folder=folder)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout == snapshot


def test_a_warning_is_no_failure(folder: Path) -> None:
    result = attractor("validate", "warned.dot", folder=folder)
    assert result.returncode == 0
    assert "2 warnings in 1 file" in result.stdout


@pytest.mark.parametrize(
    "flags", [["--json"], ["--format", "json"], ["--format", "text", "--json"]]
)
def test_a_program_gets_json(folder: Path, flags: list[str]) -> None:
    result = attractor("validate", "syntax.dot", "good.dot", *flags, folder=folder)
    assert result.returncode == 1
    told = json.loads(result.stdout)
    assert told["summary"] == {"files": 2, "errors": 2, "warnings": 0, "infos": 0}
    assert told["diagnostics"][0] == {
        "rule": "syntax",
        "severity": "error",
        "message": "'--' is no edge: edges have a direction",
        "file": "syntax.dot",
        "line": 2,
        "column": 5,
        "node": None,
        "edge": None,
        "fix": "write ->",
    }


def test_strict_takes_what_is_not_portable_for_an_error(folder: Path) -> None:
    lenient = attractor("validate", "odd.dot", folder=folder)
    strict = attractor("validate", "odd.dot", "--strict", folder=folder)
    assert (lenient.returncode, strict.returncode) == (0, 1)
    assert "2 infos in 1 file" in lenient.stdout
    assert "2 errors in 1 file" in strict.stdout


def test_strict_leaves_warnings_as_they_are(folder: Path) -> None:
    assert attractor("validate", "warned.dot", "--strict", folder=folder).returncode == 0


def test_an_empty_file_is_no_pipeline(folder: Path) -> None:
    result = attractor("validate", "empty.dot", folder=folder)
    assert result.returncode == 1
    assert "there is no graph in this file" in result.stdout


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.dot", "cannot read missing.dot: No such file"),
        ("binary.dot", "binary.dot is not a text"),
        (".", "cannot read .: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_wrong_usage(folder: Path, name: str, words: str) -> None:
    result = attractor("validate", "good.dot", name, folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr
    failure = json.loads(attractor("validate", name, "--json", folder=folder).stdout)
    assert failure["error"]["exit_code"] == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_one_may_not_read_is_wrong_usage(folder: Path) -> None:
    (folder / "good.dot").chmod(0)
    assert attractor("validate", "good.dot", folder=folder).returncode == 2


def test_no_file_is_wrong_usage(folder: Path) -> None:
    assert attractor("validate", folder=folder).returncode == 2


def test_a_file_named_twice_is_checked_once(folder: Path) -> None:
    result = attractor("validate", "good.dot", "good.dot", folder=folder)
    assert result.stdout == "1 file, nothing to mend\n"


def test_colour_comes_where_it_is_chosen(folder: Path) -> None:
    plain = attractor("validate", "broken.dot", folder=folder)
    chosen = attractor("-c", "output.color=always", "validate", "broken.dot", folder=folder)
    assert "\x1b[" not in plain.stdout
    assert "\x1b[33mbroken.dot:3:12: warning[unknown_attribute]" in chosen.stdout
    assert "\x1b[31mbroken.dot:3:5: error[reachability]" in chosen.stdout


def test_the_command_is_light(folder: Path) -> None:
    """What takes long to import stays out of its way."""
    result = attractor(
        "validate", "good.dot", folder=folder, variables={"PYTHONPROFILEIMPORTTIME": "1"}
    )
    imported = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "lark" in imported
    assert not {"pydantic", "asyncio", "pydot", "litellm", "rich", "httpx", "json"} & imported
