"""Boot steps in the journal, and faults found before them."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.json import Json
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.result import RunResult
from attractor.pipeline.boot import PHASES
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.request import RunRequest
from attractor.workspaces.errors import SetupFailed
from attractor.workspaces.preparation import Preparation
from tests.pipeline.projects import adjusted, make_project, open_project, start

BRANCHES = """
digraph branches {
    node [shape=parallelogram]
    start [shape=Mdiamond]
    exit [shape=Msquare]
    fork [shape=component]
    one [tool_command="cat deps/made"]
    two [tool_command="cat deps/made"]
    meet [shape=tripleoctagon]
    start -> fork
    fork -> one -> meet
    fork -> two -> meet
    meet -> exit
}
"""
SETUP = "mkdir deps && echo made >deps/made && echo installed"
IGNORED = {".gitignore": "deps/\nmodules/\n"}


def options(opened: Project, kind: str = "isolated") -> RunRequest:
    file = opened.root / "pipeline.dot"
    return RunRequest(file=file, backend="simulate", sandbox="none", workspace=kind)


def go(opened: Project, kind: str = "isolated") -> RunResult:
    return asyncio.run(start(options(opened, kind), opened))


def prepared_world(project: Path, **wanted: object) -> Project:
    return adjusted(open_project(project), preparation=replace(Preparation(), **wanted))


def boot_steps(root: Path) -> Sequence[dict[str, Json]]:
    lines = (root / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    return [
        {"branch": one.get("branch", ""), **one["data"]}
        for one in events
        if one["type"] == "BootStep"
    ]


def test_boot_steps_are_recorded_in_order(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", BRANCHES, **IGNORED)
    (project / "modules").mkdir()
    opened = prepared_world(project, setup=SETUP, carry=("modules",))
    result = go(opened)
    assert result.outcome is StageStatus.SUCCESS
    profile, spec, preflight, workspace, environment, setup, carry = boot_steps(result.directory)
    phases = [one["phase"] for one in (profile, spec, preflight, workspace, environment)]
    assert phases == list(dict.fromkeys(PHASES.values()))
    assert (setup["phase"], carry["phase"]) == ("execution init", "execution init")
    assert (spec["pipeline"], preflight["backend"]) == ("branches", "simulate")
    assert (environment["step"], environment["sandbox"]) == ("environment", "none")
    assert (workspace["step"], workspace["kind"]) == ("workspace", "isolated")
    assert (carry["step"], carry["carried"]) == ("carry", ["modules"])
    assert (setup["step"], setup["command"], setup["how"]) == ("setup", SETUP, "run")
    assert (setup["exit_code"], setup["output"]) == (0, "setup.log")
    assert "installed" in (result.directory / "setup.log").read_text()


def test_setup_with_its_path_runs_in_each_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", BRANCHES, **IGNORED)
    result = go(prepared_world(project, setup="mkdir deps && pwd >deps/made"))
    setups = [one for one in boot_steps(result.directory) if one["step"] == "setup"]
    assert [bool(one["branch"]) for one in setups] == [False, True, True]
    assert (result.directory / "setup.log").read_text().count("$ mkdir deps") == 3


def test_a_setup_that_failed_is_recorded_with_its_output_and_run_again(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", BRANCHES, **IGNORED)
    opened = prepared_world(project, setup="echo no wheel; exit 3")
    with pytest.raises(SetupFailed):
        go(opened)
    [root] = [one for one in (project / "runs").iterdir() if one.is_dir()]
    assert boot_steps(root)[-1]["exit_code"] == 3
    assert "no wheel" in (root / "setup.log").read_text()
    mended = adjusted(opened, preparation=Preparation(setup=SETUP))
    assert asyncio.run(resume(root, mended)).outcome is StageStatus.SUCCESS
    steps = [one["step"] for one in boot_steps(root)]
    phases = ["profile", "spec", "preflight", "workspace", "environment"]
    assert steps == [*phases, "setup", "setup"]
