"""How long a generation may take: all of it, and each call to a model (4.7)."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from attractor.base.dataclasses import dataclass
from attractor.llm.errors import ConfigurationError, RequestTimeoutError


@dataclass(frozen=True)
class TimeoutConfig:
    """Seconds: for everything with its tools and waits, and for every single call to the model."""

    total: float | None = None
    per_step: float | None = None

    def __post_init__(self) -> None:
        for name in ("total", "per_step"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ConfigurationError(
                    f"a time limit of {seconds} s ({name}) leaves no time",
                    hint="give more than 0, or nothing for no limit",
                )


@asynccontextmanager
async def limited(seconds: float | None, noun: str) -> AsyncGenerator[None]:
    """Cancel what is within when its time is up, and raise a RequestTimeoutError instead."""
    # Not by asyncio: its time-out would break off the closing of connections, too.
    with anyio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise RequestTimeoutError(f"{noun} took longer than {seconds:g} s")
