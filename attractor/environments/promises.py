"""Proves what an environment guards, by trying to get out of it; nothing is believed.

A throw-away environment is made, with baits outside: a file, sockets that listen, a process, and
whatever lies in the folders to be hidden. A program inside tries to read, reach, see, kill and
write. What it is refused is a promise, when the baits were seen to stand from beginning to end. A
proof errs on one side only: what cannot be judged is not promised.
"""

import json
import secrets
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.environments.baits import Bystander, Listeners, listening, standing_by
from attractor.environments.environment import ExecutionEnvironment, Promises

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
