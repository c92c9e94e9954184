"""Toolchain programs of a failed command: which are asked, and when the machine is at fault."""

import asyncio
from pathlib import Path

import pytest

from attractor.base.processes import ExecResult
from attractor.engine.stage import toolchain
from attractor.engine.stage.toolchain import find_broken_program, sandbox_lines, toolchain_programs
from attractor.environments.local import LocalExecutionEnvironment
from tests.tables import table

BROKEN = 'echo "error: no toolchain" >&2; exit 1'


def put(program: Path, script: str) -> Path:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def find(tools: Path, command: str, output: str = "1 failed") -> str:
    """Find the broken program of a failed command; `bin` is in the project, `tools` beside it."""
    project = tools.parent if tools.name == "bin" else tools.parent / "project"
    project.mkdir(exist_ok=True)
    path = f"{tools}:/usr/bin:/bin"
    place = LocalExecutionEnvironment(project, environ={"PATH": path})
    result = ExecResult("", output, 101, False, 1)
    finding = find_broken_program(command, result, place, project=project, search_path=path)
    return asyncio.run(finding)


def test_toolchain_programs_that_a_command_calls() -> None:
    assert toolchain_programs("cd a && X=1 cargo test; ls | node x.js; ./go") == ["cargo", "node"]


def test_broken_program_is_named_with_its_words(tmp_path: Path) -> None:
    put(tmp_path / "tools/cargo", BROKEN)
    assert find(tmp_path / "tools", "cargo test") == (
        "cargo does not say its version in the environment of the stage ('cargo --version': error: "
        "no toolchain); repair it, so that 'cargo --version' prints a version; then resume the run"
    )


@table(
    ("script", "said"),
    [
        ("exit 0", "no output"),
        ("echo one two", "one two"),
        (
            'printf "Exception: no m2.conf\\n\\tat Main.java:3\\n" >&2; exit 1',
            "Exception: no m2.conf",
        ),
    ],
)
def test_answer_without_a_version(tmp_path: Path, script: str, said: str) -> None:
    put(tmp_path / "tools/mvn", script)
    assert f"('mvn --version': {said})" in find(tmp_path / "tools", "mvn test")


def test_program_that_hangs_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "PATIENCE_MS", 1000)
    put(tmp_path / "tools/go", f"echo asked >> {tmp_path}/asked; exec sleep 60")
    assert "no answer within 1 seconds" in find(tmp_path / "tools", "go test")
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_version_that_the_files_of_the_project_choose_is_the_fault_of_the_project(
    tmp_path: Path,
) -> None:
    put(tmp_path / "tools/cargo", f"[ -e rust-toolchain.toml ] || exec echo cargo 1.9\n{BROKEN}")
    (tmp_path / "project").mkdir()
    (tmp_path / "project/rust-toolchain.toml").touch()
    assert find(tmp_path / "tools", "cargo test") == ""


@table("command", ["CHANNEL=a cargo test", "export CHANNEL=a; cargo test", "cd app && cargo test"])
def test_command_that_prepares_its_program_is_believed(tmp_path: Path, command: str) -> None:
    put(tmp_path / "tools/cargo", BROKEN)
    assert find(tmp_path / "tools", command) == ""
    assert "no toolchain" in find(tmp_path / "tools", command, "x\nerror: no toolchain\n")


def test_programs_of_the_project_are_never_started(tmp_path: Path) -> None:
    ours = put(tmp_path / "project/bin/cargo", f"touch {tmp_path}/started; exit 1")
    linked = tmp_path / "tools/cargo"
    linked.parent.mkdir()
    linked.symlink_to(ours)
    assert find(linked.parent, "cargo test") == find(ours.parent, "cargo test") == ""
    assert not (tmp_path / "started").exists()


@table(
    ("program", "folder"),
    [
        ("/opt/go/bin/go", "/opt/go"),
        ("/home/ann/bin/deno", "/home/ann/bin"),
        ("/root/bin/deno", "/root/bin"),
        ("/home/ann/.local/bin/deno", "/home/ann/.local/bin"),
        ("/home/ann/tools/deno", "/home/ann/tools"),
    ],
)
def test_profile_shows_an_installation_and_never_a_whole_home(program: str, folder: str) -> None:
    assert sandbox_lines(Path(program), is_visible=False) == f'read = ["{folder}"]'


def test_profile_shows_the_folder_of_a_link_too(tmp_path: Path) -> None:
    file = put(tmp_path / "deno/bin/deno-1", "true")
    link = tmp_path / ".local/bin/deno"
    link.parent.mkdir(parents=True)
    link.symlink_to(file)
    lines = sandbox_lines(link, is_visible=False)
    assert lines == f'read = ["{link.parent}", "{tmp_path / "deno"}"]'
