"""How long a generation may take: all of it, and each call to a model (4.7)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from attractor.base.late_dataclass import dataclass
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
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    except TimeoutError as cause:
        if not scope.expired():
            raise
        raise RequestTimeoutError(f"{noun} took longer than {seconds:g} s") from cause
