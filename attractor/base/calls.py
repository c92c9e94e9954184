"""Calls functions that somebody handed in, however they want to be called."""

import asyncio
import inspect
from collections.abc import Callable


async def call(called: Callable[..., object], *given: object) -> object:
    """Call a function and wait for it; one that is not async gets a thread, so it blocks nobody."""
    if inspect.iscoroutinefunction(called):
        return await called(*given)
    returned = await asyncio.to_thread(called, *given)
    return await returned if inspect.isawaitable(returned) else returned
