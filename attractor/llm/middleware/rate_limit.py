"""Keeps calls within the limits of their providers: they wait, and do not fail."""

import logging
from collections.abc import AsyncGenerator

from attractor.llm.client import Complete, Stream
from attractor.llm.errors import RateLimitError
from attractor.llm.middleware.logging import LOGGER
from attractor.llm.middleware.rate_gate import Pass
from attractor.llm.middleware.rate_limits import RateLimits
from attractor.llm.middleware.token_estimate import estimated_tokens
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_event import StreamEvent, StreamEventType

_TELLING = 1.0


class RateLimit:
    """Lets a call wait until its provider has room for it, by limits that others may share.

    It hears what providers say: after an error with `retry_after`, or when nothing is left, no call
    goes there for that long. A wait of a second or more is logged.
    """

    def __init__(self, limits: RateLimits, *, logger: logging.Logger | None = None) -> None:
        self._limits = limits
        self._logger = logging.getLogger(LOGGER) if logger is None else logger

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Wait for a place, and ask."""
        provider = request.provider or ""
        async with self._limits.gate(provider).place(estimated_tokens(request)) as passed:
            self._tell(provider, passed)
            try:
                response = await next(request)
            except RateLimitError as error:
                self._limits.pause(provider, error.retry_after or 0.0)
                raise
            self._limits.hear(provider, response.rate_limit)
            passed.leave(response.usage.total_tokens)
            return response

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Wait for a place, and ask; it is given back when the last event was told."""
        provider = request.provider or ""
        async with self._limits.gate(provider).place(estimated_tokens(request)) as passed:
            self._tell(provider, passed)
            try:
                async for event in next(request):
                    for told in (event.start, event.response):
                        self._limits.hear(provider, told and told.rate_limit)
                    if event.type == StreamEventType.FINISH:
                        passed.leave(event.usage.total_tokens if event.usage else None)
                    yield event
            except RateLimitError as error:
                self._limits.pause(provider, error.retry_after or 0.0)
                raise

    def _tell(self, provider: str, passed: Pass) -> None:
        if passed.waited >= _TELLING:
            told = {"event": "wait", "provider": provider, "seconds": round(passed.waited, 6)}
            words = f"waited {passed.waited:.1f} s for the limits of {provider}"
            self._logger.info(words, extra={"llm": told})
