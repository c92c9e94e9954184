"""Starts the process of an actor, also for the process of another one, which executes stages.

While a stage executes without a sandbox, each descendant of its process is taken for a command of
the stage: it is refused, and ends with the stage. So the process of an actor starts no other one
itself. Before its first stage it forks its waker, which is no descendant of it, and tells the waker
the names of actors. A command cannot do that: it inherits no socket, and `/proc` opens none.
"""

import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, NoReturn

from attractor.base.errors import AttractorError, ProcessNotStarted
from attractor.base.locks import FileLock, holder_of
from attractor.config.user_folders import without_token
from attractor.environments.orphan_processes import can_find_orphans
from attractor.factory.open_project import OpenProject
from attractor.supervision.process import begin_process
from attractor.worlds.actors import ActorFolder, list_actors

MODULE = "attractor.worlds.process"
"""The module that is the process of an actor, where its name is `__main__`."""

_POLL_S = 0.05
_START_PATIENCE_S = 30.0
_END_PATIENCE_S = 5.0
_DYING_S = 2.0


def find_by_words(state: Path, project_id: str, name: str) -> ActorFolder:
    """Return the actor with these words on the command line of its process."""
    for folder in list_actors(state):
        if (folder.project.project_id, folder.name) == (project_id, name):
            return folder
    raise ProcessNotStarted(
        f"no actor {name!r} in the project {project_id!r}", hint="see: attractor actor list"
    )


def require_project(folder: ActorFolder) -> None:
    """Refuse to start the process of an actor whose project was moved.

    Ask before something is stored for the actor: otherwise it would look like a success.
    """
    project = folder.project
    if not (folder.read().actor.pool or project.root.is_dir()):
        raise ProcessNotStarted(
            f"the folder of the project of the actor {folder.name} is gone: {project.root}",
            hint="move it back; or in its new place: attractor doctor --project "
            f"{project.project_id}",
        )


def wake(folder: ActorFolder, opened: OpenProject, *, waits: bool = False) -> None:
    """Start the process of an actor unless it has one, or its runs are executed in a pool.

    With `waits`, it holds its lock when this returns.
    """
    if folder.read().actor.pool or _has_process(folder):
        return
    machine, project = opened.project.machine, folder.project
    require_project(folder)
    if Waker.own and Waker.own.tell(folder):
        return
    words = [str(machine.state_dir), folder.project.project_id, folder.name]
    # Whoever sends a message proves it once; a process that stays keeps no proof.
    process = begin_process(
        [sys.executable, "-P", "-m", MODULE, *words],
        cwd=project.root,
        environ={**without_token(machine.environ), "ATTRACTOR_STATE_DIR": str(machine.state_dir)},
        log=folder.log,
    )
    if waits:
        until = time.monotonic() + _START_PATIENCE_S
        while process.poll() is None and not FileLock.is_held(folder.lock):
            if time.monotonic() > until:
                raise ProcessNotStarted(
                    f"the process of the actor {folder.name} has not begun in time",
                    hint=f"look at its log: {folder.log}",
                )
            time.sleep(_POLL_S)


def _has_process(folder: ActorFolder) -> bool:
    """Return whether a living process holds the lock of an actor.

    A killed process holds it until its last thread has ended.
    """
    until = time.monotonic() + _DYING_S
    while is_held := FileLock.is_held(folder.lock):
        if holder_of(folder.lock) or time.monotonic() > until:
            break
        time.sleep(_POLL_S)
    return is_held


class Waker:
    """The process that wakes actors for the process of an actor, and ends with it."""

    own: ClassVar["Waker | None"] = None
    """The waker of this process; None in a process that executes no stages."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told

    @classmethod
    @contextmanager
    def started(cls, opened: OpenProject) -> Generator[None]:
        """Start the waker of this process, which has executed no stage yet, for a block."""
        if not can_find_orphans():
            # Without a process table, no descendant is refused.
            yield
            return
        told, names = socket.socketpair()
        if (child := os.fork()) == 0:
            told.close()
            _become_waker(names, opened)
        names.close()
        os.waitpid(child, 0)
        cls.own = cls(told)
        try:
            yield
        finally:
            cls.own = None
            cls._end(told)

    def tell(self, folder: ActorFolder) -> bool:
        """Tell the waker to wake an actor; return False if the waker was killed."""
        try:
            self._told.sendall(f"{folder.project.project_id} {folder.name}\n".encode())
        except OSError:
            return False
        return True

    @staticmethod
    def _end(told: socket.socket) -> None:
        """Wait until the waker has ended: no process is left after a stop."""
        told.settimeout(_END_PATIENCE_S)
        with told, suppress(OSError):
            told.shutdown(socket.SHUT_WR)
            told.recv(1)


def _become_waker(names: socket.socket, opened: OpenProject) -> NoReturn:
    """Wake the named actors, in a process that forks twice, until no process can name one."""
    try:
        if os.fork() == 0:
            with names.makefile() as lines:
                for line in lines:
                    try:
                        state = opened.project.machine.state_dir
                        wake(find_by_words(state, *line.split()), opened)
                    except (AttractorError, OSError) as fault:
                        sys.stderr.write(f"{fault}\n")
                        sys.stderr.flush()
    finally:
        os._exit(0)
