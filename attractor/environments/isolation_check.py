"""Proves what an environment guards, by trying to get out of it; nothing is believed.

A throw-away environment is made, with baits outside: a file, sockets that listen, a process, and
whatever lies in the folders to be hidden. A program inside tries to read, reach, see, kill and
write. What it is refused is a promise, when the baits were seen to stand from beginning to end. A
proof errs on one side only: what cannot be judged is not promised.

What stands outside while an environment is tried: a process, and sockets that listen.
"""

import asyncio
import json
import os
import secrets
import shlex
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.environments.environment import ExecutionEnvironment, Promises
from attractor.environments.sandbox.sockets import Intake

# A busy machine may take its time to run a process to its end, and to tell us.
PATIENCE_S = 10.0

_LOOPBACK = "127.0.0.1"
_CONNECT_S = 2.0
_WAIT = "import os, sys; os.write(1, b'.'); sys.stdin.read()"


@dataclass
class Bystander:
    """A process that must be neither seen nor ended; it ends well when its input does."""

    process: asyncio.subprocess.Process
    marker: str
    holds: int

    @property
    def pid(self) -> int:
        """Its number outside."""
        return self.process.pid

    async def lived_on(self, *, patience: float = PATIENCE_S) -> bool:
        """Let it end, and tell whether it lived to do so by itself."""
        self.release()
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                return await self.process.wait() == 0
        return False

    def require_shown(self) -> None:
        """See it as somebody would who may."""
        if self.marker.encode() not in Path(f"/proc/{self.pid}/cmdline").read_bytes():
            raise ProcessLookupError("the bystander does not show in /proc")

    async def end(self) -> None:
        """End it, should it not have ended."""
        self.release()
        # It may have been stopped, and would never end by itself.
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    def release(self) -> None:
        """Let it end; harmless when repeated."""
        if self.holds >= 0:
            os.close(self.holds)
            self.holds = -1


@dataclass(frozen=True)
class Listeners:
    """A port of the loopback and an abstract socket on which somebody listens."""

    port: int
    abstract: str

    def answer(self) -> bool:
        """Tell whether both can be reached from outside."""
        places = [(socket.AF_INET, (_LOOPBACK, self.port)), (socket.AF_UNIX, "\0" + self.abstract)]
        try:
            for family, address in places:
                with socket.socket(family, socket.SOCK_STREAM) as made:
                    made.settimeout(_CONNECT_S)
                    made.connect(address)
        except OSError:
            return False
        return True


@asynccontextmanager
async def standing_by() -> AsyncGenerator[Bystander]:
    """Run a bystander that shows to all who may look."""
    runs = asyncio.Event()
    said = Intake(lambda piece: runs.set())
    try:
        bystander = await _started(said.writer)
        said.close_writer()
        try:
            # Before it runs it has no command line.
            async with asyncio.timeout(PATIENCE_S):
                await runs.wait()
            bystander.require_shown()
            yield bystander
        finally:
            await bystander.end()
    finally:
        said.close()


async def _started(out: int) -> Bystander:
    marker = secrets.token_hex(16)
    waits, holds = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", _WAIT, marker), stdin=waits, stdout=out
        )
    except BaseException:
        os.close(holds)
        raise
    finally:
        os.close(waits)
    return Bystander(process, marker, holds)


@contextmanager
def listening() -> Generator[Listeners]:
    """Listen on a port of the loopback and on an abstract socket."""
    abstract = secrets.token_hex(16)
    with (
        socket.create_server((_LOOPBACK, 0)) as port,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
    ):
        unix.bind("\0" + abstract)
        unix.listen()
        yield Listeners(port.getsockname()[1], abstract)


Make = Callable[[Path], ExecutionEnvironment]

SYSTEM_PLACES = ("/", "/usr", "/etc", "/var/tmp", "/tmp", "/run", "/dev/shm")

_ATTEMPTS = Path(__file__).parent / "_attempts.py"
_ASKED = "attempts.json"
_SECRET = "hidden"
_TIME_LIMIT_MS = 30_000
# Enough to know: each is a read that must fail.
_MOST_SECRETS = 50


@dataclass(frozen=True)
class _Asked:
    """What is tried, under the names that `_attempts.py` reads."""

    token: str
    marker: str
    abstract: str
    port: int
    pid: int
    secrets: Sequence[str]
    places: Sequence[str]


@dataclass(frozen=True)
class _Outside:
    """What is looked at from outside when the attempts are over."""

    workspace: Path
    bait: Path
    bystander: Bystander
    listeners: Listeners
    asked: _Asked

    async def judge(self, told: Mapping[str, Any]) -> Promises:
        """Return what is proved; a field that was not told is not."""
        written = _clear(self.asked)
        if not (self.workspace / self.asked.token).exists():
            return Promises()
        unharmed = await self.bystander.lived_on()
        return Promises(
            hides_operator=told.get("reads") == [] and self.bait.read_text() == _SECRET,
            own_network=told.get("connects") is False and self.listeners.answer(),
            own_processes=told.get("sees") is False and unharmed,
            writes_only_workspace=told.get("doubtful") == [] and not written,
        )


async def prove(
    make: Make,
    *,
    python: str,
    hide: Sequence[Path],
    read: Sequence[Path] = (),
    scratch: Path | None = None,
    places: Sequence[str] = SYSTEM_PLACES,
) -> Promises:
    """Return what an environment was seen to guard; nothing when the attempts did not run.

    `places` are folders to try to write in, besides those to be hidden.
    """
    try:
        async with AsyncExitStack() as made:
            workspace, outside = (
                Path(made.enter_context(tempfile.TemporaryDirectory(dir=scratch))) for _ in "wo"
            )
            bait = outside / "secret"
            bait.write_text(_SECRET)
            bystander = await made.enter_async_context(standing_by())
            listeners = made.enter_context(listening())
            asked = _Asked(
                token=secrets.token_hex(8),
                marker=bystander.marker,
                abstract=listeners.abstract,
                port=listeners.port,
                pid=bystander.pid,
                secrets=[str(bait), *_secrets_in(hide, [*read, workspace])],
                places=[*map(str, [outside, *hide]), *places],
            )
            told = await _attempt(make(workspace), python, asked)
            return await _Outside(workspace, bait, bystander, listeners, asked).judge(told)
    except OSError:  # a bait could not be made, or not be looked after
        return Promises()


async def _attempt(
    environment: ExecutionEnvironment, python: str, asked: _Asked
) -> Mapping[str, Any]:
    command = [python, "-I", "-S", "-c", _ATTEMPTS.read_text("utf-8"), _ASKED]
    try:
        await environment.initialize()
        await environment.write_file(_ASKED, json.dumps(asdict(asked)))
        result = await environment.exec_command(shlex.join(command), timeout_ms=_TIME_LIMIT_MS)
    finally:
        await environment.cleanup()
    return _told(result.stdout) if result.exit_code == 0 and not result.timed_out else {}


def _told(output: str) -> Mapping[str, Any]:
    """Return what the program inside told, nothing when that cannot be read."""
    try:
        told: object = json.loads(output)
    except ValueError:
        return {}
    return cast(Mapping[str, Any], told) if isinstance(told, dict) else {}


def _clear(asked: _Asked) -> bool:
    """Remove what was written outside; tell whether there was any."""
    written = [file for place in asked.places if (file := Path(place, asked.token)).exists()]
    for file in written:
        file.unlink()
    return bool(written)


def _secrets_in(hide: Sequence[Path], shown: Sequence[Path]) -> Iterator[str]:
    """Yield what is to be hidden, without what lies around a folder that may be seen."""
    for folder in hide:
        if folder.is_dir():
            names = sorted(folder.iterdir())[:_MOST_SECRETS]
            yield from (str(name) for name in names if not _overlaps(name, shown))
        else:
            yield str(folder)


def _overlaps(path: Path, shown: Sequence[Path]) -> bool:
    return any(one.is_relative_to(path) or path.is_relative_to(one) for one in shown)
