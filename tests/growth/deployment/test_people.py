"""Invite people to a released app with roles, through restarts, cadence and deployments."""

import asyncio
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from attractor.base.errors import Refused, UsageError
from attractor.environments.selection import choose_environment
from attractor.factory.open_project import open_project
from attractor.growth.api import people
from attractor.growth.apps.access import access_of
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.app_supervisor import AppSupervisor, settings_hash
from attractor.growth.deployment.release import (
    BUBBLEWRAP,
    NONE,
    ExpectedRelease,
    Release,
    ReleaseRecord,
    tree_hash,
)
from attractor.growth.deployment.rollback import roll_back
from attractor.growth.deployment.targets import local
from attractor.growth.deployment.transfer import Moved, transfer
from attractor.growth.migration import State
from attractor.growth.morph import read_morph
from attractor.growth.specification.files import write_spec
from tests.cli.running import attractor
from tests.growth.apps.lending import BODIES
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_access import with_roles
from tests.growth.deployment.living import Living, make_living, make_released
from tests.needs import needs_bubblewrap

HOURLY = {"type": "set_cadence", "section": "deployment", "cadence": "hourly"}


def release(app: Living, stage: str, sandbox: str = NONE, follows: str = "") -> Release:
    record = ReleaseRecord(stage, run_id="", sandbox=sandbox, follows=follows)
    new = app.releases.begin(record)
    graph = read_morph(HOURLY).apply(with_roles())
    write_spec(graph, new.tree)
    write_with_bodies(graph, new.tree, BODIES)
    return new


def switch(app: Living, new: Release) -> Release:
    app.releases.complete(new, None)
    app.releases.switch(new.record.stage)
    return app.releases.open(new.record.stage)


@contextmanager
def supervised(app: Living, current: Release) -> Generator[AppSupervisor]:
    expected = ExpectedRelease(current.record.sandbox, tree_hash(current.files()))
    supervisor = AppSupervisor(app.releases.folder, current, expected)
    try:
        supervisor.ensure()
        yield supervisor
    finally:
        supervisor.stop()


@pytest.mark.parametrize("sandbox", [pytest.param(BUBBLEWRAP, marks=needs_bubblewrap), NONE])
def test_people_sign_in_stay_and_are_removed_at_once(tmp_path: Path, sandbox: str) -> None:
    app = make_living(tmp_path / "app", is_generated=True)
    current = switch(app, release(app, "v0", sandbox))
    made = people.invite(app.plane, "Ann", "Neighbour", days=2)
    assert (made["name"], made["role"]) == ("Ann", "Neighbour")
    (app.releases.folder / "cadence.json").write_text(json.dumps({"lending": 0}))
    with httpx.Client(follow_redirects=True) as ann:
        with supervised(app, current) as supervisor:
            assert ann.post(f"{supervisor.url}{made['url']}").status_code == 200
            assert ann.get(f"{supervisor.url}/data/loan").status_code == 403
            # The cadence runs pipelines that Ann may not run.
            supervisor.run_due()
            assert json.loads((current.state / "telemetry.json").read_text())["lend"]["runs"] == 1
        with supervised(app, current) as supervisor:
            assert ann.get(f"{supervisor.url}/data/tool").status_code == 200
            (listed,) = people.list_people(app.plane)["people"]  # type: ignore[misc]
            assert (listed["name"], listed["sessions"]) == ("Ann", 1)  # type: ignore[index]
            people.remove_person(app.plane, "Ann")
            assert ann.get(f"{supervisor.url}/data/tool").status_code == 403
    with pytest.raises(UsageError, match="unknown person 'Ann'"):
        people.remove_person(app.plane, "Ann")


def test_roll_back_to_a_stage_without_roles_opens_no_published_app(tmp_path: Path) -> None:
    app = make_released(tmp_path / "app")
    switch(app, release(app, "v1", follows="v0"))
    settings = app.folder / "attractor.toml"
    plain = settings.read_text()

    def go_back() -> None:
        environ = {"PATH": os.environ["PATH"]}
        plane = ControlPlane(open_project(app.folder, environ).project)
        asyncio.run(roll_back(plane, "", branch="main", target=local.part, by="ann"))

    for line in ('hosts = ["tools.example"]', 'proxy_user_header = "X-User"'):
        settings.write_text(f"{plain}\n[growth]\n{line}\n")
        with pytest.raises(Refused, match="v0 has no roles") as refused:
            go_back()
        assert "remove growth.hosts and growth.proxy_user_header" in refused.value.hint
    settings.write_text(plain)
    # The stage v1 of this test is not in the lineage.
    with pytest.raises(UsageError, match="v0 is the newest stage"):
        go_back()


@pytest.mark.anyio
async def test_deployment_carries_people_over(tmp_path: Path) -> None:
    app = make_living(tmp_path / "app", is_generated=True)
    old, new = switch(app, release(app, "v0")), release(app, "v1")
    (old.state / "people.json").write_text("[]\n")
    (old.state / "sign_in.json").write_text("{}\n")

    async def move(state: State) -> Moved:
        return Moved(state)

    sandbox = await choose_environment("none", environ=os.environ, hide=[])
    await transfer(old, new, move, sandbox, {})
    copied = new.state / "people.json"
    assert copied.read_text() == "[]\n"
    assert (new.state / "sign_in.json").read_text() == "{}\n"
    assert copied.stat().st_mode & 0o077 == 0
    copied.unlink()
    (old.state / "people.json").unlink()
    (old.state / "people.json").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="is a symbolic link"):
        await transfer(old, new, move, sandbox, {})


def test_commands_invite_list_and_remove(tmp_path: Path) -> None:
    app = make_living(tmp_path / "app", is_generated=True)
    switch(app, release(app, "v0"))

    def grow(*words: str, code: int = 0) -> str:
        done = attractor("grow", *words, folder=app.folder)
        assert done.returncode == code, done.stderr
        return done.stdout or done.stderr

    assert "no people; invite one" in grow("people")
    made = grow("invite", "Ann", "--role", "Neighbour")
    assert "Ann signs in once as Neighbour, until " in made
    assert "\n/sign-in/" in made
    assert "Neighbour" in grow("people")
    assert "removed Ann" in grow("people", "--remove", "Ann")
    assert "unknown role 'King'; roles: Guest" in grow("invite", "Bob", "--role", "King", code=2)
    mailed = ("invite", "Bob", "--role", "Guest", "--mail", "bob@street.example")
    assert "growth.hosts is not set" in grow(*mailed, code=2)
    settings = app.folder / "attractor.toml"
    settings.write_text(f'{settings.read_text()}[growth]\nhosts = ["tools.example"]\n')
    assert "the app sends no letters" in grow(*mailed, code=2)
    assert "invisible character" in grow("invite", "B\u200bob", "--role", "Guest", code=2)


def test_settings_become_variables_and_start_the_app_again(tmp_path: Path) -> None:
    app = make_living(tmp_path / "app", is_generated=True)
    current = switch(app, release(app, "v0"))
    assert access_of(app.plane.project) == {}
    settings = app.folder / "attractor.toml"
    table = '[growth]\nhosts = ["tools.example"]\nproxy_user_header = "X-User"\n'
    settings.write_text(f'{settings.read_text()}{table}users = {{ann = "Keeper"}}\n')
    project = open_project(app.folder, {}).project
    given = access_of(project)
    assert given == {
        "APP_HOSTS": "tools.example",
        "APP_USER_HEADER": "X-User",
        "APP_USERS": '{"ann":"Keeper"}',
    }
    assert settings_hash(given, current) != settings_hash({}, current)
    with pytest.raises(UsageError, match="people sign in at the proxy"):
        people.invite(ControlPlane(project), "Ann", "Keeper", days=1)
    settings.write_text(settings.read_text().replace("proxy_user_header", "# proxy_user_header"))
    plane = ControlPlane(open_project(app.folder, {}).project)
    try:
        app.start(os.environ)
        made = people.invite(plane, "Ann", "Keeper", days=1)
        assert str(made["url"]).startswith("https://tools.example/sign-in/")
        assert made["url_here"] == f"{app.url}/sign-in/{str(made['url'])[-43:]}"
    finally:
        app.stop()
