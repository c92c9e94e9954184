"""`attractor exec` executes snippets in a sandbox, and tests the sandbox."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import attractor
from tests.tables import table


def execute(
    folder: Path, *words: str, typed: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"} | variables
    return attractor("exec", *words, folder=folder, variables=own, typed=typed)


@pytest.mark.usefixtures("sandbox_allowed")
def test_output_and_exit_status_are_those_of_the_code(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"
    found = execute(tmp_path, code)
    assert (found.returncode, found.stdout, found.stderr) == (7, "out\n", "err\n")
    late = execute(tmp_path, "--command", "sleep 60", "--timeout", "0.2")
    assert (late.returncode, "--timeout" in late.stderr) == (124, True)


@pytest.mark.usefixtures("sandbox_allowed")
def test_json_is_the_answer_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/input.json").write_text('{"k":1}')
    words = ["--arg=--flag", "--env", "A=1=2", "--with", "data/input.json", "--timeout", "60"]
    code = "import os, sys; print(sys.argv[1:], os.environ['A'], open('data/input.json').read())"
    short = execute(tmp_path, code, *words, "--json")
    stdout = "['--flag'] 1=2 {\"k\":1}\n"
    artifacts = {"stdout": stdout, "charts": list[object]()}
    answer = {"ok": True, "exitCode": 0, "stdout": stdout, "artifacts": artifacts}
    assert json.loads(short.stdout) == answer
    extended = execute(tmp_path, code, *words, "--json", "--extended")
    more = {"stderr": "", "timedOut": False, "truncated": False}
    assert json.loads(extended.stdout) == answer | more


@pytest.mark.usefixtures("sandbox_allowed")
def test_code_comes_from_a_file_or_standard_input(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print('of the file')")
    assert execute(tmp_path, "--file", "a.py").stdout == "of the file\n"
    assert execute(tmp_path, "-", typed="print('typed')").stdout == "typed\n"
    assert execute(tmp_path, "--command", "echo shell").stdout == "shell\n"


@pytest.mark.usefixtures("sandbox_allowed")
def test_smoke_test_passes(tmp_path: Path) -> None:
    found = execute(tmp_path, "--smoke")
    assert found.returncode == 0, found.stdout + found.stderr
    lines = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
    assert [state for state, _ in lines[:4]] == ["ok"] * 4
    assert lines[4][0] in ("ok", "skipped")
    assert len(lines) == 5


@table(
    ("words", "fault"),
    [
        ([], "exactly one of CODE, --file and --command is required"),
        (["1", "--command", "ls"], "exactly one of CODE, --file and --command is required"),
        (["1", "--extended"], "--extended needs --json"),
        (["1", "--smoke"], "--smoke executes no code"),
        (["1", "--timeout", "301"], "timeout: Input should be less than or equal to 300"),
        (["--file", "missing.py"], "File 'missing.py' does not exist"),
        (["1", "--env", "A"], "invalid variable 'A'"),
        (["1", "--with", "../secret"], "'../secret' is not a path below the working folder"),
        (["1", "--with", "missing.txt"], "missing.txt does not exist"),
        (["1", "--with", "link"], "link leads outside the working folder"),
        (["1", "--with", "above/secret"], "above/secret leads outside the working folder"),
        (["1", "--with", "fifo"], "cannot read fifo: it is not a regular file"),
        (["1", "--with", "binary"], "binary is not text in UTF-8"),
    ],
)
def test_wrong_usage_is_refused(tmp_path: Path, words: list[str], fault: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "binary").write_bytes(b"\xff")
    (folder / "link").symlink_to("../secret")
    (folder / "above").symlink_to("..")
    os.mkfifo(folder / "fifo")
    found = execute(folder, *words)
    assert found.returncode == 2
    assert fault in found.stderr
    assert found.stdout == ""


def test_without_a_sandbox_nothing_is_executed(tmp_path: Path) -> None:
    found = execute(tmp_path, "print(1)", PATH=str(tmp_path))
    assert (found.returncode, found.stdout) == (3, "")
    assert "no bwrap on PATH (install bubblewrap" in found.stderr
