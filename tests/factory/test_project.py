"""Nobody takes up a run of another project, or a copy of a run."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode
from attractor.engine.state.run_state import RunResult
from attractor.factory.deciding import Verdict
from attractor.factory.errors import CopiedRun, OtherProject
from attractor.factory.launch import hold
from attractor.pipeline.host import RunHost
from tests.factory.flows import Flow, make_flow
from tests.pipeline.projects import make_project, make_world

DOINGS: list[Callable[[Flow, RunResult], object]] = [
    lambda flow, result: flow.resume(result),
    lambda flow, result: flow.report(result),
    lambda flow, result: flow.decide(result, Verdict.REJECTED),
    lambda flow, result: flow.promote(result),
]


def neighbour(flow: Flow, tmp_path: Path) -> Flow:
    """Make another project beside this one, with a run of its own and the same state folder."""
    project = make_project(tmp_path / "neighbour")
    world: RunHost = replace(make_world(project), state_dir=flow.world.state_dir)
    other = Flow(project, world)
    other.launch()
    return other


def test_a_run_of_another_project_is_refused(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, Verdict.APPROVED)
    other = neighbour(flow, tmp_path)
    before = (result.directory / "events.jsonl").read_bytes()
    for do in DOINGS:
        with pytest.raises(OtherProject, match="is a run of another project") as caught:
            do(other, result)
        assert caught.value.exit_code is ExitCode.USAGE
        assert str(result.directory) in caught.value.hint
    assert (result.directory / "events.jsonl").read_bytes() == before


def test_a_copy_is_refused_wherever_it_lies(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    for place in (flow.world.runs_dir / "copy", tmp_path / "away" / result.run_id):
        shutil.copytree(result.directory, place)
        for do in DOINGS:
            with pytest.raises(CopiedRun) as caught:
                do(flow, replace(result, directory=place))
            assert caught.value.exit_code is ExitCode.USAGE
            assert "take" in caught.value.hint
    assert flow.decide(result, Verdict.REJECTED)


def test_a_project_that_was_moved_keeps_its_runs(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.project.rename(tmp_path / "moved")
    moved = replace(
        flow,
        project=tmp_path / "moved",
        world=replace(flow.world, project=tmp_path / "moved", runs_dir=tmp_path / "moved" / "runs"),
    )
    there = replace(result, directory=moved.world.runs_dir / result.run_id)
    assert moved.rules(there) == []
    assert moved.decide(there, Verdict.APPROVED)


def test_a_run_kept_elsewhere_belongs_to_the_project_too(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(root=tmp_path / "elsewhere" / "my-run")
    assert flow.rules(result) == []
    assert (flow.world.runs_dir / ".gitignore").read_text() == "*\n"
    with hold(result.directory, flow.world) as run:
        assert run.manifest.run_id == result.run_id
