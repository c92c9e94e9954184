"""Calls sync and async functions of a program, and rejects blocking calls in an event loop."""

import asyncio
import inspect
from collections.abc import Callable

from attractor.base.errors import UsageError


async def call(function: Callable[..., object], *arguments: object) -> object:
    """Call a function and await the result; a synchronous function runs in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments)
    returned = await asyncio.to_thread(function, *arguments)
    return await returned if inspect.isawaitable(returned) else returned


def require_no_loop(name: str, *, instead: str = "await") -> None:
    """Raise UsageError if the call would block a running event loop.

    `name` is the async function to use.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise UsageError(
        f"{name}_sync would block the running event loop",
        hint=f"write {instead} {name}(...)",
    )


def do_nothing(*_: object) -> None:
    """Ignore a call: the default of optional callbacks."""
