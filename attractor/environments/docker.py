"""Runs tools in a Docker container, through the command line of Docker."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager

from attractor.base.processes import OutputLimit
from attractor.environments.errors import NotSupported
from attractor.environments.remote import WORKSPACE, RemoteExecutionEnvironment

# Whoever closes the connection first ends it: `exec` makes cat the process that is killed.
_RELAY = 'exec 3<>"/dev/tcp/127.0.0.1/$0" 4<&0; { cat <&4; kill $$; } >&3 2>&3 & exec cat <&3'


class DockerExecutionEnvironment(RemoteExecutionEnvironment):
    """A folder of a running container, which stays when the environment ends.

    The container needs a shell, and the programs of GNU or busybox. `environ` are variables for the
    program `docker`, such as PATH and DOCKER_HOST (default: those of this process); commands get
    the variables of the container.
    `reach` needs bash in the container, and a client that closes its half of a connection ends the
    whole connection. `offer` is not supported.
    """

    def __init__(
        self,
        container: str,
        folder: str = WORKSPACE,
        *,
        environ: Mapping[str, str] | None = None,
        keep: OutputLimit | None = None,
    ) -> None:
        super().__init__(folder, environ=environ, keep=keep)
        self._container = container

    def _argv(self, *command: str) -> Sequence[str]:
        return ["docker", "exec", "--interactive", self._container, *command]

    def _relay(self, port: int) -> Sequence[str]:
        return self._argv("bash", "-c", _RELAY, str(port))

    def offer(self, port: int, address: str) -> AbstractAsyncContextManager[None]:
        """Raise NotSupported."""
        raise NotSupported(
            f"a container cannot get port {port} while it runs",
            hint="start the container with a network in which it can reach the address itself",
        )
