"""Runs tools in a container, through the command line of Docker or Podman."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from attractor.base.processes import OutputLimit
from attractor.environments.relay import relayed
from attractor.environments.remote import WORKSPACE, RemoteExecutionEnvironment
from attractor.environments.sandbox.sockets import LOOPBACK, Address, listen

# Whoever closes the connection first ends it: `exec` makes cat the process that is killed.
_RELAY = 'exec 3<>"/dev/tcp/127.0.0.1/$0" 4<&0; { cat <&4; kill $$; } >&3 2>&3 & exec cat <&3'


class DockerExecutionEnvironment(RemoteExecutionEnvironment):
    """A folder of a running container, which stays when the environment ends.

    The container needs a shell, and the programs of GNU or busybox. `program` is `docker` or
    `podman`, and `environ` are its variables, such as PATH and DOCKER_HOST (default: those of this
    process); commands get the variables of the container.
    `offer` and `reach` need Python 3.9 or newer in the container. Without it, `reach` uses bash,
    and a client that closes its half of a connection ends the whole connection.
    """

    def __init__(
        self,
        container: str,
        folder: str = WORKSPACE,
        *,
        program: str = "docker",
        environ: Mapping[str, str] | None = None,
        keep: OutputLimit | None = None,
        mark: str = "",
    ) -> None:
        super().__init__(folder, environ=environ, keep=keep, mark=mark)
        self._program_name = program
        self._container = container

    @property
    def target(self) -> str:
        """The container."""
        return self._container

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Forward connections from a port of the container to an address here."""
        connect = Address.parse(address).connect
        return relayed(self._piped, self._host.python, "listen", port, connect)

    @asynccontextmanager
    async def reach(self, port: int) -> AsyncGenerator[str]:
        """Yield an address outside that forwards connections to a port inside."""
        if not self._host.python:
            async with super().reach(port) as address:
                yield address
            return
        with listen(socket.socket(socket.AF_INET, socket.SOCK_STREAM), 0) as listener:
            async with relayed(self._piped, self._host.python, "connect", port, listener):
                yield f"{LOOPBACK}:{listener.getsockname()[1]}"

    def _argv(self, *command: str) -> Sequence[str]:
        return [self._program_name, "exec", "--interactive", self._container, *command]

    def _relay(self, port: int) -> Sequence[str]:
        return self._argv("bash", "-c", _RELAY, str(port))

    async def _piped(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        return await self._program(self._argv(*command))
