"""A run directory holds a drawing of its run; where there can be none, the run does as well."""

import asyncio
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.engine import run_drawings
from attractor.engine.drawn_run import read_drawn
from attractor.engine.outcome import StageStatus
from attractor.engine.results import RunResult
from attractor.engine.run_directory import RunDirectory
from attractor.language.drawing.draw import draw
from attractor.pipeline.options import RunOptions
from attractor.pipeline.running import resume, start
from tests.pipeline.projects import LINEAR, make_project, make_world

needs_dot = pytest.mark.skipif(not shutil.which("dot"), reason="needs Graphviz")
PARKING = LINEAR.replace("start -> plan", "start -> ask -> plan").replace(
    "plan  [", "ask [shape=hexagon]\n    plan  ["
)


def run(project: Path) -> RunResult:
    world = replace(make_world(project), draws=True)
    options = RunOptions(
        file=project / "pipeline.dot", backend="simulate", sandbox="none", interviewer="park"
    )
    return asyncio.run(start(options, world))


def kinds(root: Path) -> list[str]:
    return [
        line.split('"type":"')[1].split('"')[0]
        for line in (root / "events.jsonl").read_text().splitlines()
    ]


@needs_dot
def test_a_run_that_ended_is_drawn_as_render_draws_it(tmp_path: Path) -> None:
    result = run(make_project(tmp_path / "project"))
    svg = (result.directory / "graph.svg").read_text()
    found = read_drawn(RunDirectory(result.directory))
    assert svg == asyncio.run(draw(found.picture))
    assert f"run {result.run_id}" in svg
    assert "evaluating" in svg
    assert found.states.nodes["make"].duration is not None


@needs_dot
def test_a_run_that_rests_is_drawn_as_it_rests_and_again_when_it_goes_on(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PARKING)
    result = run(project)
    svg = result.directory / "graph.svg"
    assert "awaiting human" in svg.read_text()
    world = replace(make_world(project), draws=True)
    asyncio.run(resume(result.directory, world, interviewer="auto_approve"))
    assert "evaluating" in svg.read_text()


@needs_dot
def test_a_run_at_work_is_drawn_soon_after_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_drawings, "SOON_S", 0.0)
    waiting = LINEAR.replace(
        "echo made > made.txt",
        f"timeout 90 sh -c 'until test -e {tmp_path}/drawn; do sleep 0.05; done'",
    )
    project = make_project(tmp_path / "project", waiting)

    async def scene() -> str:
        world = replace(make_world(project), draws=True)
        options = RunOptions(file=project / "pipeline.dot", backend="simulate", sandbox="none")
        walking = asyncio.create_task(start(options, world))
        try:
            async with asyncio.timeout(20):
                while not (found := list((project / "runs").glob("*/graph.svg"))):
                    await asyncio.sleep(0.02)
            drawn = found[0].read_text()
        finally:
            (tmp_path / "drawn").touch()
            await walking
        return drawn

    assert "evaluating" not in asyncio.run(scene())


def test_where_nothing_draws_that_is_told_and_the_run_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = shutil.which("git")
    assert git
    only_git = tmp_path / "bin"
    only_git.mkdir()
    for program in (git, "/bin/sh", shutil.which("head") or "/usr/bin/head"):
        (only_git / Path(program).name).symlink_to(program)
    monkeypatch.setenv("PATH", str(only_git))
    # Neither is the drawer that needs no program of its own.
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    result = run(make_project(tmp_path / "project"))
    assert result.outcome is StageStatus.SUCCESS
    assert not (result.directory / "graph.svg").exists()
    assert "GraphNotDrawn" in kinds(result.directory)


def test_a_graph_that_is_too_large_is_left_to_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_drawings, "MOST_NODES", 2)
    result = run(make_project(tmp_path / "project"))
    assert result.outcome is StageStatus.SUCCESS
    assert not (result.directory / "graph.svg").exists()
    assert "GraphNotDrawn" in kinds(result.directory)


def test_a_place_that_cannot_be_written_fails_no_run(tmp_path: Path) -> None:
    project = make_project(
        tmp_path / "project",
        LINEAR.replace(
            "echo made",
            f"for d in {tmp_path}/project/runs/*; do mkdir $d/graph.svg; done; echo made",
        ),
    )
    result = run(project)
    assert result.outcome is StageStatus.SUCCESS
    assert "GraphNotDrawn" in kinds(result.directory)
