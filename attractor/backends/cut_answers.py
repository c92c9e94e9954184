"""Estimates the usage of answers to the built-in agent that were cut before their usage."""

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, aclosing
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ProviderError
from attractor.llm.middleware.rate_limit import estimated_tokens
from attractor.llm.request import Request
from attractor.llm.response import Response, Usage
from attractor.llm.stream_events import StreamEvent, StreamEventType

# Bytes, because letters of other scripts take more tokens.
_BYTES_A_TOKEN = 4


@dataclass(frozen=True)
class CutAnswers:
    """Middleware that counts a stream that ends, or is left, before its usage.

    Each call is made within the context of `call`, which gets the estimate of the request.
    """

    count: Callable[[Usage, Request], None]
    call: Callable[[Usage, Request], AbstractContextManager[None]]

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Call the model: an answer that is not a stream is complete, or an error."""
        with self.call(_asked(request), request):
            return await next(request)

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Stream the answer, and count what arrived of a cut one."""
        is_cut, size, asked = False, 0, _asked(request)
        with self.call(asked, request):
            try:
                async with aclosing(next(request)) as events:
                    async for event in events:
                        is_cut = event.type != StreamEventType.FINISH
                        size += _size(event)
                        yield event
            except ProviderError:
                # A provider that refuses the call inside of the stream has written nothing.
                is_cut = is_cut and size > 0
                raise
            finally:
                if is_cut:
                    written = math.ceil(size / _BYTES_A_TOKEN)
                    self.count(replace(asked, output_tokens=written), request)


def _asked(request: Request) -> Usage:
    return Usage(estimated_tokens(replace(request, max_tokens=None)))


def _size(event: StreamEvent) -> int:
    """Return the size of what the model wrote in an event, without repetitions."""
    words = event.delta or event.reasoning_delta or ""
    if event.type == StreamEventType.TOOL_CALL_DELTA and event.tool_call:
        words = event.tool_call.raw_arguments or ""
    return len(words.encode("utf-8", "replace"))
