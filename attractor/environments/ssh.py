"""Runs tools on another machine, through the program `ssh`.

One connection carries all commands and files. If the server allows no more sessions in it, ssh
makes another connection for the command.
"""

import asyncio
import re
import shlex
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from attractor.base.processes import OutputLimit
from attractor.environments.errors import PortUnusable, RemoteLost
from attractor.environments.remote import (
    RemoteExecutionEnvironment,
    await_connection,
    kill_process,
    not_connected,
)
from attractor.environments.sandbox.sockets import LOOPBACK, Address

# Commands must not use the operator's keys (by an agent of ssh) or display.
_SWITCHES = ("-T", "-a", "-x", "-oBatchMode=yes", "-oConnectTimeout=15", "-oServerAliveInterval=15")
# Settings of the operator may accept any key.
_KNOWN_KEY = "-oStrictHostKeyChecking=yes"
_NO_FORWARDS = "-oClearAllForwardings=yes"
# Keeps the connection open; ends with this process, which holds the other end of stdin.
_STAY = shlex.join(["sh", "-c", "echo; exec cat"])


class SshExecutionEnvironment(RemoteExecutionEnvironment):
    """A folder of another machine, which `ssh HOST` reaches without asking a question.

    The machine needs a POSIX shell, and the programs of GNU or busybox. `options` are arguments for
    ssh, such as `["-p", "2222"]`; the operator's settings for the host apply as well. `environ` are
    variables for ssh, such as PATH and SSH_AUTH_SOCK (default: those of this process); commands get
    the variables of the machine.
    """

    def __init__(
        self,
        host: str,
        folder: str,
        *,
        environ: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        keep: OutputLimit | None = None,
        top: str = "",
        mark: str = "",
    ) -> None:
        super().__init__(folder, environ=environ, keep=keep, top=top, mark=mark)
        self._address = host
        self._options = (*_SWITCHES, _KNOWN_KEY, *options)
        self._own: Path | None = None
        self._connection: asyncio.subprocess.Process | None = None
        self._offers: set[int] = set()

    @property
    def target(self) -> str:
        """The host."""
        return self._address

    async def initialize(self) -> None:
        """Connect, and check the folder and the programs of the machine."""
        if self._own is None:
            # The path of a socket has at most 107 characters.
            self._own = Path(tempfile.mkdtemp(prefix="attractor-ssh-"))
            try:
                await self._connect(self._own / "log")
                await super().initialize()
            except BaseException:
                await self._disconnect()
                raise

    async def cleanup(self) -> None:
        """Stop background services, kill processes left over, and disconnect."""
        try:
            await super().cleanup()
        finally:
            await self._disconnect()

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Forward connections from a port of the machine to an address here."""
        return self._offered(port, Address.parse(address))

    @asynccontextmanager
    async def _offered(self, port: int, address: Address) -> AsyncGenerator[None]:
        host = f"[{address.host}]" if ":" in address.host else address.host
        forward = f"{LOOPBACK}:{port}:{host}:{address.port}"
        # ssh takes a repeated forward for the first one.
        if port in self._offers or await self._ask("forward", forward):
            raise PortUnusable(
                f"cannot listen on port {port} of {self._address}",
                hint="choose a free port, at least 1024",
            )
        self._offers.add(port)
        try:
            yield
        finally:
            self._offers.discard(port)
            await self._ask("cancel", forward)

    def _argv(self, *command: str) -> Sequence[str]:
        return [*self._ssh("-q", "-oControlMaster=no", _NO_FORWARDS), shlex.join(command)]

    def _relay(self, port: int) -> Sequence[str]:
        return self._ssh("-q", "-oControlMaster=no", "-W", f"{LOOPBACK}:{port}")

    def _ssh(self, *switches: str) -> list[str]:
        if self._own is None:
            raise not_connected()
        socket = ("-S", str(self._own / "socket"))
        return ["ssh", *socket, *switches, *self._options, "--", self._address]

    async def _ask(self, request: str, forward: str) -> int:
        """Send a request to the connection, and return the exit status of ssh."""
        devnull = asyncio.subprocess.DEVNULL
        process = await self._program(
            self._ssh("-q", "-O", request, "-R", forward),
            stdin=devnull,
            stdout=devnull,
            stderr=devnull,
        )
        return await process.wait()

    async def _connect(self, log: Path) -> None:
        with log.open("wb") as said:
            self._connection = await self._program(
                [*self._ssh("-M", "-oControlPersist=no", _NO_FORWARDS), _STAY],
                stderr=said.fileno(),
            )
        if not await await_connection(self._connection, self._address):
            reason = " ".join(log.read_text("utf-8", "replace").split())
            raise _refused(reason, self._address)

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await kill_process(self._connection)
            self._connection = None
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None


def _refused(reason: str, host: str) -> RemoteLost:
    """Return the error of a refused connection, with its remedy."""
    hint = f"type `ssh {host} true`; it has to end without a question"
    if "IDENTIFICATION HAS CHANGED" in reason:
        command = re.search(r"ssh-keygen -f \S+ -R \S+", reason)
        remove = command[0] if command else f"ssh-keygen -R {host}"
        reason = "it has another key than before, so it may be another machine"
        hint = f"ask its owner; if the new key is right, type `{remove}` and `ssh {host} true`"
    elif "Host key verification failed" in reason:
        hint = f"the host is unknown: type `ssh {host} true`, and compare its key"
    return RemoteLost(f"cannot connect to {host}: {reason or 'no reason was given'}", hint=hint)
