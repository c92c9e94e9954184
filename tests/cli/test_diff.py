"""`attractor diff`, also as git calls it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from tests.cli.running import ATTRACTOR, attractor

A = 'digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; a [prompt="x"]; start -> a -> exit }'
B = A.replace('"x"', '"y"')


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "a.dot").write_text(A)
    (tmp_path / "b.dot").write_text(B)
    return str(tmp_path / "a.dot"), str(tmp_path / "b.dot")


def test_differences_are_told(files: tuple[str, str]) -> None:
    result = attractor("diff", *files)
    assert (result.returncode, result.stdout) == (0, 'nodes\n  ~ a\n      ~ prompt: "x" -> "y"\n')


def test_the_same_pipelines_are_told_so(files: tuple[str, str]) -> None:
    result = attractor("diff", files[0], files[0], "--exit-code")
    assert (result.returncode, result.stdout) == (0, "no difference in meaning\n")


def test_a_program_asks_for_the_exit_code(files: tuple[str, str]) -> None:
    assert attractor("diff", *files, "--exit-code").returncode == ExitCode.FAILED


def test_a_program_reads_json(files: tuple[str, str]) -> None:
    record = json.loads(attractor("diff", *files, "--json").stdout)
    assert record["nodes"]["changed"][0]["id"] == "a"


def test_both_are_drawn(files: tuple[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    assert attractor("diff", *files, "--format", "svg", "-o", str(out)).returncode == 0
    assert "~ a" in out.read_text()


@pytest.mark.parametrize("arguments", [["a.dot"], ["a", "b", "c"], ["--git-driver", "a", "b"]])
def test_another_number_of_files_is_refused(arguments: list[str]) -> None:
    assert attractor("diff", *arguments).returncode == ExitCode.USAGE


def test_git_shows_the_meaning(tmp_path: Path) -> None:
    git_program = shutil.which("git")
    assert git_program

    def git(*arguments: str) -> str:
        command = [git_program, "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
        ).stdout

    git("init", "-q")
    git("config", "diff.attractor.command", f"'{ATTRACTOR}' diff --git-driver")
    (tmp_path / ".gitattributes").write_text("*.dot diff=attractor\n")
    for name in ("changed.dot", "gone.dot", "broken.dot", "old.dot"):
        (tmp_path / name).write_text(A)
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / "changed.dot").write_text(B)
    (tmp_path / "gone.dot").unlink()
    (tmp_path / "broken.dot").write_text("digraph {")
    git("mv", "old.dot", "new.dot")
    git("add", ".")
    shown = git("diff", "--cached", "--find-renames")
    assert 'pipeline changed.dot\nnodes\n  ~ a\n      ~ prompt: "x" -> "y"' in shown
    assert "pipeline gone.dot\n" in shown
    assert "  - a (codergen)" in shown
    assert "pipeline broken.dot: cannot be compared" in shown
