"""Proves what an environment guards, by trying to get out of it; nothing is believed.

A throw-away environment is made, with baits outside: a file, a socket that listens, a process, and
whatever lies in the folders to be hidden. A program inside tries to read, reach, see, kill and
write. What it cannot do is a promise.
"""

import asyncio
import json
import os
import secrets
import shlex
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from attractor.environments.environment import ExecutionEnvironment, Promises

Make = Callable[[Path], ExecutionEnvironment]

SYSTEM_PLACES = ("/", "/usr", "/etc", "/var/tmp", "/tmp", "/run", "/dev/shm")

_ATTEMPTS = Path(__file__).parent / "_attempts.py"
_ASKED = "attempts.json"
_TIME_LIMIT_MS = 30_000
# Enough to know: each is a read that must fail.
_MOST_SECRETS = 50


@dataclass(frozen=True)
class _Baits:
    """What is tried, under the names that `_attempts.py` reads."""

    token: str
    marker: str
    abstract: str
    port: int
    pid: int
    secrets: Sequence[str]
    places: Sequence[str]


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
    with ExitStack() as made:
        workspace, outside = (
            Path(made.enter_context(tempfile.TemporaryDirectory(dir=scratch))) for _ in "wo"
        )
        bait = outside / "secret"
        bait.write_text("hidden")
        async with _bystander() as (marker, process), _listeners() as (abstract, port):
            baits = _Baits(
                token=secrets.token_hex(8),
                marker=marker,
                abstract=abstract,
                port=port,
                pid=process.pid,
                secrets=[str(bait), *_secrets_in(hide, [*read, workspace])],
                places=[*map(str, [outside, *hide]), *places],
            )
            told = await _attempt(make(workspace), python, baits)
            return _judge(told, wrote=_clear(baits), killed=process.returncode is not None)


async def _attempt(environment: ExecutionEnvironment, python: str, baits: _Baits) -> dict[str, Any]:
    command = [python, "-I", "-S", "-c", _ATTEMPTS.read_text("utf-8"), _ASKED]
    try:
        await environment.initialize()
        await environment.write_file(_ASKED, json.dumps(asdict(baits)))
        result = await environment.exec_command(shlex.join(command), timeout_ms=_TIME_LIMIT_MS)
    finally:
        await environment.cleanup()
    return json.loads(result.stdout) if result.exit_code == 0 else {}


def _judge(told: dict[str, Any], *, wrote: bool, killed: bool) -> Promises:
    if not told.get("ran"):
        return Promises()
    return Promises(
        hides_operator=not told["reads"],
        own_network=not told["connects"],
        own_processes=not told["sees"] and not killed,
        writes_only_workspace=not wrote,
    )


def _clear(baits: _Baits) -> bool:
    """Remove what was written outside; tell whether there was any."""
    written = [file for place in baits.places if (file := Path(place, baits.token)).exists()]
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


@asynccontextmanager
async def _bystander() -> AsyncGenerator[tuple[str, asyncio.subprocess.Process]]:
    """Run a process that must be neither seen nor ended; it ends with its input."""
    marker = secrets.token_hex(16)
    waits, holds = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()", marker),
            stdin=waits,
        )
    except BaseException:
        os.close(holds)
        raise
    finally:
        os.close(waits)
    try:
        yield marker, process
    finally:
        os.close(holds)
        await process.wait()


@asynccontextmanager
async def _listeners() -> AsyncGenerator[tuple[str, int]]:
    """Listen on a port of the loopback and on an abstract socket."""
    abstract = secrets.token_hex(16)
    with (
        socket.create_server(("127.0.0.1", 0)) as port,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix,
    ):
        unix.bind("\0" + abstract)
        unix.listen()
        yield abstract, port.getsockname()[1]
