"""Restarts whose process is killed between two runs."""

import asyncio
import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from attractor.base.errors import FileError, LockHeld
from attractor.cli.invocation import Invocation
from attractor.cli.runs.walk import InterruptedRun, Watcher
from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.open_run import open_run
from attractor.engine.state.run_state import EVALUATING
from attractor.pipeline.execute import resume
from attractor.pipeline.fork import linked_run as restarting
from attractor.pipeline.project.project import Project
from attractor.records.lookup import find_run
from attractor.records.summary import list_runs
from tests.counts import count
from tests.engine.runs import read_events
from tests.pipeline.dying_restart import MADE, MOMENTS, ROUNDS, options, run_and_die
from tests.pipeline.projects import fork, git, make_project, open_project, start


def standings(opened: Project) -> list[str]:
    runs = sorted(list_runs(opened.runs_dir), key=lambda one: one.restart)
    return [f"{one.status}: {one.reason}" if one.restarted_as else one.status for one in runs]


@pytest.mark.crash
@pytest.mark.parametrize(
    ("moment", "reference"),
    # Wherever a run may die, by either name; small counts use a few of these.
    list(product(MOMENTS, ["latest", "first"]))[:: count(ci=3, full=1)],
)
def test_kill_between_rounds_loses_nothing(tmp_path: Path, moment: str, reference: str) -> None:
    project = make_project(tmp_path / "project", ROUNDS)
    run_and_die(project, moment, "isolated")
    opened = open_project(project)
    first = min(list_runs(opened.runs_dir), key=lambda one: one.restart).directory
    root = first if reference == "first" else find_run("latest", opened.runs_dir)
    result = asyncio.run(resume(root, opened))
    assert (result.status, result.outcome) == (EVALUATING, StageStatus.SUCCESS)
    assert standings(opened) == ["canceled: restarted", "evaluating"]
    branch = f"attractor/run/{result.run_id}"
    assert git(project, "show", f"{branch}:rounds.txt") == "round\n" * 2
    final = json.loads((first / "final.json").read_text())
    assert final["next"] == f"attractor status {result.run_id}"
    # No stage was repeated: each round has its stages once.
    assert result.completed == ("work", "judge")


@pytest.mark.crash
def test_kill_between_rounds_ends_a_run_with_a_directory_of_its_own(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ROUNDS)
    run_and_die(project, MADE, "isolated")
    opened = open_project(project)
    second, first = (one.directory for one in list_runs(opened.runs_dir))
    first.rename(first.with_name("mine"))
    assert asyncio.run(resume(second, opened)).outcome is StageStatus.SUCCESS
    assert standings(opened) == ["canceled: restarted", "evaluating"]


@pytest.mark.crash
def test_a_kill_between_two_rounds_in_place_loses_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ROUNDS)
    run_and_die(project, "RunRestarting", "in-place")
    opened = open_project(project)
    result = asyncio.run(resume(find_run("latest", opened.runs_dir), opened))
    assert result.outcome is StageStatus.SUCCESS
    assert (project / "rounds.txt").read_text() == "round\n" * 2


def test_resume_creates_the_next_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project", ROUNDS)
    opened = open_project(project)

    def full(*arguments: object, **more: object) -> None:
        raise FileError("no space left")

    with monkeypatch.context() as patched:
        # The workspace of the next round exists already.
        patched.setattr(restarting, "create_run_directory", full)
        with pytest.raises(FileError, match="no space left"):
            asyncio.run(start(options(project, "isolated"), opened))
    assert standings(opened) == ["executing: "]
    result = asyncio.run(resume(find_run("latest", opened.runs_dir), opened))
    assert result.outcome is StageStatus.SUCCESS
    assert standings(opened) == ["canceled: restarted", "evaluating"]


def test_next_run_under_construction_is_not_disturbed(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ROUNDS)
    run_and_die(project, "made", "isolated")
    opened = open_project(project)
    second, first = (one.directory for one in list_runs(opened.runs_dir))
    with open_run(first, clock=opened.machine.clock, before_end=None), pytest.raises(LockHeld):
        asyncio.run(resume(second, opened))
    assert asyncio.run(resume(second, opened)).outcome is StageStatus.SUCCESS


def test_next_run_uses_the_pipeline_of_the_first_run(tmp_path: Path) -> None:
    changing = ROUNDS.replace("echo round", "cp /dev/null pipeline.dot; echo round")
    project = make_project(tmp_path / "project", changing)
    result = asyncio.run(start(options(project, "in-place"), open_project(project)))
    assert result.outcome is StageStatus.SUCCESS
    assert (project / "pipeline.dot").read_text() == ""


def test_both_runs_of_a_chain_can_be_forked(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ROUNDS)
    opened = open_project(project)
    asyncio.run(start(options(project, "isolated"), opened))
    second, first = (one.directory for one in list_runs(opened.runs_dir))

    for root, at in [(first, "judge"), (second, "work@2")]:
        known = {one.directory for one in list_runs(opened.runs_dir)}
        result = asyncio.run(fork(root, at, opened))
        made = [one for one in list_runs(opened.runs_dir) if one.directory not in known]
        manifest = json.loads((made[-1].directory / "manifest.json").read_text())
        assert (manifest["restart"], manifest["forked_at"].split("@")[0]) == (0, at.split("@")[0])
        assert (result.status, result.outcome) == (EVALUATING, StageStatus.SUCCESS)


def test_a_fork_of_the_last_round_has_no_more_rounds_left_than_that_one(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", ROUNDS.replace("{", "{ graph [max_restarts=1]", 1))
    opened = open_project(project)
    chosen = replace(options(project, "isolated"), outcomes={"judge": "fail"})
    asyncio.run(start(chosen, opened))
    [last] = [one.directory for one in list_runs(opened.runs_dir) if one.restart]
    forked = asyncio.run(fork(last, "work", opened))
    assert forked.reason == "loop_restart: limit max_restarts=1 reached"


@pytest.mark.crash
def test_interruption_names_the_last_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project", ROUNDS)
    run_and_die(project, "made", "isolated")
    opened = open_project(project)
    second, first = (one.directory for one in list_runs(opened.runs_dir))
    monkeypatch.chdir(project)
    watcher = Watcher(Invocation(environ=opened.machine.environ))
    for event in read_events(first):
        watcher(event)
    assert watcher.interrupted_run() == InterruptedRun(
        second.name, second, f"attractor resume {second.name}"
    )
    (second / "manifest.json").unlink()
    assert watcher.interrupted_run() == InterruptedRun(
        first.name, first, f"attractor resume {first.name}"
    )
