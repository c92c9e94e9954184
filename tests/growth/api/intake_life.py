"""Takes in the desires of a folder, until the process kills itself at a given call."""

import os
import sys
from pathlib import Path

from attractor.growth.api import intake
from attractor.growth.control_plane import ControlPlane
from tests.growth.deployment.life import Death
from tests.pipeline.projects import open_project

MODEL = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
MOST = 1_000_000


class Count(Death):
    """Counts the watched calls."""

    @property
    def seen(self) -> int:
        return MOST - self._left


def main(repository: str, folder: str, number: str) -> None:
    """Die at a watched call; with 0, print their number at the end."""
    key, url = (os.environ[name] for name in MODEL)
    project = open_project(Path(repository), OPENAI_API_KEY=key, OPENAI_BASE_URL=url)
    plane = ControlPlane(project)
    intake.PAUSE_S = 0.0
    inbox = intake.DesireFolder(plane, Path(folder), plans=True)
    heard = Count("", int(number) or MOST, "")
    sys.addaudithook(heard.hear)
    events = [event for _ in range(2) for event in inbox.take()]
    assert all(event.plan_id for event in events), events
    sys.stdout.write(str(heard.seen))


if __name__ == "__main__":
    os.umask(0o022)
    main(*sys.argv[1:])
