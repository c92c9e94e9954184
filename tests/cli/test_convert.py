"""`attractor convert`, used by people and by programs."""

import codecs
import json
from pathlib import Path

import pytest

from tests.cli.running import attractor
from tests.language.pipelines import BRANCH

THEIRS = """digraph Ship { // theirs
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    test  [shape=parallelogram, script="make test"]
    start -> test
    test -> exit [condition="outcome=succeeded"]
}
"""
LEFT = THEIRS.replace('script="make test"', 'script="make test", language=python')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {"theirs.dot": THEIRS, "left.dot": LEFT, "ours.dot": BRANCH, "broken.dot": "digraph {"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_pipeline_goes_to_stdout_and_report_to_stderr(folder: Path) -> None:
    result = attractor("convert", "theirs.dot", folder=folder)
    assert result.returncode == 0
    assert 'tool_command="make test"' in result.stdout
    assert "// theirs" in result.stdout
    assert result.stderr.splitlines() == [
        "theirs.dot:4: renamed script to tool_command",
        "theirs.dot:6: replaced outcome=succeeded by outcome=success",
        "theirs.dot: 2 converted, nothing to change by hand",
    ]
    assert (folder / "theirs.dot").read_text() == THEIRS


def test_converted_pipeline_is_valid(folder: Path) -> None:
    result = attractor("convert", "theirs.dot", "-o", "new.dot", folder=folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "2 converted" in result.stdout
    assert attractor("validate", "new.dot", folder=folder).returncode == 0
    assert attractor("convert", "new.dot", "--check", folder=folder).returncode == 0


def test_a_byte_order_mark_and_the_line_ends_stay(folder: Path) -> None:
    attractor("convert", "theirs.dot", "-o", "plain.dot", folder=folder)
    (folder / "marked.dot").write_bytes(codecs.BOM_UTF8 + THEIRS.encode().replace(b"\n", b"\r\n"))
    assert attractor("convert", "marked.dot", "-o", "new.dot", folder=folder).returncode == 0
    plain = (folder / "plain.dot").read_bytes()
    assert (folder / "new.dot").read_bytes() == codecs.BOM_UTF8 + plain.replace(b"\n", b"\r\n")


def test_remaining_work_exits_with_1_and_writes_the_pipeline(folder: Path) -> None:
    result = attractor("convert", "left.dot", "-o", "new.dot", folder=folder)
    assert result.returncode == 1
    wanted = "left.dot:4: not converted: no equivalent of language (call the interpreter"
    assert wanted in result.stdout
    assert "tool_command" in (folder / "new.dot").read_text()


PROMPTED = THEIRS.replace("exit  [", 'work  [llm_prompt="@work.md"]\n    exit  [').replace(
    "start -> test", "start -> work -> test"
)


def test_invalid_paths_beside_the_output_are_reported(folder: Path) -> None:
    (folder / "prompted.dot").write_text(PROMPTED)
    missing = "prompted.dot:3: not converted: cannot read work.md: No such file or directory"
    for words in ([], ["-o", "new.dot"], ["--check"]):
        result = attractor("convert", "prompted.dot", *words, folder=folder)
        assert result.returncode == 1
        assert missing in result.stdout + result.stderr
        assert "3 converted, 1 to change by hand" in result.stdout + result.stderr
    (folder / "work.md").write_text("Work")
    for words in ([], ["-o", "new.dot"]):
        assert attractor("convert", "prompted.dot", *words, folder=folder).returncode == 0
    (folder / "other").mkdir()
    result = attractor("convert", "prompted.dot", "-o", "other/new.dot", folder=folder)
    assert result.returncode == 1
    assert missing in result.stdout
    (folder / "other" / "work.md").write_text("Work")
    again = attractor("convert", "prompted.dot", "-o", "other/new.dot", folder=folder)
    assert (again.returncode, again.stderr) == (0, "")
    assert attractor("validate", "other/new.dot", folder=folder).returncode == 0


def test_check_and_standard_input(folder: Path) -> None:
    done = attractor("convert", "-", folder=folder, typed=THEIRS)
    assert done.returncode == 0
    assert 'tool_command="make test"' in done.stdout
    assert "<stdin>: 2 converted, nothing to change by hand" in done.stderr
    result = attractor("convert", "theirs.dot", "--check", "-o", "new.dot", folder=folder)
    assert result.returncode == 1
    assert "theirs.dot: 2 converted, nothing to change by hand" in result.stdout
    assert not (folder / "new.dot").exists()
    clean = attractor("convert", "ours.dot", "--check", folder=folder)
    assert (clean.returncode, clean.stdout) == (
        0,
        "ours.dot: nothing converted, nothing to change by hand\n",
    )


def test_json_output_is_complete(folder: Path) -> None:
    result = attractor("convert", "left.dot", "--json", folder=folder)
    record = json.loads(result.stdout)
    assert result.returncode == 1
    assert record["file"] == "left.dot"
    assert "tool_command" in record["text"]
    assert record["changed"][0] == {
        "rule": "convert",
        "message": "renamed script to tool_command",
        "line": 4,
        "node": "test",
        "fix": None,
    }
    assert [one["line"] for one in record["left"]] == [4]
