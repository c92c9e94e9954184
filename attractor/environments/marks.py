"""The mark that commands on the operator's own machine carry, and hand on to those they start.

It names the run, the process that runs it, and, at random, the environment: `RUN.PID-START.RANDOM`.
So a stage finds what it began itself, and the next life of a run what an earlier one began. Whoever
forges a mark marks nobody but himself.
"""

import os
import secrets

from attractor.base.dataclasses import dataclass
from attractor.environments.process_table import find_process

# Not with the prefix of our settings: what is unknown among those is refused.
MARK = "STARTED_BY_ATTRACTOR"


@dataclass(frozen=True)
class Mark:
    """Which run a command was begun for, and by which process: its number and its start."""

    run_id: str
    runner: int
    started: str

    @property
    def is_orphaned(self) -> bool:
        """Whether the process that began the command is gone."""
        runner = find_process(self.runner)
        return runner is None or runner.started != self.started


def new_mark(run_id: str = "") -> str:
    """Return a mark for the commands of an environment, of a run if it is one's."""
    runner = os.getpid()
    known = find_process(runner)
    return f"{run_id}.{runner}-{known.started if known else ''}.{secrets.token_hex(16)}"


def read_mark(value: str) -> Mark | None:
    """Read what a mark says, if it is one."""
    run_id, _, rest = value.rpartition(".")[0].rpartition(".")
    runner, _, started = rest.partition("-")
    if not (runner.isascii() and runner.isdigit() and started):
        return None
    return Mark(run_id, int(runner), started)
