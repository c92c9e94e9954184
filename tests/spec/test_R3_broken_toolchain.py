"""Rulings R2 and R3: a failed command is a verdict, unless a program of its toolchain is broken."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from attractor.base.errors import ExitCode
from attractor.base.events import Event
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from tests.needs import needs, needs_bubblewrap
from tests.pipeline.projects import adjusted, make_project, open_project, simulated, start

PIPELINE = """digraph tests {{
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    test  [shape=parallelogram, tool_command="{}", max_retries=2, retry_policy=none]
    fix   [prompt="Fix the tests"]
    start -> test
    test -> exit [condition="outcome=success"]
    test -> fix [condition="outcome=fail"]
    fix -> exit
}}
"""
RUSTUP = """#!/bin/sh
if ! [ -d "$RUSTUP_HOME" ]; then
    echo "error: rustup could not choose a version of cargo to run" >&2
    exit 1
fi
[ "$1" = --version ] && echo cargo 1.95.0 || ! echo "test mean ... FAILED"
"""


def put(program: Path, script: str) -> Path:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(script)
    program.chmod(0o755)
    return program


def prepare(folder: Path, command: str, tools: Path) -> tuple[Project, list[str]]:
    """Return a project with one command, and the list of the stages that it starts."""
    started: list[str] = []

    def observe(event: Event) -> None:
        if event.type == "StageStarted":
            started.append(str(event.node))

    project = make_project(folder / "project", PIPELINE.format(command))
    opened = open_project(project, observer=observe, PATH=f"{tools}:{os.environ['PATH']}")
    return adjusted(opened, readable=(tools,)), started


def stop_and_resume(opened: Project, home: Path, started: list[str]) -> tuple[str, Sequence[str]]:
    """Run without the variable that cargo needs, then resume with it; return the first reason."""
    stopped = asyncio.run(start(simulated(opened.root, sandbox="bubblewrap"), opened))
    assert stopped.exit_code is ExitCode.UNFINISHED
    assert [*started] == ["start", "test"]
    started.clear()
    repaired = adjusted(
        opened, readable=(*opened.readable, home), sandbox_env={"RUSTUP_HOME": str(home)}
    )
    assert asyncio.run(resume(stopped.directory, repaired)).exit_code is ExitCode.DONE
    return stopped.reason, started


@needs_bubblewrap
def test_R3_broken_toolchain_stops_the_run_and_resume_repeats_the_stage(tmp_path: Path) -> None:
    tools, home = tmp_path / "tools/bin", tmp_path / "rustup"
    home.mkdir()
    put(tools / "rustup", RUSTUP)
    (tools / "cargo").symlink_to("rustup")
    opened, started = prepare(tmp_path, "cargo test", tools)
    reason, again = stop_and_resume(opened, home, started)
    assert reason == (
        "stage test: cargo does not say its version in the sandbox ('cargo --version': error: "
        "rustup could not choose a version of cargo to run); add read = "
        f'["{tools}", "~/.rustup"] and env = {{ RUSTUP_HOME = "~/.rustup" }} to [sandbox] of the '
        "profile for a new run; for a variable alone, sandbox.env of attractor.toml is enough: "
        "then resume the run"
    )
    # With its variable, cargo says its version, so the failure is a verdict, and is retried.
    assert again == ["test", "test", "test", "fix"]


@needs_bubblewrap
@needs("rustup")
def test_R3_cargo_of_rustup_without_its_folder_stops_the_run(tmp_path: Path) -> None:
    home = Path(os.environ.get("RUSTUP_HOME", Path.home() / ".rustup"))
    tools = Path.home() / ".cargo/bin"
    opened, started = prepare(tmp_path, "cargo --list", tools)
    reason, again = stop_and_resume(opened, home, started)
    assert "cargo does not say its version in the sandbox ('cargo --version': error: " in reason
    assert again == ["test"]


@needs_bubblewrap
def test_R3_program_that_the_sandbox_does_not_show_stops_the_run(tmp_path: Path) -> None:
    put(tmp_path / "hidden/bin/deno", "#!/bin/sh\necho deno 1.40.2\n")
    opened, started = prepare(tmp_path, "deno test", tmp_path / "hidden/bin")
    opened = adjusted(opened, readable=())
    stopped = asyncio.run(start(simulated(opened.root, sandbox="bubblewrap"), opened))
    assert (stopped.exit_code, started) == (ExitCode.UNFINISHED, ["start", "test"])
    assert stopped.reason.startswith(
        "stage test: deno is not on the PATH of the sandbox, but it is "
        f'{tmp_path}/hidden/bin/deno outside; add read = ["{tmp_path}/hidden"] to [sandbox]'
    )


def test_R2_missing_program_of_the_project_is_a_verdict(tmp_path: Path) -> None:
    for name in ("deno", "./build", "no-such-program"):
        opened, started = prepare(tmp_path / name.strip("./"), f"{name} test", tmp_path)
        ended = asyncio.run(start(simulated(opened.root), opened))
        assert (ended.exit_code, started[-2:]) == (ExitCode.DONE, ["test", "fix"])
