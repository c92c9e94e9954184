"""Starts the current release of an app, also of one that went down by itself."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, Refused
from attractor.factory.open_project import open_project
from attractor.factory.project import ProjectFolder, list_project_folders
from attractor.growth.apps.access import access_of
from attractor.growth.apps.services import settings_for
from attractor.growth.control_plane import ControlPlane, releases_in
from attractor.growth.deployment.app_notices import settings_of
from attractor.growth.deployment.app_supervisor import app_process
from attractor.growth.deployment.integrity import expected_release
from attractor.growth.deployment.release import Releases
from attractor.growth.deployment.resting_app import RestingApp
from attractor.growth.deployment.target import ReleaseTarget, target_registry
from attractor.growth.errors import AppFailed
from attractor.pipeline.project.project import Project
from attractor.supervision.process import ProcessStatus

_DOWN = (ProcessStatus.GONE, ProcessStatus.LEFT)
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class DownApp:
    """An app that went down by itself, and has no supervisor: its project, and its status.

    The status is `gone`, or `left` if the app of a killed supervisor still runs. Its last sign of
    life was `since`.
    """

    project: ProjectFolder
    status: ProcessStatus
    since: datetime


async def start_release(
    project: Project,
    releases: Releases,
    target: ReleaseTarget,
    resting: RestingApp | None = None,
) -> str:
    """Verify the current release, and start it unless it runs; return its address once healthy."""
    current = releases.current
    if current is None:
        raise AppFailed(f"{releases.folder} has no current release")
    expected = await expected_release(project, releases)
    services = {**settings_for(project, current.tree), **access_of(project)}
    environ, notices = project.machine.environ, settings_of(project)
    return target.start(releases, environ, expected, services, notices, resting)


def apps_to_start(state: Path) -> Sequence[DownApp]:
    """Return the apps of all projects that were up when they, or the machine, went down."""
    found = [down_app(project) for project in list_project_folders(state) if project.has_runs]
    return [app for app in found if app]


def down_app(project: ProjectFolder) -> DownApp | None:
    """Return the app of a project if it was up when it, or the machine, went down."""
    process = app_process(releases_in(project.runs_dir))
    status = process.status
    return DownApp(project, status, process.last_sign) if status in _DOWN else None


def start_app(app: DownApp, environ: Mapping[str, str]) -> str:
    """Start an app again; return its address once it is healthy, or "" if a person stopped it.

    A left app is ended first. `environ` names the state folder (`ATTRACTOR_STATE_DIR`).
    """
    return start_again(open_project(app.project.root, environ).project)


@asynccontextmanager
async def started_after_failure(
    project: Project, releases: Releases, target: ReleaseTarget, resting: RestingApp
) -> AsyncGenerator[None]:
    """Start the current release again if the block fails, unless a person had stopped it."""
    try:
        yield
    except (AttractorError, OSError):
        if app_process(releases.folder).status in _DOWN:
            # The fault of the block is the one to be shown.
            with suppress(AttractorError):
                await start_release(project, releases, target, resting)
        raise


def start_by_order(project: Project) -> str:
    """Start the app of a project for a person, and return its address; refuse a stopped one."""
    if url := start_again(project):
        return url
    hint = "use: attractor grow deploy PLAN"
    raise Refused("the app was stopped, or was never started", hint=hint)


def start_again(project: Project) -> str:
    """Start the app of a project as `start_app` does."""
    control_plane = ControlPlane(project)
    releases = Releases(control_plane.releases)
    with control_plane.lock().acquire(wait=_PATIENCE_S, purpose="attractor: start the app"):
        if app_process(releases.folder).status is ProcessStatus.NONE:
            return ""
        target = target_registry()["local"]
        return asyncio.run(start_release(control_plane.project, releases, target))
