"""A service inside a sandbox, which ends with it at the latest."""

import asyncio
import signal
from contextlib import suppress

from attractor.environments.errors import SandboxLost
from attractor.environments.intake import Intake
from attractor.environments.sandbox import Job, Sandbox
from attractor.environments.services import BackgroundService, Backlog


def watch_service(sandbox: Sandbox, job: Job, out: Intake, backlog: Backlog) -> BackgroundService:
    """Return the service that a started command is."""
    watching = asyncio.create_task(_see_end(job, out, backlog))

    async def end() -> int:
        if not watching.done():
            with suppress(SandboxLost):
                await sandbox.end(job)
        return await asyncio.shield(watching)

    return BackgroundService(backlog, end)


async def _see_end(job: Job, out: Intake, backlog: Backlog) -> int:
    try:
        code = (await job.wait()).code
        await out.drain()
    except SandboxLost:  # it ended with its sandbox
        code = -signal.SIGKILL
    finally:
        out.close()
        backlog.end()
    return code
