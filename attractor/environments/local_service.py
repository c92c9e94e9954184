"""A service on the operator's own machine, in a process group of its own."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from attractor.base.errors import ProcessNotStarted
from attractor.environments.intake import Intake
from attractor.environments.services import BackgroundService, Backlog

_GRACE_S = 2.0


async def start_local_service(
    argv: Sequence[str], *, cwd: str, env: Mapping[str, str]
) -> BackgroundService:
    """Start a program that goes on until it is stopped."""
    backlog = Backlog()
    out = Intake(backlog.add)
    try:
        # Its pipe is ours: asyncio's own stays open for as long as anybody holds it.
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out.writer,
            stderr=out.writer,
            start_new_session=True,
        )
    except BaseException as cause:
        out.close()
        if isinstance(cause, OSError):
            raise ProcessNotStarted(f"{argv[0]} was not started: {cause.strerror}") from cause
        raise
    out.close_writer()
    watching = asyncio.create_task(_see_end(process, out, backlog))

    async def end() -> int:
        if not watching.done():
            await _end(process.pid, watching)
        return await asyncio.shield(watching)

    return BackgroundService(backlog, end)


async def _see_end(process: asyncio.subprocess.Process, out: Intake, backlog: Backlog) -> int:
    try:
        code = await process.wait()
        _signal(process.pid, signal.SIGKILL)  # who is left of its group
        await out.drain()
    finally:
        out.close()
        backlog.end()
    return code


async def _end(group: int, watching: "asyncio.Task[int]") -> None:
    try:
        _signal(group, signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                await asyncio.shield(watching)
    finally:
        if not watching.done():  # its time is up, or ours: we are cancelled
            _signal(group, signal.SIGKILL)


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
