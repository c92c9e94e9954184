"""How twins stand until they are told to end."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from attractor.base.errors import AttractorError


class Ending:
    """Says when it is over, and why if that is no good."""

    def __init__(self) -> None:
        self.told = asyncio.Event()
        self.error: AttractorError | None = None

    def because_of(self, error: AttractorError) -> None:
        """End: what is recorded no more would be missed too late."""
        self.error = self.error or error
        self.told.set()


async def stand(
    twins: Sequence[AbstractAsyncContextManager[Any]], ending: Ending, tell: Callable[[], None]
) -> None:
    """Let twins stand until a signal or trouble ends them, and tell when all of them do."""
    # By the loop: an interruption raised while a request is answered would end with that request.
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.told.set)
    async with AsyncExitStack() as stack:
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
