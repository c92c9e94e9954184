"""The machine of a process: state folder, environment variables, clock, random numbers, version."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attractor import __version__
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.ids import new_run_id
from attractor.engine.run_folder.layout import Fences, file_fence
from attractor.engine.storage.secrets import is_secret_name
from attractor.language.declarations.inputs import is_of_input


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine of a process, for all its projects.

    `adopts_orphans` is True in a process that only executes a run: orphans of commands without a
    sandbox become its children, and end with their stage.
    """

    state_dir: Path
    environ: Mapping[str, str]
    clock: Clock = SystemClock()
    randomness: Callable[[int], bytes] = os.urandom
    version: str = __version__
    adopts_orphans: bool = False
    fences: Fences = file_fence
    """How a process reserves the runs that it walks."""

    @property
    def search_path(self) -> str:
        """The folders in which programs are searched."""
        return self.environ.get("PATH", "")

    @property
    def agent_copies(self) -> Path:
        """The folder of the copies of agents that runs began with."""
        return self.state_dir / "agents"

    @property
    def secret_variables(self) -> Sequence[str]:
        """The environment variables with secret values: their names indicate secrets, or they are
        secret inputs.
        """
        return [name for name in self.environ if is_secret_name(name) or is_of_input(name)]

    def with_home(self, text: str) -> str:
        """Return a path that begins with `~` with the home folder of this machine."""
        home = self.environ.get("HOME", "")
        return f"{home}{text[1:]}" if text == "~" or text.startswith("~/") else text

    def new_run_id(self) -> str:
        """Return a new run id."""
        return new_run_id(self.clock.now(), self.randomness)
