"""A service on the operator's own machine, in a process group of its own."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from attractor.base.errors import ProcessNotStarted
from attractor.environments.services import BackgroundService, Backlog

_GRACE_S = 2.0
_PIECE = 64 * 1024


async def start_local_service(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str]
) -> BackgroundService:
    """Start a program that goes on until it is stopped."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as cause:
        raise ProcessNotStarted(f"{argv[0]} was not started: {cause.strerror}") from cause
    backlog = Backlog()
    reading = asyncio.create_task(_read(process, backlog))

    async def end() -> int:
        try:
            if process.returncode is None:
                _signal(process.pid, signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GRACE_S):
                        await process.wait()
        finally:
            # Also for who is left of the group, and when we are cancelled.
            _signal(process.pid, signal.SIGKILL)
        code = await process.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return code

    return BackgroundService(backlog, end)


async def _read(process: asyncio.subprocess.Process, backlog: Backlog) -> None:
    assert process.stdout is not None
    try:
        while piece := await process.stdout.read(_PIECE):
            backlog.add(piece)
    finally:
        backlog.end()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
