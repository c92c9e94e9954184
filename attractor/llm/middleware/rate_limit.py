"""Delays calls to stay within the rate limits of providers."""

import asyncio
import json
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError, RateLimitError
from attractor.llm.messages import ContentPart
from attractor.llm.middleware.logging import LOGGER
from attractor.llm.request import Request
from attractor.llm.response import RateLimitInfo, Response, Warning
from attractor.llm.stream_events import StreamEvent, StreamEventType

_WINDOW = 60.0
# On some clocks, shorter waits return immediately.
_SHORTEST_WAIT = 0.001
LOGGED_WAIT = 1.0
"""Waits of at least this number of seconds are logged."""

OnWait = Callable[[float | None], None]
"""Called when a request has to wait; gets the seconds to wait, or None if unknown."""


class Admission:
    """An admitted call: its time, and its tokens (first estimated, then exact)."""

    def __init__(self, gate: "RateGate", time: float, tokens: int) -> None:
        self.time = time
        self.tokens = tokens
        self.waited = 0.0
        self._gate: RateGate | None = gate

    def release(self, used: int | None = None) -> None:
        """End the admitted call and count the tokens used; a second release has no effect."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.release(self, used)


class _Waiter:
    """A waiting call in its own event loop."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wake(self) -> bool:
        """Wake the call; return whether the event loop of the call still runs."""
        try:
            self._loop.call_soon_threadsafe(self.woken.set)
        except RuntimeError:
            return False
        return True


class RateGate:
    """Admits a limited number of requests and tokens per minute, and of concurrent calls.

    Calls are admitted in order, from any event loop and thread. If a call alone exceeds the token
    limit, this call waits until no other call counts against the limit.
    """

    def __init__(
        self, *, requests: int | None, tokens: int | None, at_once: int | None, clock: Clock
    ) -> None:
        self._requests, self._tokens, self._at_once = requests, tokens, at_once
        self._clock = clock
        # Re-entrant: garbage collection of a waiter may remove it while this thread has the lock.
        self._lock = threading.RLock()
        self._queue: deque[_Waiter] = deque()
        self._admitted: deque[Admission] = deque()
        self._running = 0
        self._paused_until = 0.0

    @asynccontextmanager
    async def admit(self, tokens: int, on_wait: OnWait | None = None) -> AsyncGenerator[Admission]:
        """Wait for admission, and end the admission at the end of the block.

        If the wait takes a second or more, `on_wait` is called once: at the beginning of the wait,
        or after a second if the length of the wait is unknown.
        """
        admission = await self._enter(tokens, on_wait)
        try:
            yield admission
        finally:
            admission.release()

    def pause(self, seconds: float) -> None:
        """Admit no calls for some seconds; this does not shorten a longer pause."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def release(self, admission: Admission, used: int | None) -> None:
        """End a call."""
        with self._lock:
            self._running -= 1
            admission.tokens = admission.tokens if used is None else used
            self._wake_first()

    async def _enter(self, tokens: int, on_wait: OnWait | None) -> Admission:
        start = self._clock.monotonic()
        waiter = _Waiter(min(tokens, self._tokens or tokens))
        with self._lock:
            self._queue.append(waiter)
        try:
            is_logged = on_wait is None
            while not isinstance(admission := self._try(waiter), Admission):
                until_logged = LOGGED_WAIT - (self._clock.monotonic() - start)
                if not is_logged and (until_logged <= 0 or (admission or 0.0) >= LOGGED_WAIT):
                    is_logged = True
                    if on_wait is not None:
                        on_wait(admission)
                wait = until_logged if admission is None and not is_logged else admission
                await self._sleep(waiter, wait)
        except BaseException:
            with self._lock:
                if waiter in self._queue:
                    self._queue.remove(waiter)
                self._wake_first()
            raise
        admission.waited = admission.time - start
        return admission

    def _try(self, waiter: _Waiter) -> Admission | float | None:
        """Admit a call, or return the seconds to wait.

        The result is None if the call must wait until it is woken.
        """
        with self._lock:
            # Cleared first: a change after the check wakes the call again.
            waiter.woken.clear()
            now = self._clock.monotonic()
            wait = self._wait(waiter.tokens, now) if self._queue[0] is waiter else None
            if wait is None or wait > 0:
                return wait
            self._queue.popleft()
            admission = Admission(self, now, waiter.tokens)
            self._admitted.append(admission)
            self._running += 1
            self._wake_first()
            return admission

    def _wait(self, tokens: int, now: float) -> float | None:
        while self._admitted and now - self._admitted[0].time >= _WINDOW:
            self._admitted.popleft()
        if self._at_once is not None and self._running >= self._at_once:
            return None
        moments = [self._paused_until]
        if self._requests is not None and len(self._admitted) >= self._requests:
            moments.append(self._admitted[-self._requests].time + _WINDOW)
        if self._tokens is not None:
            moments.append(self._time_of_free_tokens(tokens, self._tokens))
        return max(0.0, max(moments) - now)

    def _time_of_free_tokens(self, tokens: int, limit: int) -> float:
        excess = sum(admission.tokens for admission in self._admitted) + tokens - limit
        moment = 0.0
        for admission in self._admitted:
            if excess <= 0:
                break
            excess -= admission.tokens
            moment = admission.time + _WINDOW
        return moment

    async def _sleep(self, waiter: _Waiter, wait: float | None) -> None:
        if wait is None:
            await waiter.woken.wait()
            return
        time = timedelta(seconds=max(wait, _SHORTEST_WAIT))
        futures = [
            asyncio.ensure_future(self._clock.sleep(time)),
            asyncio.ensure_future(waiter.woken.wait()),
        ]
        try:
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in futures:
                # A waiter that is collected with its closed loop has nothing left to cancel.
                if not future.get_loop().is_closed():
                    future.cancel()

    def _wake_first(self) -> None:
        """Wake the first waiting call; calls of closed event loops are removed."""
        while self._queue and not self._queue[0].wake():
            self._queue.popleft()


_CLOCK = SystemClock()
_LONGEST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True)
class Limit:
    """The limits of a provider; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None

    def __post_init__(self) -> None:
        limits = (self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests)
        for limit in limits:
            if limit is not None and limit < 1:
                raise ConfigurationError(f"invalid limit {limit}", hint="use 1 or more, or None")


_NO_LIMIT = Limit()


class RateLimits:
    """The rate limits of all providers; clients, event loops and threads share one object.

    A pause requested by a provider lasts `longest_pause` at most. After a longer pause request, the
    next call fails with the provider's own error instead of waiting for hours.
    """

    def __init__(
        self,
        limits: Mapping[str, Limit] | None = None,
        *,
        clock: Clock = _CLOCK,
        longest_pause: timedelta = _LONGEST_PAUSE,
    ) -> None:
        self._limits = dict(limits or {})
        self._clock = clock
        self._longest = longest_pause.total_seconds()
        self._lock = threading.Lock()
        self._gates: dict[str, RateGate] = {}

    def gate(self, provider: str) -> RateGate:
        """Return the gate of a provider."""
        with self._lock:
            if provider not in self._gates:
                limit = self._limits.get(provider, _NO_LIMIT)
                self._gates[provider] = RateGate(
                    requests=limit.requests_per_minute,
                    tokens=limit.tokens_per_minute,
                    at_once=limit.concurrent_requests,
                    clock=self._clock,
                )
            return self._gates[provider]

    def pause(self, provider: str, seconds: float) -> None:
        """Admit no calls to a provider for some seconds."""
        self.gate(provider).pause(min(seconds, self._longest))

    def pause_if_exhausted(self, provider: str, limit: RateLimitInfo | None) -> None:
        """If the limit of the provider is exhausted, pause until the limit resets."""
        if limit is None or 0 not in (limit.requests_remaining, limit.tokens_remaining):
            return
        seconds = limit.reset_after
        if seconds is None and limit.reset_at is not None:
            # Depends on two clocks, but there is nothing better.
            seconds = (limit.reset_at - self._clock.now()).total_seconds()
        self.pause(provider, max(0.0, seconds or 0.0))


_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_MEDIUM = 1000


def estimated_tokens(request: Request) -> int:
    """Return an estimate of the tokens of a request and its answer."""
    text = sum(
        size for message in request.messages for part in message.content for size in _sizes(part)
    )
    tools = sum(len(tool.description) + len(json.dumps(tool.parameters)) for tool in request.tools)
    return (text + tools) // _CHARACTERS_PER_TOKEN + (request.max_tokens or 0) + 1


def _sizes(part: ContentPart) -> Iterator[int]:
    """Yield the sizes of a part in characters."""
    if part.text is not None:
        yield len(part.text)
    if part.thinking is not None:
        yield len(part.thinking.text)
    for value in (
        part.tool_call and part.tool_call.arguments,
        part.tool_result and part.tool_result.content,
    ):
        if value is not None:
            yield len(value if isinstance(value, str) else json.dumps(value, default=dict))
    medium = part.image or part.audio or part.document
    if medium or (part.tool_result and part.tool_result.image_data):
        yield _TOKENS_PER_MEDIUM * _CHARACTERS_PER_TOKEN


_WARNED_WAIT = 10.0


class RateLimit:
    """Delays each call until the limits of its provider admit the call.

    Several clients can share limits. Calls to a provider pause after an error with `retry_after`,
    and when the provider reports an exhausted limit. Waits of a second or more are logged at their
    beginning and end; after ten seconds the answer has a warning.
    """

    def __init__(self, limits: RateLimits, *, logger: logging.Logger | None = None) -> None:
        self._limits = limits
        self._logger = logging.getLogger(LOGGER) if logger is None else logger

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Wait for admission and call the model."""
        provider = request.provider or ""
        async with self._admit(request) as admission:
            warnings = self._log_wait(provider, admission)
            try:
                response = await next(request)
            except RateLimitError as error:
                self._limits.pause(provider, error.retry_after or 0.0)
                raise
            self._limits.pause_if_exhausted(provider, response.rate_limit)
            admission.release(response.usage.total_tokens)
            return response.with_warnings(warnings)

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Wait for admission and stream the answer; the admission ends with the last event."""
        provider = request.provider or ""
        async with self._admit(request) as admission:
            warnings, is_limit_known = self._log_wait(provider, admission), False
            try:
                async for event in next(request):
                    answer = event.start or event.response
                    if answer is not None and answer.rate_limit is not None and not is_limit_known:
                        # FINISH repeats the limit, which is old by then.
                        is_limit_known = True
                        self._limits.pause_if_exhausted(provider, answer.rate_limit)
                    if event.type == StreamEventType.FINISH:
                        admission.release(event.usage.total_tokens if event.usage else None)
                    yield event.with_warnings(warnings)
            except RateLimitError as error:
                self._limits.pause(provider, error.retry_after or 0.0)
                raise

    def _admit(self, request: Request) -> AbstractAsyncContextManager[Admission]:
        provider = request.provider or ""

        def log(seconds: float | None) -> None:
            duration = "" if seconds is None else f"{seconds:.1f} s "
            known = {} if seconds is None else {"seconds": round(seconds, 6)}
            data = {"event": "waiting", "provider": provider, **known}
            text = f"waiting {duration}for the rate limit of {provider}"
            self._logger.info(text, extra={"llm": data})

        return self._limits.gate(provider).admit(estimated_tokens(request), log)

    def _log_wait(self, provider: str, admission: Admission) -> Sequence[Warning]:
        """Log the end of a wait; after a long wait, return a warning."""
        if admission.waited < LOGGED_WAIT:
            return ()
        data = {"event": "wait", "provider": provider, "seconds": round(admission.waited, 6)}
        text = f"waited {admission.waited:.1f} s for the rate limit of {provider}"
        self._logger.info(text, extra={"llm": data})
        return [Warning(text, "waited")] if admission.waited >= _WARNED_WAIT else ()
