"""The workers of the fleet that a server starts, and that end with it.

A worker survives a server that is killed, and the next server of the project takes it over: each
holds a slot, a locked file with its process id.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, Popen

from attractor.base.files import make_private_folder
from attractor.base.json import content_hash
from attractor.base.locks import FileLock, take_slot
from attractor.config.user_folders import OPERATOR_VARIABLE, without_token

FOLDER = Path("server", "workers")
_POLL_S = 0.1
_KILLED_AT = 3
"""The signal at which a worker is killed: the first one drains it, the second one ends it."""


class OwnWorkers:
    """The workers of a server, at most `number` with those that an earlier server left.

    `program` is the command of a worker.
    """

    def __init__(
        self,
        state: Path,
        project: Path,
        environ: Mapping[str, str],
        *,
        number: int,
        program: Sequence[str],
    ) -> None:
        self._folder = state / FOLDER / content_hash(os.fsencode(project))[:16]
        self._project = project
        self._environ = without_token(environ, OPERATOR_VARIABLE)
        self._number = number
        self._program = program
        left = (self._folder / f"slot-{number}" for number in range(number))
        self._slots = {slot for slot in left if FileLock.is_held(slot)}
        self._children: list[Popen[bytes]] = []
        self._signals = 0

    def start(self) -> None:
        """Start workers until all slots are taken, unless they are to end."""
        if not self._number or self._signals:
            return
        make_private_folder(self._folder)
        while slot := take_slot(self._folder, self._number):
            path = Path(os.fsdecode(slot.name))
            with slot, path.with_suffix(".log").open("ab") as log:
                child = Popen(
                    self._program,
                    cwd=self._project,
                    env=self._environ,
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[slot.fileno()],
                    # Ctrl-C reaches the server only, which tells its workers.
                    start_new_session=True,
                )
                slot.truncate(0)
                slot.write(f"{child.pid}".encode())
            self._slots.add(path)
            self._children.append(child)

    @property
    def living(self) -> Sequence[Path]:
        """The slots of the workers that have not ended."""
        for child in self._children:
            child.poll()
        return [slot for slot in sorted(self._slots) if FileLock.is_held(slot)]

    def interrupt(self) -> None:
        """Let the workers drain; the second time, let them end at once."""
        self._signals += 1
        number = signal.SIGKILL if self._signals >= _KILLED_AT else signal.SIGTERM
        for slot in self.living:
            # It may end in this moment, or a killed server may have written no id.
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(slot.read_text()), number)

    def end(self) -> None:
        """Drain the workers, unless they were told already, and wait; Ctrl-C ends them at once."""
        if not self._signals:
            self.interrupt()
        while self.living:
            try:
                time.sleep(_POLL_S)
            except KeyboardInterrupt:
                self.interrupt()
        for child in self._children:
            # Its lock is free a moment before it has ended.
            child.wait()
