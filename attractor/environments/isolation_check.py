"""Proves the guarantees of an environment by trying to escape from it.

A temporary environment is created, with decoys outside: a file, listening sockets, a process,
and the folders to hide. A program inside tries to read, connect, see, kill and write. A guarantee
is a blocked attempt whose decoy was intact before and after.
"""

import asyncio
import json
import marshal
import os
import resource
import secrets
import shlex
import signal
import socket
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.base.processes import ExecResult
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.sandbox.sockets import PipeReader

# A busy machine may be slow to end a process.
PATIENCE_S = 10.0

_LOOPBACK = "127.0.0.1"
_CONNECT_S = 2.0
_WAIT = "echo; read ignored; exit 0"


@dataclass
class DecoyProcess:
    """A process that must stay invisible and alive; it exits when its input ends."""

    process: asyncio.subprocess.Process
    marker: str
    holds: int

    @property
    def pid(self) -> int:
        """The process id outside."""
        return self.process.pid

    async def survived(self, *, patience: float = PATIENCE_S) -> bool:
        """End the input of the decoy; return whether it is unchanged, and exits by itself."""
        with suppress(OSError):
            limit = resource.prlimit(self.pid, resource.RLIMIT_CPU)
            if limit != resource.getrlimit(resource.RLIMIT_CPU):
                return False
        self.release()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                return await self.process.wait() == 0
        return False

    def require_visible(self) -> None:
        """Check that the decoy is visible from outside."""
        if self.marker.encode() not in Path(f"/proc/{self.pid}/cmdline").read_bytes():
            raise ProcessLookupError("the decoy is not visible in /proc")

    async def end(self) -> None:
        """Kill the decoy if it is still alive."""
        self.release()
        # A stopped process would never exit by itself.
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def release(self) -> None:
        """End the input of the decoy; harmless when repeated."""
        if self.holds >= 0:
            os.close(self.holds)
            self.holds = -1


@dataclass(frozen=True)
class DecoyListeners:
    """Ports for TCP and UDP of the loopback, an abstract socket and a socket with a path."""

    port: int
    udp: int
    abstract: str
    path: str

    def answer(self) -> bool:
        """Return whether the port and the sockets accept connections from outside."""
        unix = [(socket.AF_UNIX, "\0" + self.abstract), (socket.AF_UNIX, self.path)]
        try:
            for family, address in [(socket.AF_INET, (_LOOPBACK, self.port)), *unix]:
                with socket.socket(family, socket.SOCK_STREAM) as made:
                    made.settimeout(_CONNECT_S)
                    made.connect(address)
        except OSError:
            return False
        return True


@asynccontextmanager
async def decoy_process() -> AsyncGenerator[DecoyProcess]:
    """Run a decoy that is visible to all processes outside."""
    runs = asyncio.Event()
    output = PipeReader(lambda piece: runs.set())
    try:
        decoy = await _started(output.writer)
        output.close_writer()
        try:
            # Before exec it has no command line.
            async with asyncio.timeout(PATIENCE_S):
                await runs.wait()
            decoy.require_visible()
            yield decoy
        finally:
            await decoy.end()
    finally:
        output.close()


async def _started(out: int) -> DecoyProcess:
    marker = secrets.token_hex(16)
    waits, holds = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _WAIT, marker),
            env={"ATTRACTOR_DECOY": marker},
            stdin=waits,
            stdout=out,
        )
    except BaseException:
        os.close(holds)
        raise
    finally:
        os.close(waits)
    return DecoyProcess(process, marker, holds)


@contextmanager
def decoy_listeners() -> Generator[DecoyListeners]:
    """Listen on ports of the loopback, on an abstract socket and on a socket with a path."""
    abstract = secrets.token_hex(16)
    with (
        socket.create_server((_LOOPBACK, 0)) as port,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
        # Not beside the bait: the path of a socket has at most 108 bytes.
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as file,
    ):
        path = f"{folder}/socket"
        for made, address in ((unix, "\0" + abstract), (file, path)):
            made.bind(address)
            made.listen()
        udp.bind((_LOOPBACK, 0))
        yield DecoyListeners(port.getsockname()[1], udp.getsockname()[1], abstract, path)


MakeEnvironment = Callable[[Path], ExecutionEnvironment]

SYSTEM_PLACES = ("/", "/usr", "/etc", "/var/tmp", "/tmp", "/run", "/dev/shm")

_ATTEMPTS = Path(__file__).parent / "_attempts.py"
_ASKED = "attempts"
# More processes than the tested sandbox allows. Each stops itself, without another program.
_BOMB = "for one in {1..20}; do (kill -STOP $BASHPID) & done; sleep 4"
_SECRET = "hidden"
_TIME_LIMIT_MS = 30_000
_KILLED = "killed: the sandbox had more than"
# A sample is enough: each is a read that must fail.
_MOST_SECRETS = 50


@dataclass(frozen=True)
class _Attempts:
    """The input of `_attempts.py`."""

    token: str
    marker: str
    abstract: str
    path: str
    port: int
    udp: int
    families: Sequence[int]
    pid: int
    bait: str
    secrets: Sequence[str]
    places: Sequence[str]


@dataclass(frozen=True)
class _Outside:
    """The decoys, which are checked from outside after the attempts."""

    bait: Path
    decoy: DecoyProcess
    listeners: DecoyListeners
    attempts: _Attempts

    async def judge(self, results: Mapping[str, Any]) -> Promises:
        """Return the proved guarantees; a missing result of an attempt proves nothing."""
        token = self.attempts.token
        # Files that the attempts wrote outside.
        written = [file for place in self.attempts.places if (file := Path(place, token)).exists()]
        for file in written:
            file.unlink()
        unharmed = await self.decoy.survived()
        own_network = results.get("connects") == [] and self.listeners.answer()
        return Promises(
            hides_operator=results.get("reads") == [] and self._bait_is_intact(),
            own_network=own_network,
            own_processes=results.get("sees") is False and unharmed,
            writes_only_workspace=results.get("doubtful") == []
            and not written
            and self._bait_is_intact(),
            refuses_system_calls=results.get("calls") == [],
            bounds_resources=results.get("exceeds") == [] and results.get("survives") == [],
            hides_metadata=results.get("metadata") == [],
            own_loopback=own_network and results.get("answers") is True,
        )

    def _bait_is_intact(self) -> bool:
        try:
            return self.bait.read_text() == _SECRET
        except FileNotFoundError:
            return False


async def check_isolation(
    make: MakeEnvironment,
    *,
    python: str,
    hide: Sequence[Path],
    read: Sequence[Path] = (),
    scratch: Path | None = None,
    places: Sequence[str] = SYSTEM_PLACES,
    families: Sequence[int] = (),
) -> Promises:
    """Return the proved guarantees of an environment; none if the attempts did not run.

    `places` are further folders in which the attempts try to write, and `families` those of sockets
    that must be refused.
    """
    try:
        async with AsyncExitStack() as made:
            workspace, outside = (
                Path(made.enter_context(tempfile.TemporaryDirectory(dir=scratch))) for _ in "wo"
            )
            bait = outside / "secret"
            bait.write_text(_SECRET)
            decoy = await made.enter_async_context(decoy_process())
            listeners = made.enter_context(decoy_listeners())
            attempts = _Attempts(
                token=secrets.token_hex(8),
                marker=decoy.marker,
                abstract=listeners.abstract,
                path=listeners.path,
                port=listeners.port,
                udp=listeners.udp,
                families=list(families),
                pid=decoy.pid,
                bait=str(bait),
                secrets=[
                    str(bait),
                    f"/proc/{decoy.pid}/root{bait}",
                    *_secrets_in(hide, [*read, workspace]),
                ],
                places=[*map(str, [outside, *hide]), *places],
            )
            results = await _attempt(make(workspace), python, attempts)
            return await _Outside(bait, decoy, listeners, attempts).judge(results)
    except OSError:  # a decoy could not be created or checked
        return Promises()


async def _attempt(
    environment: ExecutionEnvironment, python: str, attempts: _Attempts
) -> Mapping[str, Any]:
    trying = shlex.join([python, "-I", "-S", "-c", _ATTEMPTS.read_text("utf-8"), _ASKED])
    try:
        await environment.initialize()
        await environment.write_file(_ASKED, marshal.dumps(asdict(attempts), 2))
        tried = await environment.exec_command(trying, timeout_ms=_TIME_LIMIT_MS)
        if not await environment.file_exists(attempts.token):
            return {}
        is_bounded = _is_killed(tried, "memory")
        # Last, and only in a sandbox that proved a bound: others have no protection against it.
        if is_bounded:
            bombed = await environment.exec_command(_BOMB, timeout_ms=_TIME_LIMIT_MS)
            survives = [] if _is_killed(bombed, "processes") else ["processes"]
        else:
            survives = ["memory"]
    finally:
        await environment.cleanup()
    if tried.timed_out or not (is_bounded or tried.exit_code == 0):
        return {}
    try:
        results: object = json.loads(tried.stdout)
    except ValueError:
        return {}
    if not results or not isinstance(results, dict):
        return {}
    return {**cast(Mapping[str, Any], results), "survives": survives}


def _is_killed(result: ExecResult, resource: str) -> bool:
    """Return whether the sandbox killed a command because it used too much of a resource."""
    words = result.stderr.rpartition(_KILLED)
    return result.exit_code == -signal.SIGKILL and bool(words[1]) and resource in words[2]


def _secrets_in(hide: Sequence[Path], mounts: Sequence[Path]) -> Iterator[str]:
    """Yield the paths to hide, except for paths that contain a visible folder."""
    above = {place for mount in mounts for place in (mount, *mount.parents)}
    for folder in hide:
        if not folder.is_dir():
            yield str(folder)
        elif {folder, *folder.parents}.isdisjoint(mounts):
            paths = sorted(folder.iterdir())[:_MOST_SECRETS]
            yield from (str(path) for path in paths if path not in above)
