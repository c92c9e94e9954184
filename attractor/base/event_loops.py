"""What a function that waits has to know of the event loop around it."""

import asyncio

from attractor.base.errors import UsageError


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
