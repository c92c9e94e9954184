"""The people of the running app: invitations by a link, and the end of their access.

Each function returns the record that a command prints with `--json`.
"""

import asyncio
from datetime import datetime
from typing import Any, cast

from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.growth.apps.process import ask_app, sandbox_of
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.deploy import PATIENCE_S
from attractor.growth.deployment.release import Releases
from attractor.growth.deployment.targets.local import find_address
from attractor.growth.errors import AppFailed
from attractor.growth.plain_text import require_plain


def invite(
    control_plane: ControlPlane, name: str, role: str, *, days: int, mail: str = ""
) -> dict[str, Json]:
    """Return a link by which a person signs in once; a former link of the person ends.

    `url` has the first name of growth.hosts, if it is set, and `url_here` the address of the app on
    this machine. A person with a mail address may ask the app for further links.
    """
    require_plain(name, "name", UsageError)
    growth = control_plane.project.growth
    if growth and growth.proxy_user_header:
        fault = "people sign in at the proxy, because growth.proxy_user_header is set"
        raise UsageError(fault, hint="add the user to growth.users in attractor.toml")
    if mail and not (growth and growth.hosts):
        fault = "a link in a letter needs the name of the app, and growth.hosts is not set"
        raise UsageError(
            fault, hint="set it in attractor.toml, and restart: attractor grow restart"
        )
    address = [f"--mail={mail}"] if mail else []
    words = ("invite", "--role", role, "--days", str(days), *address, "--", name)
    record = cast("dict[str, Any]", _change(control_plane, *words))
    here = f"{find_address(Releases(control_plane.releases))}/sign-in/{record['secret']}"
    host = f"https://{growth.hosts[0]}" if growth and growth.hosts else ""
    until = datetime.fromisoformat(record["until"]).isoformat(timespec="seconds")
    url = f"{host}/sign-in/{record['secret']}" if host else here
    person = {"name": record["name"], "role": record["role"], "until": until}
    return {**person, "url": url, "url_here": here}


def list_people(control_plane: ControlPlane) -> dict[str, Json]:
    """Return all people with their roles, the time of an open link, and open sessions."""
    return {"people": _ask(control_plane, "people")}


def remove_person(control_plane: ControlPlane, name: str) -> dict[str, Json]:
    """End the sessions and the link of a person at once."""
    return cast("dict[str, Json]", _change(control_plane, "remove", "--", name))


def _change(control_plane: ControlPlane, *words: str) -> Json:
    """Change the people of the app, but not while a deployment copies them."""
    purpose = f"attractor: change the people of the app ({words[0]})"
    with control_plane.lock().acquire(wait=PATIENCE_S, purpose=purpose):
        return _ask(control_plane, *words)


def _ask(control_plane: ControlPlane, *words: str) -> Json:
    release = Releases(control_plane.releases).current
    if release is None:
        raise UsageError("no app runs", hint="deploy a plan: attractor grow deploy PLAN")

    async def ask() -> Json:
        sandbox = await sandbox_of(control_plane.project)
        return await ask_app(release.tree, release.state, *words, sandbox=sandbox)

    try:
        return asyncio.run(ask())
    except AppFailed as cause:
        fault = f"{release.record.stage}: {cause.message}"
        raise UsageError(fault, hint="list the people: attractor grow people") from cause
