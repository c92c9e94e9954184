"""Calls functions that somebody handed in, however they want to be called.

What a function that waits has to know of the event loop around it.
"""

import asyncio
import inspect
from collections.abc import Callable

from attractor.base.errors import UsageError


async def call(called: Callable[..., object], *given: object) -> object:
    """Call a function and wait for it; one that is not async gets a thread, so it blocks nobody."""
    if inspect.iscoroutinefunction(called):
        return await called(*given)
    returned = await asyncio.to_thread(called, *given)
    return await returned if inspect.isawaitable(returned) else returned


def require_no_loop(name: str, *, instead: str = "await") -> None:
    """Refuse to wait within an event loop, which would stand still; `name` is the async twin."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        f"{name}_sync waits, and would hold up the event loop that runs here",
        hint=f"write: {instead} {name}(...)",
    )


def do_nothing(*_: object) -> None:
    """Ignore a call: the default of optional callbacks."""
