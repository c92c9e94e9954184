"""A stand-in for the program docker, and a real SSH server, both on this machine."""

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.needs import require
from tests.patience import PATIENCE_S

CONTAINER = "box"

# Like docker, it gives a command its own session and variables, and ends the streams but not the
# command with the client. It imports little, because each operation starts it.
_DOCKER = r"""#!/usr/bin/python3 -IS
import os, select, sys

command, interactive, container, *argv = sys.argv[1:]
assert (command, interactive) == ("exec", "--interactive"), sys.argv
if container != "box":
    sys.exit(f"Error response from daemon: No such container: {container}")
pipes = [os.pipe() for _ in range(3)]
if os.fork() == 0:
    os.setsid()
    os.chdir("/")
    for number, (reader, writer) in enumerate(pipes):
        os.dup2(writer if number else reader, number)
    os.closerange(3, 20)
    os.execvpe(argv[0], argv, {"PATH": os.environ["CONTAINER_PATH"], "HOME": "/"})
(for_child, stdin), (stdout, _), (stderr, _) = pipes
os.close(for_child)
os.close(pipes[1][1])
os.close(pipes[2][1])
routes = {0: stdin, stdout: 1, stderr: 2}
while stdout in routes or stderr in routes:
    for source in select.select(list(routes), [], [])[0]:
        piece = os.read(source, 65536)
        try:
            os.write(routes[source], piece)
        except BrokenPipeError:
            piece = b""
        if not piece:
            os.close(routes.pop(source))
"""


def put_docker(folder: Path, path: str) -> dict[str, str]:
    """Write the stand-in into a folder; return variables with it on the PATH."""
    program = folder / "docker"
    program.write_text(_DOCKER)
    program.chmod(0o755)
    return {"PATH": f"{folder}:{path}", "CONTAINER_PATH": path}


@dataclass(frozen=True)
class Server:
    """A running SSH server, and the options that ssh needs to reach it."""

    options: Sequence[str]
    host: str = "127.0.0.1"


@contextmanager
def ssh_server(folder: Path, *, search_path: str = "") -> Generator[Server]:
    """Run a server on a port of the loopback; it accepts one new key of this user.

    Its commands have a PATH (default: that of the system).
    """
    for name in ("host", "client"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings: Mapping[str, object] = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "client.pub",
        "AllowUsers": getpass.getuser(),
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "PidFile": folder / "pid",
        "MaxStartups": 100,
        "StrictModes": "no",
        # Otherwise bash reads the start-up file of this user, which may be slow.
        "SetEnv": f"SHLVL=1 PATH={search_path}" if search_path else "SHLVL=1",
    }
    (folder / "config").write_text("".join(f"{name} {one}\n" for name, one in settings.items()))
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    if os.getuid() == 0:
        # sshd needs this empty folder, which the init system usually makes.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with sshd(folder):
        yield Server(
            (
                *("-F", "none", "-p", str(port), "-i", str(folder / "client")),
                *("-oIdentitiesOnly=yes", f"-oUserKnownHostsFile={folder / 'known'}"),
            )
        )


@contextmanager
def sshd(folder: Path) -> Generator[None]:
    """Run the server of a folder, again after its end."""
    port = int((folder / "config").read_text().split(maxsplit=2)[1])
    argv = [require("sshd"), "-D", "-e", "-f", str(folder / "config")]
    with (folder / "log").open("wb") as log, subprocess.Popen(argv, stderr=log) as server:
        try:
            _await_port(port, server, folder / "log")
            yield
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A real SSH server; skip the tests where none is installed."""
    require("ssh")
    require("sshd")
    with ssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def _await_port(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return
    raise AssertionError(log.read_text())


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
