"""Ruling R14: requirements are checked before the run exists."""

import asyncio
import os
from pathlib import Path

import pytest

from attractor.backends.models import newest_model
from attractor.backends.provider_needs import WITHOUT_KEY
from attractor.base.errors import ExitCode
from attractor.engine.run_folder.result import RunResult
from attractor.language.diagnostics import NotRunnable, ValidationError
from attractor.pipeline.execute import resume
from attractor.pipeline.plan.origins import Forked, find_fork
from attractor.pipeline.plan.plan_run import plan_run
from attractor.pipeline.project.project import Project
from attractor.records.request import RunRequest
from tests.needs import needs_sandbox
from tests.pipeline.projects import adjusted, git, make_project, open_project, start

MODELS = " or ".join(f"--model {newest_model(one)}" for one in ("anthropic", "gemini"))
NO_MODEL = (
    "set ANTHROPIC_API_KEY or GEMINI_API_KEY or OPENAI_API_KEY or OPENAI_COMPATIBLE_BASE_URL; "
    "to choose a model, "
    f"pass {MODELS}, or set llm_model "
    f"in the pipeline or llm.model in attractor.toml; 'attractor models' lists models; "
    f"{WITHOUT_KEY}"
)
PIPELINE = """digraph needy {{
    graph [requires="{requires}"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    {stage}
    start -> it -> exit
}}
"""
ASK = 'it [shape=hexagon, label="Go on?"]'


def begin(
    opened: Project, requires: str, *, stage: str = 'it [prompt="x"]', **more: str
) -> RunResult:
    """Run a pipeline with requirements."""
    (opened.root / "pipeline.dot").write_text(PIPELINE.format(requires=requires, stage=stage))
    git(opened.root, "commit", "--all", "--quiet", "--allow-empty", "--message", "Require")
    options = RunRequest(
        file=opened.root / "pipeline.dot",
        backend=more.get("backend", "simulate"),
        sandbox=more.get("sandbox", "none"),
        interviewer="park",
    )
    return asyncio.run(start(options, opened))


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    """A project with the program `tool` in version 2.10.1."""
    opened = open_project(make_project(tmp_path / "project"))
    folder = tmp_path / "bin"
    folder.mkdir()
    put(folder / "tool", "echo 'tool, made in 2020: version 2.10.1 (build 7)'")
    put(folder / "mute", "exit 1")
    return adjusted(
        opened,
        environ={**opened.machine.environ, "PATH": f"{folder}:{os.environ['PATH']}", "THERE": "1"},
    )


def put(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    "requires", ["git, tool>=2.9, env:THERE", "tool, tool<3, tool=2.10", "", "mute"]
)
def test_R14_met_requirements_are_accepted(opened: Project, requires: str) -> None:
    assert begin(opened, requires).exit_code is ExitCode.DONE


def test_R14_all_missing_requirements_are_reported(opened: Project, tmp_path: Path) -> None:
    requires = "git, nmp, tool>=3.1, mute>1, env:TOKEN, env:EMPTY"
    opened = adjusted(opened, environ={**opened.machine.environ, "EMPTY": " "})
    with pytest.raises(NotRunnable) as caught:
        begin(opened, requires, backend="agent")
    assert caught.value.exit_code is ExitCode.USAGE
    file = opened.root / "pipeline.dot"
    assert caught.value.message.splitlines() == [
        "needy cannot be run:",
        f"  {file}:5: node it: missing llm_model: no model is chosen ({NO_MODEL})",
        f"  {file}:2: requires nmp: the program nmp is not on the PATH (install nmp)",
        f"  {file}:2: requires tool>=3.1: the installed version is tool 2.10.1 "
        "(install tool 3.1 or newer)",
        f"  {file}:2: requires mute>1: mute does not print its version "
        "(check the output of mute --version, or require mute without a version)",
        f"  {file}:2: requires env:TOKEN: the variable TOKEN is not set "
        "(set it before attractor is started: export TOKEN=...)",
        f"  {file}:2: requires env:EMPTY: the variable EMPTY is not set "
        "(set it before attractor is started: export EMPTY=...)",
    ]
    assert not (tmp_path / "state").exists()
    assert not opened.runs_dir.exists()
    assert git(opened.root, "for-each-ref", "--format=%(refname)") == "refs/heads/main\n"


def test_R14_requirements_of_a_child_are_checked(opened: Project) -> None:
    child = PIPELINE.format(requires="git, nmp", stage='it [prompt="x"]')
    (opened.root / "child.dot").write_text(child)
    with pytest.raises(NotRunnable) as caught:
        begin(opened, "git, nmp", stage='it [type=pipeline, file="child.dot"]')
    assert caught.value.message.count("the program nmp is not on the PATH") == 1
    with pytest.raises(NotRunnable) as caught:
        begin(opened, "git", stage='it [type=pipeline, file="child.dot"]')
    assert f"{opened.root / 'child.dot'}:2: requires nmp" in caught.value.message


def test_R14_invalid_requirements_are_refused(opened: Project) -> None:
    with pytest.raises(ValidationError, match="requires: unknown kind of requirement 'evn:'"):
        begin(opened, "evn:TOKEN")


def test_R14_resume_checks_requirements_again(opened: Project, tmp_path: Path) -> None:
    parked = begin(opened, "tool", stage=ASK)
    assert parked.exit_code is ExitCode.UNFINISHED
    (tmp_path / "bin" / "tool").unlink()
    before = (parked.directory / "events.jsonl").read_bytes()
    with pytest.raises(NotRunnable, match="the program tool is not"):
        asyncio.run(resume(parked.directory, opened))
    assert (parked.directory / "events.jsonl").read_bytes() == before
    put(tmp_path / "bin" / "tool", "true")
    assert asyncio.run(resume(parked.directory, opened)).exit_code is ExitCode.UNFINISHED


@needs_sandbox
def test_R14_programs_are_checked_in_the_sandbox(opened: Project, tmp_path: Path) -> None:
    assert begin(opened, "sh, env:THERE", sandbox="bubblewrap").exit_code is ExitCode.DONE
    runs = len(list(opened.runs_dir.iterdir()))
    with pytest.raises(NotRunnable) as caught:
        begin(opened, "sh, tool>=2", sandbox="bubblewrap")
    message = f"{caught.value.message} ({caught.value.hint})"
    assert "requires tool>=2: in the sandbox the program tool is not on the PATH" in message
    assert "(below /usr), or run with --sandbox none" in message
    assert len(list(opened.runs_dir.iterdir())) == runs


def test_R14_value_of_a_variable_is_never_shown(opened: Project) -> None:
    opened = adjusted(opened, environ={**opened.machine.environ, "TOKEN": "never-to-be-seen"})
    with pytest.raises(NotRunnable) as caught:
        begin(opened, "env:TOKEN, nmp")
    assert "never-to-be-seen" not in f"{caught.value.message} {caught.value.hint}"


def fork(opened: Project, directory: Path, graph: Path | None = None) -> object:
    run, point = find_fork(directory, "it")
    return asyncio.run(plan_run(Forked(run=run, point=point, graph=graph), opened)).sandbox


def test_R14_fork_checks_requirements(opened: Project) -> None:
    directory = begin(opened, "tool").directory
    assert fork(opened, directory)
    elsewhere = adjusted(opened, environ={**opened.machine.environ, "PATH": os.environ["PATH"]})
    with pytest.raises(NotRunnable, match="requires tool: the program tool is not on the PATH"):
        fork(elsewhere, directory)


@needs_sandbox
def test_R14_fork_needs_programs_in_its_sandbox(opened: Project, tmp_path: Path) -> None:
    directory = begin(opened, "git", sandbox="bubblewrap").directory
    (opened.root / "pipeline.dot").write_text(PIPELINE.format(requires="tool", stage=ASK))
    graph = opened.root / "pipeline.dot"
    with pytest.raises(NotRunnable, match="in the sandbox the program tool is not"):
        fork(opened, directory, graph)
