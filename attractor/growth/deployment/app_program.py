"""Calls the program of an app, `python -m app`, on a state folder."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.processes import run_process
from attractor.environments.environment import inherited
from attractor.growth.migration.state import State, read_state, write_state

_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class AppProgram:
    """The code of an app with a state folder."""

    tree: Path
    state: Path
    environ: Mapping[str, str]

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of the app: no secrets of the operator."""
        # Otherwise `app` would not be searched in the current folder.
        return {**inherited(self.environ), "APP_STATE": str(self.state), "PYTHONSAFEPATH": ""}

    def command(self, *words: str) -> list[str]:
        """Return the command line of the app."""
        return [sys.executable, "-m", "app", *words]

    async def call(self, *words: str) -> str:
        """Run a command of the app to its end; return its output."""
        result = await run_process(
            self.command(*words), cwd=self.tree, env=self.variables, timeout=_PATIENCE
        )
        if result.exit_code != 0:
            said = result.output.strip().splitlines()[-1:] or ["no output"]
            reason = "took too long" if result.timed_out else said[0]
            raise AppFailed(f"python -m app {' '.join(words)} in {self.tree}: {reason}")
        return result.stdout

    async def read_state(self, folder: Path) -> State:
        """Export the state into a new folder, and read it."""
        await self.call("export", str(folder))
        return read_state(folder)

    async def write_state(self, state: State, folder: Path) -> None:
        """Import a state, which is written into a new folder first."""
        write_state(state, folder)
        await self.call("import", str(folder))


class AppFailed(AttractorError):
    """A command of an app that failed."""

    hint = "reproduce it in that folder; the running app was not changed"
