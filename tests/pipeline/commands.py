"""The real command line, in a home of its own with the default settings."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipeline.projects import make_project
from tests.prepared import run_prepared

# No other text contains this word: it is neither hexadecimal, as addresses are, nor in any
# language.
UNMISTAKABLE = "zyqxwv"
USER = f"somebody-{UNMISTAKABLE}"


@dataclass(frozen=True)
class Machine:
    """A user with a home, a project in it, and variables."""

    project: Path
    home: Path
    extra: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def state(self) -> Path:
        """The default state folder."""
        return self.home / ".local" / "state" / "attractor"

    def attractor(self, *words: str, **environ: str) -> str:
        """Run a command that must succeed, and return its output."""
        variables = {**self._environ(), **environ}
        done = run_prepared(words, folder=self.project, variables=variables, is_merged=True)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def remove_workspaces(self) -> None:
        """Remove the workspaces outside the home, where they are by default."""
        shutil.rmtree((self.state / "workspaces").resolve(), ignore_errors=True)

    def _environ(self) -> dict[str, str]:
        ours = {"HOME": str(self.home), "USER": USER, "LOGNAME": USER, "LANG": "C.UTF-8"}
        return {"PATH": os.environ["PATH"], **ours, **self.extra}


def make_machine(
    folder: Path, pipeline: str, workspaces: Path | None = None, /, **files: str
) -> Machine:
    """Make a home with a project; workspaces are in a given folder, or in the default one."""
    home = folder / "home" / USER
    project = make_project(home / f"project-{UNMISTAKABLE}", pipeline, **files)
    return Machine(
        project, home, {"ATTRACTOR_WORKSPACES_DIR": str(workspaces)} if workspaces else {}
    )
