"""How twins stand until they are told to end."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import FrameType
from typing import Any

from attractor.base.errors import AttractorError, ExitCode


class Ending:
    """Says when it is over, and why if that is no good."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.error: AttractorError | None = None
        self.is_heard = False

    def because_of(self, error: AttractorError) -> None:
        """End: what is recorded no more would be missed too late."""
        self.error = self.error or error
        self.told.set()


async def stand(
    twins: Sequence[AbstractAsyncContextManager[Any]], ending: Ending, tell: Callable[[], None]
) -> None:
    """Let twins stand until a signal or trouble ends them, and tell when all of them do.

    A second signal ends them at once.
    """
    loop = asyncio.get_running_loop()

    def hear(number: int, frame: FrameType | None) -> None:
        if ending.is_heard:
            # What a script runs may never come back. What was recorded is on the disk.
            os._exit(ExitCode.INTERRUPTED)
        # Not raised: it would end with the request that is answered just now.
        loop.call_soon_threadsafe(ending.told.set)
        ending.is_heard = True

    async with AsyncExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, hear))
        for twin in twins:
            await stack.enter_async_context(twin)
        tell()
        await ending.told.wait()


def stand_until_told(
    twins: Sequence[AbstractAsyncContextManager[Any]], ending: Ending, tell: Callable[[], None]
) -> None:
    """Let twins stand, and raise what ended them if that is no good."""
    asyncio.run(stand(twins, ending, tell))
    if ending.error:
        raise ending.error
