"""Promotes queued runs while the server runs: one process for each queue that has work.

The process outlives the server, and holds the lock of its queue: another server, or a person who
types `attractor queue run`, is told who holds it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.json import content_hash
from attractor.factory.project import ProjectFolder, list_project_folders
from attractor.factory.promotion_queue import PromotionQueues, QueuedRun
from attractor.server.processes.keyed_work import KeyedWork
from attractor.server.processes.run_processes import RunCommand, RunProcesses

AGAIN_S = 300.0
"""A queue that waits for a person is tried again after this time, if nothing changed before."""


class QueueLoop:
    """Looks at the queues of all projects.

    `processes_of` returns the processes of a project by its id.
    """

    def __init__(self, state: Path, processes_of: Callable[[str], RunProcesses]) -> None:
        self._state = state
        self._processes_of = processes_of
        self._tried: dict[tuple[str, str], str] = {}
        self._work = KeyedWork()

    def look(self) -> None:
        """Begin a process for each queue that has work."""
        for project in list_project_folders(self._state):
            # A damaged queue, and one without a process, is a row of *Attention*.
            with suppress(AttractorError, OSError, RuntimeError):
                self._look(project)
        self._work.look()

    def _look(self, project: ProjectFolder) -> None:
        queues = PromotionQueues.in_state(self._state, project.project_id)
        for queue in queues.all():
            key, first = (project.project_id, queue.branch), queue.first
            if first is None or self._work.knows(str(key)) or queues.holder(queue.branch):
                continue
            now = _signature(queues.file(queue.branch), project, first)
            if self._tried.get(key) != now:
                self._tried[key] = now
                self._work.want(str(key), partial(self._process, *key))

    def _process(self, project_id: str, branch: str) -> None:
        # What stops it is recorded in the queue.
        with suppress(AttractorError, OSError):
            command = RunCommand("queue run", options=[f"--branch={branch}"])
            self._processes_of(project_id).complete(command, by="serve")


def _signature(file: Path, project: ProjectFolder, run: QueuedRun) -> str:
    """Return a text that changes if a queue, or the run that lands next, may have work."""
    journal = project.runs_dir / run.current / "events.jsonl"
    size = journal.stat().st_size if journal.exists() else 0
    return f"{content_hash(file.read_bytes())} {size} {time.monotonic() // AGAIN_S}"
