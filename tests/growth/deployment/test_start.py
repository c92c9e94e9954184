"""Apps that went down although nobody stopped them are found in all projects, and started again."""

import asyncio
import os
import re
import signal
from contextlib import closing, suppress
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.cli.runs.growth import app_lines
from attractor.factory.open_project import OpenProject
from attractor.growth.api.deployments import (
    describe_app,
    find_app,
    start_app as start_current,
    stop_app,
)
from attractor.growth.deployment.app_supervisor import app_process
from attractor.growth.deployment.start import apps_to_start, start_app, start_release
from attractor.growth.deployment.targets import local
from attractor.server.service import Service
from attractor.supervision.process import ProcessStatus
from tests.growth.deployment.living import Living, make_released
from tests.growth.deployment.test_local import processes_of, supervisor_of
from tests.patience import wait_until
from tests.server.conftest import csrf_in, serving


def kill_all(app: Living) -> None:
    """Kill supervisor and app at once, as the end of a machine does."""
    for one in processes_of(app):
        # A child ends with its parent.
        with suppress(ProcessLookupError):
            os.kill(int(one.split()[0]), signal.SIGKILL)
    wait_until(lambda: app_process(app.releases.folder).status is ProcessStatus.GONE)


def test_app_that_nobody_stopped_is_started_again(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    project = app.plane.project
    state = project.machine.state_dir
    project_id = OpenProject(project).identity.create_id()
    environ = {**os.environ, "ATTRACTOR_STATE_DIR": str(state)}
    try:
        # It was released, but never started.
        assert apps_to_start(state) == []
        url = asyncio.run(start_release(project, app.releases, local.part))
        assert apps_to_start(state) == []
        kill_all(app)
        [down] = apps_to_start(state)
        assert (down.project.project_id, down.status) == (project_id, ProcessStatus.GONE)
        assert start_app(down, environ) == url
        assert app.get("/health")["ok"]
        kill_all(app)
        service = Service.of(project.root, environ)
        with serving(service) as server, closing(server.browser()) as browser:
            page = browser.get("/attention").text
            [row] = {*re.findall('name="row" value="([^"]+)"', page)}
            form = {"csrf": csrf_in(page), "row": row, "choice": "start"}
            browser.post("/attention/settle", data=form)
            assert f"The app answers at {url}." in browser.get("/attention").text
            assert 'value="start"' not in browser.get("/attention").text
        os.kill(supervisor_of(app), signal.SIGKILL)
        wait_until(lambda: app_process(app.releases.folder).status is ProcessStatus.LEFT)
        [left] = apps_to_start(state)
        assert left.status is ProcessStatus.LEFT
        assert start_app(left, environ) == url
        assert stop_app(app.plane) == {"stopped": "v0"}
        assert apps_to_start(state) == []
        assert start_app(left, environ) == ""
        with serving(service) as server, server.client() as client:
            assert client.post("/growth/start").status_code == 409
        assert "running: v0 is stopped" in "\n".join(app_lines(describe_app(app.plane)))
    finally:
        app.stop()


def test_person_starts_opens_and_restarts_the_app_that_was_stopped(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    try:
        with pytest.raises(UsageError, match="v0 does not answer"):
            find_app(app.plane)
        started = start_current(app.plane)
        assert find_app(app.plane) == started == {"running": "v0", "url": app.url}
        first = supervisor_of(app)
        assert start_current(app.plane) == started
        assert supervisor_of(app) == first
        assert start_current(app.plane, is_again=True) == started
        assert supervisor_of(app) != first
        assert app.get("/health")["ok"]
    finally:
        app.stop()
