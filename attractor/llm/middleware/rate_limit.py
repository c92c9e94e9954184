"""Keeps calls within the limits of their providers: they wait, and do not fail."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager

from attractor.llm.client import Complete, Stream
from attractor.llm.errors import RateLimitError
from attractor.llm.middleware.logging import LOGGER
from attractor.llm.middleware.rate_gate import TELLING, Pass
from attractor.llm.middleware.rate_limits import RateLimits
from attractor.llm.middleware.token_estimate import estimated_tokens
from attractor.llm.middleware.warned import warned, warned_event
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_event import StreamEvent, StreamEventType

_WARNING = 10.0


class RateLimit:
    """Lets a call wait until its provider has room for it, by limits that others may share.

    It hears what providers say: after an error with `retry_after`, or when nothing is left, no call
    goes there for that long. A wait of a second or more is logged when it begins and when it is
    over, and one of ten seconds is a warning of the answer.
    """

    def __init__(self, limits: RateLimits, *, logger: logging.Logger | None = None) -> None:
        self._limits = limits
        self._logger = logging.getLogger(LOGGER) if logger is None else logger

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Wait for a place, and ask."""
        provider = request.provider or ""
        async with self._place(request) as passed:
            told = self._told(provider, passed)
            try:
                response = await next(request)
            except RateLimitError as error:
                self._limits.pause(provider, error.retry_after or 0.0)
                raise
            self._limits.hear(provider, response.rate_limit)
            passed.leave(response.usage.total_tokens)
            return warned(response, told)

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Wait for a place, and ask; it is given back when the last event was told."""
        provider = request.provider or ""
        async with self._place(request) as passed:
            told, is_heard = self._told(provider, passed), False
            try:
                async for event in next(request):
                    left = event.start or event.response
                    if left is not None and left.rate_limit is not None and not is_heard:
                        # The whole answer at the end says it again: by then it is long ago.
                        is_heard = True
                        self._limits.hear(provider, left.rate_limit)
                    if event.type == StreamEventType.FINISH:
                        passed.leave(event.usage.total_tokens if event.usage else None)
                    yield warned_event(event, told)
            except RateLimitError as error:
                self._limits.pause(provider, error.retry_after or 0.0)
                raise

    def _place(self, request: Request) -> AbstractAsyncContextManager[Pass]:
        provider = request.provider or ""

        def tell(seconds: float | None) -> None:
            long = "" if seconds is None else f"{seconds:.1f} s "
            known = {} if seconds is None else {"seconds": round(seconds, 6)}
            told = {"event": "waiting", "provider": provider, **known}
            self._logger.info(f"waits {long}for the limits of {provider}", extra={"llm": told})

        return self._limits.gate(provider).place(estimated_tokens(request), tell)

    def _told(self, provider: str, passed: Pass) -> Sequence[Warning]:
        """Log that a call has waited, and return the warning if that was long."""
        if passed.waited < TELLING:
            return ()
        told = {"event": "wait", "provider": provider, "seconds": round(passed.waited, 6)}
        words = f"waited {passed.waited:.1f} s for the limits of {provider}"
        self._logger.info(words, extra={"llm": told})
        return [Warning(f"the call {words}", "waited")] if passed.waited >= _WARNING else ()
