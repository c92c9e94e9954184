"""One running sandbox: its supervisor, and the messages to the supervisor.

With bubblewrap, the supervisor is the first process inside. With Landlock, it stays outside, and
its commands are inside.

The sandbox must be started in the thread of the event loop, because `--die-with-parent` applies to
the starting thread, and a worker thread ends early.
"""

import asyncio
import json
import marshal
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, field
from pathlib import Path
from typing import IO, Any

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, UsageError
from attractor.base.files import reason_of
from attractor.base.json import JsonObject
from attractor.base.patterns import late_pattern
from attractor.base.processes import STARTED
from attractor.environments.errors import SandboxLost, SandboxNotStarted, SandboxUnavailable
from attractor.environments.orphan_processes import MARK, kill_marked, new_mark
from attractor.environments.sandbox.bubblewrap import ACCOUNTS, BindMount, SandboxSettings, options
from attractor.environments.sandbox.landlock import (
    confinement,
    make_private_folder,
    private_variables,
    repository_variables,
)
from attractor.environments.sandbox.seccomp import seccomp_filter

# Messages of bubblewrap where the kernel or its configuration forbids namespaces.
_FORBIDDEN = late_pattern(
    r"No permissions to creat"
    r"|Creating new namespace failed(, likely because the kernel does not support"
    r"|: (Operation not permitted|Permission denied|Function not implemented))"
    r"|(setting up [ug]id map|Can't mount proc on \S+|Failed to make / slave|pivot_root"
    r"|loopback: Failed \w+): (Operation not permitted|Permission denied)"
)
# Printed when there are too many, and also when none is allowed.
_TOO_MANY = "max_*_namespaces exceeded"
_MOST = Path("/proc/sys/user/max_user_namespaces")


def failed_start(
    words: str, code: int | None, cause: Exception, *, most: Path = _MOST
) -> SandboxNotStarted:
    """Return the error for the messages and the exit status of bubblewrap or the supervisor."""
    if not words:
        late = isinstance(cause, TimeoutError)
        words = "start timed out" if late else f"it exited with status {code}"
    forbidden = _FORBIDDEN.search(words) or (_TOO_MANY in words and _allows_none(most))
    kind = SandboxUnavailable if forbidden else SandboxNotStarted
    return kind(f"cannot start a sandbox: {words}")


def _allows_none(most: Path) -> bool:
    with suppress(OSError):
        return most.read_text("ascii").strip() == "0"
    return False


GRACE_S = 2.0

_SUPERVISOR = Path(__file__).parent.parent / "_supervisor.py"
_INSIDE = "/run/supervisor.py"
_START_S = 20.0
# After the grace period: a SIGKILL can be slow on a dead network file system.
_END_S = 5.0
_LARGEST_MESSAGE = 64 * 1024
_HELLO = 0


@dataclass(frozen=True)
class CommandExit:
    """The exit status of a command, and whether it was stopped early."""

    code: int
    cut: bool


@dataclass(frozen=True)
class _Answer:
    message: Mapping[str, Any]
    descriptor: int | None


@dataclass(frozen=True)
class Job:
    """A command that runs inside the sandbox."""

    number: int
    answer: "asyncio.Future[_Answer]"

    async def wait(self) -> CommandExit:
        """Return the exit of the command when all processes of the command's group are gone."""
        message = (await asyncio.shield(self.answer)).message
        return CommandExit(message["code"], bool(message["cut"]))


@dataclass(frozen=True)
class _Started:
    """The started process with its end of the socket.

    `private` and `variables` are the folder and the variables of a Landlock sandbox.
    """

    process: "subprocess.Popen[bytes]"
    monitor: int
    control: socket.socket
    private: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


class Sandbox:
    """A running sandbox, until it is closed or this process ends.

    `variables` are those of all its commands, besides those of the settings; `has_network` is
    whether it has a network namespace of its own.
    """

    def __init__(self, started: _Started) -> None:
        self._process = started.process
        self._monitor = started.monitor
        self._control = started.control
        self._private = started.private
        self.has_network = False
        self.variables = started.variables
        self._loop = asyncio.get_running_loop()
        self._pending: dict[int, asyncio.Future[_Answer]] = {}
        self._last = _HELLO
        self._first: int | None = None
        self._closing: asyncio.Task[None] | None = None
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._receive)

    @classmethod
    async def start(
        cls, settings: SandboxSettings, folder: Path, mounts: Collection[BindMount] = ()
    ) -> "Sandbox":
        """Start a sandbox with a workspace and visible paths; wait until the sandbox is ready."""
        with _file() as log:
            sandbox = cls(_spawn(settings, folder, mounts, log))
            try:
                async with asyncio.timeout(_START_S):
                    hello = await sandbox._answer_to(_HELLO)
                sandbox.has_network = bool(hello.message["network"])
                if settings.bubblewrap:
                    sandbox._hold()
            except (OSError, SandboxLost) as cause:  # a timeout is an OSError too
                await sandbox.close()
                log.seek(0)
                words = " ".join(log.read().decode("utf-8", "replace").split())
                raise failed_start(words, sandbox._process.returncode, cause) from cause
            except BaseException:
                await sandbox.close()
                raise
        return sandbox

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: str,
        env: Mapping[str, str],
        out: int,
        err: int,
        stdin: bytes = b"",
    ) -> Job:
        """Start a command with two output descriptors and input."""
        number, answer = self._ask()
        request: JsonObject = {"do": "start", "argv": list(argv), "cwd": cwd, "env": dict(env)}
        with ExitStack() as opened:
            # A file, not a pipe: a command that never reads must not block.
            input_file = [opened.enter_context(_file(stdin)).fileno()] if stdin else []
            await self._send({"id": number, **request}, out, err, *input_file)
        return Job(number, answer)

    async def end(self, job: Job, grace: float = GRACE_S) -> CommandExit:
        """Stop a command and its group: SIGTERM if there is a grace period, then SIGKILL."""
        await self._send({"do": "end", "job": job.number, "grace": grace})
        try:
            async with asyncio.timeout(grace + _END_S):
                return await job.wait()
        except TimeoutError as cause:
            raise MachineryError(
                "a command in the sandbox is alive after SIGKILL",
                hint="it may hang in the kernel; inspect it with ps",
            ) from cause

    async def make_socket(self, family: socket.AddressFamily) -> socket.socket:
        """Return a new stream socket of the sandbox, which binds and connects inside."""
        number, answer = self._ask()
        await self._send({"id": number, "do": "socket", "family": int(family)})
        descriptor = (await answer).descriptor
        if descriptor is None:
            raise SandboxLost("the sandbox sent no socket")
        made = socket.socket(fileno=descriptor)
        made.setblocking(False)
        return made

    async def close(self) -> None:
        """Kill all processes inside and wait until they are gone; harmless when repeated."""
        if self._closing is None:
            self._hang_up()
            self._closing = asyncio.create_task(self._wait_until_gone())
        await asyncio.shield(self._closing)

    def _hold(self) -> None:
        """Open the first process inside; when this process ends, all others inside are killed."""
        with suppress(OSError, IndexError):  # not every kernel lists children
            number = self._process.pid
            children = Path(f"/proc/{number}/task/{number}/children").read_text("ascii")
            first = int(children.split()[0])
            self._first = os.pidfd_open(first)
            # Before all commands: a fork bomb must not stop the supervisor. Only root may.
            policy = os.SCHED_RR | os.SCHED_RESET_ON_FORK
            os.sched_setscheduler(first, policy, os.sched_param(1))

    def _ask(self) -> "tuple[int, asyncio.Future[_Answer]]":
        self._last += 1
        return self._last, self._answer_to(self._last)

    def _answer_to(self, number: int) -> "asyncio.Future[_Answer]":
        answer: asyncio.Future[_Answer] = self._loop.create_future()
        # Else asyncio warns about an exception that was never retrieved.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._closing is not None or self._control.fileno() < 0:
            answer.set_exception(SandboxLost())
        else:
            self._pending[number] = answer
        return answer

    async def _send(self, message: JsonObject, *hand: int) -> None:
        data = _written(message)
        while self._control.fileno() >= 0:
            try:
                socket.send_fds(self._control, [data], hand)
            except BlockingIOError:  # full only for a moment: the supervisor is quick
                await asyncio.sleep(0.001)
            except (BrokenPipeError, ConnectionResetError):
                self._hang_up()
            except OSError as cause:
                raise UsageError(
                    f"the command with its variables is too long: {len(data)} bytes",
                    hint="write long input to a file first",
                ) from cause
            else:
                return

    def _receive(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, _LARGEST_MESSAGE, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            self._hang_up()
            return
        message = json.loads(data)
        answer = self._pending.pop(message["id"], None)
        if answer is not None and not answer.done():
            answer.set_result(_Answer(message, descriptors[0] if descriptors else None))
        else:
            for file in descriptors:
                os.close(file)

    def _hang_up(self) -> None:
        """Close the socket, which ends the supervisor, and fail all pending answers."""
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
        pending, self._pending = self._pending, {}
        for answer in pending.values():
            if not answer.done():
                answer.set_exception(SandboxLost())

    async def _wait_until_gone(self) -> None:
        """Wait for the started process, which ends when all processes inside are gone.

        The supervisor ends by itself when the socket is closed. In bubblewrap it is killed, because
        a command could have stopped it. While bubblewrap starts, bubblewrap is not killed, because
        it would leave a child process that waits forever.
        """
        if self._first is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
            os.close(self._first)
        try:
            await _wait_for_exit(self._monitor, within=_START_S)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._monitor)
        if self._private is not None and self._process.returncode != 0:
            # Somebody killed the supervisor.
            await kill_marked(self.variables[MARK])
            shutil.rmtree(self._private, ignore_errors=True)


async def _wait_for_exit(pidfd: int, *, within: float) -> None:
    """Wait until a process has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(within):
            await ended.wait()
    except TimeoutError as cause:
        raise MachineryError("a sandbox does not end", hint="inspect it with ps") from cause
    finally:
        loop.remove_reader(pidfd)


def _spawn(
    settings: SandboxSettings, folder: Path, mounts: Collection[BindMount], log: IO[bytes]
) -> _Started:
    """Start bubblewrap with a supervisor, or a supervisor; its error messages go to a file."""
    with ExitStack() as opened, ExitStack() as failing:
        private, variables = None, dict[str, str]()
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            failing.enter_context(ours)
            opened.enter_context(theirs)
            python = [settings.python.program, "-I", "-S"]
            inside = [str(theirs.fileno()), _written(asdict(settings.bounds)).hex()]
            if settings.bubblewrap:
                descriptors = _bubblewrap(settings, folder, mounts, opened)
                argv = [settings.bubblewrap, "--args", str(descriptors[0]), "--", *python, _INSIDE]
            else:
                descriptors = list[int]()
                private = make_private_folder()
                failing.callback(shutil.rmtree, private, ignore_errors=True)
                own = {**private_variables(private), **repository_variables(settings, folder)}
                variables = {**own, MARK: new_mark(settings.run_id)}
                argv = [*python, str(_SUPERVISOR)]
                inside.append(_written(confinement(settings, folder, private)).hex())
            process = subprocess.Popen(
                [*argv, *inside],
                cwd="/",
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                # Else Ctrl-C at a terminal would end it before the cleanup.
                start_new_session=True,
                pass_fds=[theirs.fileno(), *descriptors],
            )
            STARTED.add(process.pid)
            monitor = os.pidfd_open(process.pid)
        except OSError as cause:
            program = settings.bubblewrap or settings.python.program
            raise SandboxNotStarted(f"{program} did not start: {cause}") from cause
        failing.pop_all()
    return _Started(process, monitor, ours, private, variables)


def _bubblewrap(
    settings: SandboxSettings, folder: Path, mounts: Collection[BindMount], opened: ExitStack
) -> Sequence[int]:
    """Return the descriptors for bubblewrap; the first one is that of its options."""
    data = {
        place: opened.enter_context(_file(text.encode())).fileno()
        for place, text in {**ACCOUNTS, _INSIDE: _SUPERVISOR.read_text("utf-8")}.items()
    }
    program = seccomp_filter()
    seccomp = [] if program is None else [opened.enter_context(_file(program)).fileno()]
    words = options(settings, folder, data, mounts, seccomp=next(iter(seccomp), None))
    # Options on the command line would be visible inside.
    options_file = opened.enter_context(_file(b"".join(os.fsencode(w) + b"\0" for w in words)))
    return [options_file.fileno(), *data.values(), *seccomp]


def _written(value: Any) -> bytes:
    """Return a message in a version of `marshal` that any Python of a sandbox reads."""
    return marshal.dumps(value, 2)


def _file(content: bytes = b"") -> IO[bytes]:
    """Return an anonymous file in memory with a content, positioned at the start of the file."""
    with ExitStack() as failing:
        try:
            file = failing.enter_context(os.fdopen(os.memfd_create("attractor"), "w+b", 0))
            left = memoryview(content)
            while left:  # a limit on file size truncates the first write silently
                left = left[file.write(left) :]
            file.seek(0)
        except OSError as cause:
            raise SandboxNotStarted(f"cannot start a sandbox: {reason_of(cause)}") from cause
        failing.pop_all()
    return file
