"""Logs every call to a model: a record when it is asked, and one when it is answered or fails."""

import logging
import secrets
import threading
from collections import deque
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from attractor.base.clock import Clock, SystemClock
from attractor.llm.catalogue import get_model_info
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import SDKError
from attractor.llm.messages import Message
from attractor.llm.middleware.costs import FindModel, price_of
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamAccumulator, StreamEvent, StreamEventType

LOGGER = "attractor.llm"
_MOST_REMEMBERED = 16
_CLOCK = SystemClock()
_Told = Mapping[str, object]
_Asked = tuple[str | None, str, Sequence[Message]]


class Logging:
    """Writes records with words, and all of it once more as data in `record.llm`.

    Never keys, and never what is said, unless `content` is wished. `try` counts the calls with the
    same messages to the same model since it last answered them.
    """

    def __init__(
        self,
        logger: logging.Logger | None = None,
        *,
        content: bool = False,
        clock: Clock = _CLOCK,
        find: FindModel = get_model_info,
    ) -> None:
        self._logger = logging.getLogger(LOGGER) if logger is None else logger
        self._content = content
        self._clock = clock
        self._find = find
        self._lock = threading.Lock()
        self._failed: deque[tuple[_Asked, int]] = deque(maxlen=_MOST_REMEMBERED)

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Log a call."""
        call = _Call(self, request, is_stream=False)
        try:
            response = await next(request)
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(response)
        return response

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Log a call that is answered piece by piece, when it begins and when it is over."""
        call = _Call(self, request, is_stream=True)
        heard = StreamAccumulator()
        try:
            async with aclosing(next(request)) as events:
                async for event in events:
                    heard.process(event)
                    if event.type == StreamEventType.FINISH:
                        call.answered(heard.response())
                    yield event
        except BaseException as error:
            call.failed(error)
            raise

    def begin(self, request: Request) -> int:
        """Return which try this is."""
        asked = _asked(request)
        with self._lock:
            tries = [tries for one, tries in self._failed if one == asked]
        return 1 + max(tries, default=0)

    def end(self, request: Request, tries: int, *, failed: bool) -> None:
        """Remember how many tries failed, or forget them."""
        asked = _asked(request)
        with self._lock:
            others = [one for one in self._failed if one[0] != asked]
            self._failed.clear()
            self._failed.extend([*others, (asked, tries)] if failed else others)

    def now(self) -> float:
        """Return the time, for measuring."""
        return self._clock.monotonic()

    def price(self, request: Request, response: Response) -> float | None:
        """Return what an answer cost, None when that is not known."""
        return price_of(request, response, self._find)

    def write(self, words: str, told: _Told, said: _Told, *, level: int = logging.INFO) -> None:
        """Write one record; what was said goes in only if that is wished."""
        record = {**told, **said} if self._content else dict(told)
        known = {key: value for key, value in record.items() if value is not None}
        self._logger.log(level, words, extra={"llm": known})


class _Call:
    """One call that is logged: its records have the same `call`."""

    def __init__(self, log: Logging, request: Request, *, is_stream: bool) -> None:
        self._log, self._request = log, request
        self._begun = log.now()
        self._tries = log.begin(request)
        self._is_over = False
        self._named = f"{request.provider}/{request.model}"
        self._told: _Told = {
            "call": secrets.token_hex(4),
            "provider": request.provider,
            "model": request.model,
            "try": self._tries,
            "stream": is_stream,
        }
        size = {"messages": len(request.messages), "tools": len(request.tools)}
        said = {"said": [f"{one.role}: {one.text}" for one in request.messages]}
        words = f"asks {self._named} with {size['messages']} messages, try {self._tries}"
        log.write(words, {"event": "request", **self._told, **size}, said)

    def answered(self, response: Response) -> None:
        """Log the answer."""
        cost, usage = self._log.price(self._request, response), response.usage
        seconds = self._end(failed=False)
        by = f"{response.provider}/{response.model}"
        told = {
            "event": "answer",
            **self._told,
            "answered_by": by,
            "request_id": response.id,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "cost_usd": cost,
            "seconds": seconds,
            "finish": response.finish_reason.reason,
            "warnings": [one.code or "other" for one in response.warnings],
        }
        price = "at an unknown price" if cost is None else f"for ${cost:.6f}"
        tokens = f"{usage.input_tokens} tokens in, {usage.output_tokens} out"
        who = by if by == self._named else f"{by}, for {self._named},"
        words = f"{who} answered in {seconds:.3f} s: {tokens}, {price}"
        self._log.write(words, told, {"said": response.text})

    def failed(self, error: BaseException) -> None:
        """Log an error, or that nobody waited any longer."""
        if self._is_over:
            return
        seconds = self._end(failed=isinstance(error, Exception))
        kind = type(error).__name__
        told: dict[str, object] = {**self._told, "seconds": seconds, "error": kind}
        if not isinstance(error, Exception):
            words = f"{self._named} was left after {seconds:.3f} s"
            self._log.write(words, {"event": "left", **told}, {})
            return
        if isinstance(error, SDKError):
            told |= {"retryable": error.retryable, "retry_after": error.retry_after}
            told["status_code"] = getattr(error, "status_code", None)
        words = f"{self._named} failed after {seconds:.3f} s: {kind}"
        said = {"said": str(error)}
        self._log.write(words, {"event": "error", **told}, said, level=logging.WARNING)

    def _end(self, *, failed: bool) -> float:
        self._is_over = True
        self._log.end(self._request, self._tries, failed=failed)
        return round(self._log.now() - self._begun, 6)


def _asked(request: Request) -> _Asked:
    return request.provider, request.model, request.messages
