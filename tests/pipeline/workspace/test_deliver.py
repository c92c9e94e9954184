"""What a run made that was ended while nobody ran it is given back all the same."""

import asyncio
from dataclasses import replace
from pathlib import Path

from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.engine.storage.secrets import Redactor
from attractor.pipeline.host import RunHost
from attractor.pipeline.options import RunOptions
from attractor.pipeline.orders import Orders
from attractor.pipeline.start import start
from attractor.pipeline.workspace.deliver import give_back_later, given_back
from tests.pipeline.projects import git, make_project, make_world
from tests.pipeline.workspace.test_stage_commits import PLAIN, commits


def park(world: RunHost) -> RunResult:
    """Have a run stop, as if its process had been killed before it gave anything back."""
    file = world.project / "pipeline.dot"
    options = RunOptions(file=file, backend="simulate", sandbox="none", interviewer="park")
    parked = asyncio.run(start(options, world))
    assert parked.standing == AWAITING_ANSWER
    git(world.project, "update-ref", "-d", f"refs/heads/attractor/run/{parked.run_id}")
    return parked


def cancel(parked: RunResult, world: RunHost) -> None:
    orders = Orders(
        root=parked.directory,
        by="me",
        clock=world.clock,
        randomness=world.randomness,
        redactor=Redactor.of_environment(world.environ),
    )
    assert orders.cancel("enough").is_taken


def test_a_run_that_is_canceled_while_nobody_runs_it_has_its_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PLAIN)
    world = make_world(project)
    parked = park(world)
    cancel(parked, world)
    asyncio.run(give_back_later(parked.directory, world))
    assert commits(project, parked) == ["quiet"]
    branch = f"attractor/run/{parked.run_id}"
    assert given_back(RunDirectory(parked.directory)).branch == branch


def test_where_it_cannot_be_given_back_that_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    project = make_project(tmp_path / "project", PLAIN)
    world = replace(make_world(project), tell=told.append)
    parked = park(world)
    cancel(parked, world)
    (world.state_dir / "stores" / parked.run_id / "workspace.json").unlink()
    asyncio.run(give_back_later(parked.directory, world))
    assert any("is not given back" in one and "has no workspace" in one for one in told)
