"""The real command line, in a home of its own where everything is as it is by default."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipeline.projects import make_project

USER = "somebody-7f3a"


@dataclass(frozen=True)
class Machine:
    """A user with a home, a project in it, and variables."""

    project: Path
    home: Path
    extra: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def state(self) -> Path:
        """The state folder by default."""
        return self.home / ".local" / "state" / "attractor"

    def attractor(self, *words: str, **environ: str) -> str:
        """Run a command that must succeed, and return what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "attractor", *words],
            cwd=self.project,
            env={**self._environ(), **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
            umask=0o022,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def remove_workspaces(self) -> None:
        """Remove what lies outside of the home."""
        shutil.rmtree((self.state / "workspaces").resolve(), ignore_errors=True)

    def _environ(self) -> dict[str, str]:
        ours = {"HOME": str(self.home), "USER": USER, "LOGNAME": USER, "LANG": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], **ours, **self.extra}


def make_machine(folder: Path, pipeline: str, **files: str) -> Machine:
    """Make a home with a project."""
    home = folder / "home" / USER
    return Machine(make_project(home / "project-7f3a", pipeline, **files), home)
