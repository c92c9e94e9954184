"""Ports of an environment by which its programs reach this process."""

import random
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.errors import PortUnusable

_PORTS = range(20_000, 60_000)
_PORTS_TRIED = 10


@asynccontextmanager
async def offer_any(environment: ExecutionEnvironment, port: int) -> AsyncGenerator[int]:
    """Forward a port of an environment to this port of the loopback here; yield its number.

    It is another one where the same one is not free, as on a machine with other users.
    """
    async with AsyncExitStack() as stack:
        for number in (port, *random.sample(_PORTS, _PORTS_TRIED)):
            with suppress(PortUnusable):
                await stack.enter_async_context(environment.offer(number, f"127.0.0.1:{port}"))
                break
        else:
            raise PortUnusable("no port of the environment is free", hint="try again")
        yield number
