"""Notices about an app that stopped answering, sent by its supervisor.

The supervisor gets the settings of notices on its standard input, because the app sees its
variables and the address of a chat is a secret.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

from attractor.base.clock import SystemClock
from attractor.base.json import JsonObject
from attractor.engine.storage.json_files import Fields
from attractor.pipeline.notifications import NoticeKind, send_notice
from attractor.pipeline.project.project import Notify, Project


def settings_of(project: Project) -> JsonObject:
    """Return the settings of notices as JSON, empty if neither a command nor an address is set."""
    notify = project.notify
    if not notify.messengers:
        return {}
    return {
        "command": notify.command,
        "url": notify.url,
        "seconds": int(notify.time_limit.total_seconds()),
        "folder": str(notify.folder),
        "state_dir": str(project.machine.state_dir),
        "variables": {**notify.variables},
    }


def send(settings: JsonObject, stage: str, words: str, url: str) -> str:
    """Send a notice about an app; return the faults of messengers, without the address."""
    fields = Fields(settings, "settings of notices")
    variables = fields.inner("variables")
    notify = Notify(
        command=fields.text("command"),
        url=fields.text("url"),
        time_limit=timedelta(seconds=fields.number("seconds")),
        folder=Path(fields.text("folder")),
        variables={name: variables.text(name) for name in variables.all()},
    )
    notice: JsonObject = {
        "kind": NoticeKind.APP.value,
        "title": f"{stage}: the app stopped answering",
        "text": words,
        "command": "attractor grow status",
        "address": url,
    }
    state_dir, clock = Path(fields.text("state_dir")), SystemClock()
    faults = asyncio.run(send_notice(notice, notify, state_dir=state_dir, clock=clock))
    return "; ".join(fault for fault in faults.values() if fault)
