"""A project with its state folder beside it, and automations in it."""

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from attractor.automations.automation import Automation, Rights
from attractor.automations.schedule import Schedule
from attractor.factory.open_project import OpenProject, open_project
from tests.pipeline.projects import make_project

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
PIPELINE = f"""digraph note {{ {ENDS}
    graph [goal="Note", inputs="where=here, ticket=none, times:int=1"]
    note [shape=parallelogram, tool_command="echo noted"]
    start -> note -> exit }}
"""
NIGHTLY = Schedule("0 3 * * *")
SETTINGS = '[backends]\ndefault = "simulate"\n'


def variables_of(folder: Path) -> dict[str, str]:
    """Return the variables of a project whose state folder is beside it."""
    state = str(folder.parent / "state")
    return {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "ATTRACTOR_STATE_DIR": state}


def make_opened(folder: Path, pipeline: str = PIPELINE) -> OpenProject:
    """Make a project, and open it."""
    make_project(folder, pipeline, **{"attractor.toml": SETTINGS})
    return open_project(folder, variables_of(folder))


def automation_in(
    opened: OpenProject,
    name: str = "nightly",
    *,
    created: datetime | None = None,
    schedule: Schedule | None = NIGHTLY,
    **fields: Any,
) -> Automation:
    """Return an automation of a project, by default with a schedule."""
    return Automation(
        name=name,
        project=opened.identity.create_id(),
        pipeline="pipeline.dot",
        created=created or opened.now(),
        rights=fields.pop("rights", Rights("ann")),
        schedule=schedule,
        **fields,
    )
