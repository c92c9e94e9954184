"""The first process of a sandbox: starts and stops commands, and sends sockets to the outside.

A separate program for any Python from 3.9. It receives JSON messages over one inherited socket,
with the pipes for the output of a command, and answers each once, with its `id`:

- `start` (`argv`, `cwd`, `env`; two descriptors, and optionally a third for stdin): `code` and
  `cut` when all processes in the command's group are gone; `cut` means stopped early.
- `end` (`job`, `grace` in seconds): SIGTERM for the command's group, SIGKILL after the grace.
- `socket` (`family`): a new socket of the sandbox, which the outside binds or connects.

As process 1 it cannot be killed from inside, adopts all orphans, and its end kills all others. It
ends when the socket closes, so nothing outlives the process that started the sandbox.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

_PR_SET_DUMPABLE = 4
_LARGEST_MESSAGE = 1024 * 1024
_POLL_S = 0.01
# Time for background processes of a command: `program > >(tee log)` still prints.
_SETTLE_S = 0.2
_GRACE_S = 2.0
_NOT_STARTED = 127
# Time for the kernel to execute a SIGKILL.
_KILL_S = 1.0


class Job:
    """A command in its own process group, and its pending signals."""

    def __init__(self, number: int, process: subprocess.Popen[bytes]) -> None:
        self.number = number
        self.group = process.pid
        self.code: int | None = None
        self.cut = False
        self._process = process
        self._signals: list[tuple[float, int]] = []
        self._give_up = 0.0

    def has_ended(self, status: int) -> None:
        """Store the exit status of the command, and stop the remaining processes of its group."""
        self.code = self._process.returncode = os.waitstatus_to_exitcode(status)
        if not self.cut:
            self._plan(time.monotonic() + _SETTLE_S, _GRACE_S)

    def end(self, grace: float) -> None:
        """Stop the command early."""
        if self.code is None and not self.cut:
            self.cut = True
            self._plan(time.monotonic(), grace)

    def is_ending(self) -> bool:
        """Return whether the command is ending."""
        return self.cut or self.code is not None

    def is_gone(self) -> bool:
        """Send due signals, and return whether all processes of the group are gone."""
        now = time.monotonic()
        while self._signals and self._signals[0][0] <= now:
            self._signal(self._signals.pop(0)[1])
        if self.code is None:
            return False
        return not self._signal(0) or (not self._signals and now > self._give_up)

    def _plan(self, start: float, grace: float) -> None:
        self._signals = [(start, signal.SIGTERM), (start + grace, signal.SIGKILL)]
        self._give_up = start + grace + _KILL_S

    def _signal(self, number: int) -> bool:
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            return False
        return True


class Supervisor:
    """Executes the requests of the outside."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._jobs: list[Job] = []
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        # An empty handler: its presence makes the signal write to the wakeup pipe.
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until the socket closes."""
        self._answer(0)
        while self._handle_next():
            self._reap()
            self._report()

    def _handle_next(self) -> bool:
        """Wait for a request and execute it; return whether the socket is still open."""
        soon = _POLL_S if any(job.is_ending() for job in self._jobs) else None
        ready, _, _ = select.select([self._control, self._woken], [], [], soon)
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._control not in ready:
            return True
        data, received, _, _ = socket.recv_fds(self._control, _LARGEST_MESSAGE, 3)
        if data:
            self._do(json.loads(data), received)
        return bool(data)

    def _do(self, request: dict[str, Any], received: Sequence[int]) -> None:
        if request["do"] == "start":
            self._start(request, received)
        elif request["do"] == "socket":
            with socket.socket(request["family"], socket.SOCK_STREAM) as made:
                self._answer(request["id"], made.fileno())
        for job in self._jobs:
            if request["do"] == "end" and job.number == request["job"]:
                job.end(request["grace"])

    def _start(self, request: dict[str, Any], received: Sequence[int]) -> None:
        out, err, *stdin = received
        try:
            process = subprocess.Popen(
                request["argv"],
                cwd=request["cwd"],
                env=request["env"],
                stdin=stdin[0] if stdin else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            os.write(err, f"not started: {error}\n".encode("utf-8", "replace"))
            self._answer(request["id"], code=_NOT_STARTED, cut=False)
        else:
            self._jobs.append(Job(request["id"], process))
        finally:
            for one in received:
                os.close(one)

    def _reap(self) -> None:
        """Collect the exit status of all ended processes, including orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for job in self._jobs:
                if job.group == pid:
                    job.has_ended(status)

    def _report(self) -> None:
        for job in [one for one in self._jobs if one.is_ending() and one.is_gone()]:
            self._jobs.remove(job)
            self._answer(job.number, code=job.code, cut=job.cut)

    def _answer(self, number: int, *hand: int, **fields: Any) -> None:
        socket.send_fds(self._control, [json.dumps({"id": number, **fields}).encode()], hand)


def main() -> None:
    """Protect this process from all processes inside, then serve."""
    # Else a process inside could take the socket (pidfd_getfd) and talk to the outside.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        sys.exit(f"cannot be made undumpable: {os.strerror(ctypes.get_errno())}")
    # With Python's own handler a process inside could end this one.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        control.set_inheritable(False)
        try:
            Supervisor(control).serve()
        except (BrokenPipeError, ConnectionResetError):  # the outside is gone
            return


if __name__ == "__main__":
    main()
