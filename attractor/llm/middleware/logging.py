"""Logs every call to a model: a record for the request, and a record for the answer or error."""

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
_MOST_FAILED_REQUESTS = 16
_CLOCK = SystemClock()
_Data = Mapping[str, object]
_RequestKey = tuple[str | None, str, Sequence[Message]]


class Logging:
    """Logs each call; a record has a message, and the same facts as data in `record.llm`.

    API keys are never logged; texts are only logged with `content=True`. In the data, `try` is the
    number of calls with the same messages to the same model since the last answer.
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
        self._failed: deque[tuple[_RequestKey, int]] = deque(maxlen=_MOST_FAILED_REQUESTS)

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Log a call."""
        call = _LoggedCall(self, request, is_stream=False)
        try:
            response = await next(request)
        except BaseException as error:
            call.failed(error)
            raise
        call.answered(response)
        return response

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Log the beginning and the end of a stream."""
        call = _LoggedCall(self, request, is_stream=True)
        answer = StreamAccumulator()
        try:
            async with aclosing(next(request)) as events:
                async for event in events:
                    answer.process(event)
                    if event.type == StreamEventType.FINISH:
                        call.answered(answer.response())
                    yield event
        except BaseException as error:
            call.failed(error)
            raise

    def begin(self, request: Request) -> int:
        """Return the number of this try (the first is 1)."""
        key = _request_key(request)
        with self._lock:
            tries = [tries for failed_key, tries in self._failed if failed_key == key]
        return 1 + max(tries, default=0)

    def end(self, request: Request, tries: int, *, failed: bool) -> None:
        """Store the number of failed tries, or remove this number after an answer."""
        key = _request_key(request)
        with self._lock:
            others = [failure for failure in self._failed if failure[0] != key]
            self._failed.clear()
            self._failed.extend([*others, (key, tries)] if failed else others)

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""
        return self._clock.monotonic()

    def price(self, request: Request, response: Response) -> float | None:
        """Return the cost of an answer; None if unknown."""
        return price_of(request, response, self._find)

    def write(
        self, message: str, data: _Data, content: _Data, *, level: int = logging.INFO
    ) -> None:
        """Write a record; texts in `content` are only written if the option `content` is set."""
        record = {**data, **content} if self._content else dict(data)
        known = {key: value for key, value in record.items() if value is not None}
        self._logger.log(level, message, extra={"llm": known})


class _LoggedCall:
    """A call whose records have the same `call` id."""

    def __init__(self, log: Logging, request: Request, *, is_stream: bool) -> None:
        self._log, self._request = log, request
        self._started = log.now()
        self._tries = log.begin(request)
        self._has_ended = False
        self._name = f"{request.provider}/{request.model}"
        self._data: _Data = {
            "call": secrets.token_hex(4),
            "provider": request.provider,
            "model": request.model,
            "try": self._tries,
            "stream": is_stream,
        }
        size = {"messages": len(request.messages), "tools": len(request.tools)}
        content = {"said": [f"{message.role}: {message.text}" for message in request.messages]}
        text = f"request to {self._name}: {size['messages']} messages, attempt {self._tries}"
        log.write(text, {"event": "request", **self._data, **size}, content)

    def answered(self, response: Response) -> None:
        """Log the answer."""
        cost, usage = self._log.price(self._request, response), response.usage
        seconds = self._end(failed=False)
        answered_by = f"{response.provider}/{response.model}"
        data = {
            "event": "answer",
            **self._data,
            "answered_by": answered_by,
            "request_id": response.id,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "reasoning_tokens": usage.reasoning_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "cost_usd": cost,
            "seconds": seconds,
            "finish": response.finish_reason.reason,
            "warnings": [warning.code or "other" for warning in response.warnings],
        }
        price = "unknown price" if cost is None else f"${cost:.6f}"
        tokens = f"{usage.input_tokens} input tokens, {usage.output_tokens} output tokens"
        is_other = answered_by != self._name
        model = f"{answered_by} (requested: {self._name})" if is_other else answered_by
        text = f"{model} answered in {seconds:.3f} s: {tokens}, {price}"
        self._log.write(text, data, {"said": response.text})

    def failed(self, error: BaseException) -> None:
        """Log an error or a cancellation."""
        if self._has_ended:
            return
        seconds = self._end(failed=isinstance(error, Exception))
        kind = type(error).__name__
        data: dict[str, object] = {**self._data, "seconds": seconds, "error": kind}
        if not isinstance(error, Exception):
            text = f"call to {self._name} cancelled after {seconds:.3f} s"
            self._log.write(text, {"event": "left", **data}, {})
            return
        if isinstance(error, SDKError):
            data |= {"retryable": error.retryable, "retry_after": error.retry_after}
            data["status_code"] = getattr(error, "status_code", None)
        text = f"{self._name} failed after {seconds:.3f} s: {kind}"
        content = {"said": str(error)}
        self._log.write(text, {"event": "error", **data}, content, level=logging.WARNING)

    def _end(self, *, failed: bool) -> float:
        self._has_ended = True
        self._log.end(self._request, self._tries, failed=failed)
        return round(self._log.now() - self._started, 6)


def _request_key(request: Request) -> _RequestKey:
    return request.provider, request.model, request.messages
