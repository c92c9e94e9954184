"""Delivery of a run that was ended without a live process."""

import asyncio
from pathlib import Path

from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.engine.storage.secrets import Redactor
from attractor.pipeline.orders import Orders
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.deliver import deliver_ended_run
from attractor.records.delivery import read_delivery
from attractor.records.request import RunRequest
from tests.pipeline.projects import adjusted, git, make_project, open_project, start
from tests.pipeline.workspace.test_stage_commits import PLAIN, commits


def park(opened: Project) -> RunResult:
    """Stop a run as if its process had been killed before the delivery."""
    file = opened.root / "pipeline.dot"
    options = RunRequest(file=file, backend="simulate", sandbox="none", interviewer="park")
    parked = asyncio.run(start(options, opened))
    assert parked.status == AWAITING_ANSWER
    git(opened.root, "update-ref", "-d", f"refs/heads/attractor/run/{parked.run_id}")
    return parked


def cancel(parked: RunResult, opened: Project) -> None:
    orders = Orders(
        root=parked.directory,
        by="me",
        clock=opened.machine.clock,
        randomness=opened.machine.randomness,
        redactor=Redactor.of_environment(opened.machine.environ),
    )
    assert orders.cancel("enough").is_taken


def test_run_canceled_without_a_process_has_its_branch(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", PLAIN)
    opened = open_project(project)
    parked = park(opened)
    cancel(parked, opened)
    asyncio.run(deliver_ended_run(parked.directory, opened))
    assert commits(project, parked) == ["quiet"]
    branch = f"attractor/run/{parked.run_id}"
    assert read_delivery(RunDirectory(parked.directory)).branch == branch


def test_failed_delivery_is_reported(tmp_path: Path) -> None:
    messages: list[str] = []
    project = make_project(tmp_path / "project", PLAIN)
    opened = adjusted(open_project(project), tell=messages.append)
    parked = park(opened)
    cancel(parked, opened)
    (opened.machine.state_dir / "stores" / parked.run_id / "workspace.json").unlink()
    asyncio.run(deliver_ended_run(parked.directory, opened))
    assert any("was not delivered" in one and "has no workspace" in one for one in messages)
