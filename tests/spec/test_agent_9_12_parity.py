"""Coding-agent-loop 9.12: the rows of the matrix that other files do not cover, on all wires."""

from pathlib import Path

import pytest

from tests.agent.twinned import WIRES, says, submit, talk, use, uses

pytestmark = pytest.mark.parametrize("wire", WIRES)


def test_9_12_simple_file_creation(tmp_path: Path, wire: str) -> None:
    create = use("write_file", {"file_path": "hello.py", "content": "print('Hello')\n"})
    talk(tmp_path, wire, [uses(create), says("ok")], submit("Create hello.py"))
    assert (tmp_path / "hello.py").read_text() == "print('Hello')\n"


def test_9_12_read_a_file_then_edit_it_in_the_providers_format(tmp_path: Path, wire: str) -> None:
    (tmp_path / "hello.py").write_text("print('Hello')\n")
    hunk = "@@\n print('Hello')\n+print('Goodbye')\n"
    patch = f"*** Begin Patch\n*** Update File: hello.py\n{hunk}*** End Patch"
    edit = use(
        "edit_file",
        {
            "file_path": "hello.py",
            "old_string": "print('Hello')\n",
            "new_string": "print('Hello')\nprint('Goodbye')\n",
        },
    )
    change = use("apply_patch", {"patch": patch}) if wire == "openai" else edit
    answers = [uses(use("read_file", {"file_path": "hello.py"})), uses(change), says("ok")]
    talk(tmp_path, wire, answers, submit("Read and edit"))
    assert (tmp_path / "hello.py").read_text() == "print('Hello')\nprint('Goodbye')\n"


def test_9_12_several_files_in_one_session(tmp_path: Path, wire: str) -> None:
    writes = [use("write_file", {"file_path": f"{n}.txt", "content": str(n)}) for n in range(3)]
    talk(tmp_path, wire, [uses(*writes), says("ok")], submit("Write three files"))
    assert [(tmp_path / f"{n}.txt").read_text() for n in range(3)] == ["0", "1", "2"]


def test_9_12_a_shell_command(tmp_path: Path, wire: str) -> None:
    answers = [uses(use("shell", {"command": "echo Hello; exit 2"})), says("ok")]
    done = talk(tmp_path, wire, answers, submit("Run it"))
    assert "Hello" in done.last_request
    assert "exit code 2" in done.last_request


def test_9_12_grep_and_glob_find_files(tmp_path: Path, wire: str) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("needle = 1\n")
    both = uses(use("grep", {"pattern": "needle"}), use("glob", {"pattern": "**/*.py"}))
    done = talk(tmp_path, wire, [both, says("ok")], submit("Find it"))
    assert "src/a.py:1:needle = 1" in done.last_request


def test_9_12_read_analyse_and_edit_in_several_steps(tmp_path: Path, wire: str) -> None:
    (tmp_path / "n").write_text("2\n")
    answers = [
        uses(use("read_file", {"file_path": "n"}), text="I read."),
        uses(use("write_file", {"file_path": "n", "content": "4\n"}), text="I double."),
        uses(use("shell", {"command": "test $(cat n) = 4"}), text="I check."),
        says("Doubled."),
    ]
    done = talk(tmp_path, wire, answers, submit("Double it"))
    assert (tmp_path / "n").read_text() == "4\n"
    assert "exit code 0" in done.last_request
