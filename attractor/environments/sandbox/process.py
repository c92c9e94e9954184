"""One running sandbox: bubblewrap around a supervisor, and the conversation with it.

It must be started in the thread of the event loop: `--die-with-parent` goes by the thread that
started it, and a worker thread ends early.

Tells why a sandbox did not start, and whether none ever will on this machine.
"""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, UsageError
from attractor.base.files import reason_of
from attractor.base.json import JsonObject
from attractor.environments.errors import SandboxImpossible, SandboxLost, SandboxNotStarted
from attractor.environments.sandbox.bubblewrap import ACCOUNTS, BindMount, Walls, options

# What bubblewrap says where the kernel, or who set it up, lets us have no namespaces.
_FORBIDDEN = re.compile(
    r"No permissions to creat"
    r"|Creating new namespace failed(, likely because the kernel does not support"
    r"|: (Operation not permitted|Permission denied|Function not implemented))"
    r"|(setting up [ug]id map|Can't mount proc on \S+|Failed to make / slave|pivot_root"
    r"|loopback: Failed \w+): (Operation not permitted|Permission denied)"
)
# It says that there are too many, also where there may be none at all.
_TOO_MANY = "max_*_namespaces exceeded"
_MOST = Path("/proc/sys/user/max_user_namespaces")


def failed_start(
    words: str, code: int | None, cause: Exception, *, most: Path = _MOST
) -> SandboxNotStarted:
    """Return the error for what bubblewrap said and the code it ended with."""
    if not words:
        late = isinstance(cause, TimeoutError)
        words = "it was not ready in time" if late else f"bubblewrap ended with {code}"
    forbidden = _FORBIDDEN.search(words) or (_TOO_MANY in words and _allows_none(most))
    kind = SandboxImpossible if forbidden else SandboxNotStarted
    return kind(f"no sandbox could be made: {words}")


def _allows_none(most: Path) -> bool:
    with suppress(OSError):
        return most.read_text("ascii").strip() == "0"
    return False


GRACE_S = 2.0

_SUPERVISOR = Path(__file__).parent.parent / "_supervisor.py"
_INSIDE = "/run/supervisor.py"
_START_S = 20.0
# Beyond the grace: a SIGKILL can take long on a dead network file system.
_END_S = 5.0
_LARGEST_MESSAGE = 64 * 1024
_HELLO = 0


@dataclass(frozen=True)
class CommandExit:
    """How a command ended, and whether it was ended before it did so by itself."""

    code: int
    cut: bool


@dataclass(frozen=True)
class _Answer:
    told: Mapping[str, Any]
    handed: int | None


@dataclass(frozen=True)
class Job:
    """A command inside."""

    number: int
    answer: "asyncio.Future[_Answer]"

    async def wait(self) -> CommandExit:
        """Return how it ended, as soon as it and everybody in its group are gone."""
        told = (await asyncio.shield(self.answer)).told
        return CommandExit(told["code"], told["cut"])


@dataclass(frozen=True)
class _Started:
    process: "subprocess.Popen[bytes]"
    monitor: int
    control: socket.socket


class Sandbox:
    """A sandbox that runs, until it is closed or we end."""

    def __init__(self, started: _Started) -> None:
        self._process = started.process
        self._monitor = started.monitor
        self._control = started.control
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, asyncio.Future[_Answer]] = {}
        self._last = _HELLO
        self._first: int | None = None
        self._closing: asyncio.Task[None] | None = None
        self._control.setblocking(False)
        self._loop.add_reader(self._control.fileno(), self._receive)

    @classmethod
    async def start(
        cls, walls: Walls, folder: Path, shown: Collection[BindMount] = ()
    ) -> "Sandbox":
        """Make a sandbox around a workspace and what shows in it; it is ready when this returns."""
        with _file() as said:
            sandbox = cls(_spawn(walls, folder, shown, said))
            try:
                async with asyncio.timeout(_START_S):
                    await sandbox._answer_to(_HELLO)
                sandbox._hold()
            except (OSError, SandboxLost) as cause:  # being late is an OSError too
                await sandbox.close()
                words = _words_in(said)
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
        """Start a command that writes to two descriptors, and reads what it is handed."""
        number, answer = self._ask()
        asked: JsonObject = {"do": "start", "argv": list(argv), "cwd": cwd, "env": dict(env)}
        with ExitStack() as opened:
            # A file and no pipe: a command that never reads keeps nobody waiting.
            given = [opened.enter_context(_file(stdin)).fileno()] if stdin else []
            await self._send({"id": number, **asked}, out, err, *given)
        return Job(number, answer)

    async def end(self, job: Job) -> CommandExit:
        """End a command and who is in its group: asked first, killed after a grace."""
        await self._send({"do": "end", "job": job.number, "grace": GRACE_S})
        try:
            async with asyncio.timeout(GRACE_S + _END_S):
                return await job.wait()
        except TimeoutError as cause:
            raise MachineryError(
                "a command in the sandbox goes on after SIGKILL",
                hint="it may hang in the kernel; look at it with ps",
            ) from cause

    async def make_socket(self, family: socket.AddressFamily) -> socket.socket:
        """Return a new stream socket of the inside: what it binds or reaches is in there."""
        number, answer = self._ask()
        await self._send({"id": number, "do": "socket", "family": int(family)})
        handed = (await answer).handed
        if handed is None:
            raise SandboxLost("the sandbox handed no socket out")
        made = socket.socket(fileno=handed)
        made.setblocking(False)
        return made

    async def close(self) -> None:
        """End everything inside and see it gone; harmless when repeated."""
        if self._closing is None:
            self._hang_up()
            self._closing = asyncio.create_task(self._see_gone())
        await asyncio.shield(self._closing)

    def _hold(self) -> None:
        """Take hold of the first process inside: when it is killed, all others are."""
        with suppress(OSError, IndexError):  # not every kernel lists children
            number = self._process.pid
            children = Path(f"/proc/{number}/task/{number}/children").read_text("ascii")
            self._first = os.pidfd_open(int(children.split()[0]))

    def _ask(self) -> "tuple[int, asyncio.Future[_Answer]]":
        self._last += 1
        return self._last, self._answer_to(self._last)

    def _answer_to(self, number: int) -> "asyncio.Future[_Answer]":
        answer: asyncio.Future[_Answer] = self._loop.create_future()
        # Else asyncio complains when nobody waits any more for what was lost.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._closing is not None or self._control.fileno() < 0:
            answer.set_exception(SandboxLost())
        else:
            self._asked[number] = answer
        return answer

    async def _send(self, message: JsonObject, *hand: int) -> None:
        data = json.dumps(message).encode()
        while self._control.fileno() >= 0:
            try:
                socket.send_fds(self._control, [data], hand)
            except BlockingIOError:  # the supervisor is quick: full for a moment only
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
            data, handed, _, _ = socket.recv_fds(self._control, _LARGEST_MESSAGE, 1)
        except BlockingIOError:
            return
        except OSError:
            data, handed = b"", []
        if not data:
            self._hang_up()
            return
        told = json.loads(data)
        answer = self._asked.pop(told["id"], None)
        if answer is not None and not answer.done():
            answer.set_result(_Answer(told, handed[0] if handed else None))
        else:
            for file in handed:
                os.close(file)

    def _hang_up(self) -> None:
        """Close the socket, which ends the supervisor, and tell all who wait for an answer."""
        if self._control.fileno() >= 0:
            self._loop.remove_reader(self._control.fileno())
            self._control.close()
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            if not answer.done():
                answer.set_exception(SandboxLost())

    async def _see_gone(self) -> None:
        """Kill the first process and wait for its parent, which ends when nobody is left inside.

        While it starts, bubblewrap is left alone: killed then, it would leave a child behind that
        waits for it for ever. The supervisor ends by itself when it finds the socket closed.
        """
        if self._first is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
            os.close(self._first)
        try:
            await _gone(self._monitor, within=_START_S)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._monitor)


async def _gone(pidfd: int, *, within: float) -> None:
    """Wait for the end of a process."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        async with asyncio.timeout(within):
            await ended.wait()
    except TimeoutError as cause:
        raise MachineryError("a sandbox does not end", hint="look at it with ps") from cause
    finally:
        loop.remove_reader(pidfd)


def _spawn(walls: Walls, folder: Path, shown: Collection[BindMount], said: IO[bytes]) -> _Started:
    """Start bubblewrap with a supervisor; what it says about failure goes into a file."""
    with ExitStack() as opened, ExitStack() as failing:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            failing.enter_context(ours)
            opened.enter_context(theirs)
            data = {
                place: opened.enter_context(_file(text.encode())).fileno()
                for place, text in {**ACCOUNTS, _INSIDE: _SUPERVISOR.read_text("utf-8")}.items()
            }
            words = options(walls, folder, data, shown)
            # Options on the command line could be read inside: the first process keeps it.
            given = opened.enter_context(_file(b"".join(os.fsencode(w) + b"\0" for w in words)))
            control = str(theirs.fileno())
            process = subprocess.Popen(
                [walls.bubblewrap, "--args", str(given.fileno()), "--"]
                + [walls.python.program, "-I", "-S", _INSIDE, control],
                cwd="/",
                env={},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                # Else Ctrl-C at a terminal would end it before we have cleaned up.
                start_new_session=True,
                pass_fds=[theirs.fileno(), given.fileno(), *data.values()],
            )
            monitor = os.pidfd_open(process.pid)
        except OSError as cause:
            raise SandboxNotStarted(f"{walls.bubblewrap} was not started: {cause}") from cause
        failing.pop_all()
    return _Started(process, monitor, ours)


def _words_in(said: IO[bytes]) -> str:
    said.seek(0)
    return " ".join(said.read().decode("utf-8", "replace").split())


def _file(content: bytes = b"") -> IO[bytes]:
    """Return an open file without a name, in memory, to be read from its beginning."""
    with ExitStack() as failing:
        try:
            file = failing.enter_context(os.fdopen(os.memfd_create("attractor"), "w+b", 0))
            left = memoryview(content)
            while left:  # a limit on the size of files cuts without a word, the first time
                left = left[file.write(left) :]
            file.seek(0)
        except OSError as cause:
            raise SandboxNotStarted(f"no sandbox could be made: {reason_of(cause)}") from cause
        failing.pop_all()
    return file
