"""Keeps calls within the limits of their providers: they wait, and do not fail.

A gate that calls to one provider pass in turn, from any event loop and any thread.

How much may be asked of each provider in a minute: one object for all clients of a process.

Estimates the tokens of a request before it is sent.
"""

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
from attractor.llm.middleware.fallback import warned, warned_event
from attractor.llm.middleware.logging import LOGGER
from attractor.llm.request import Request
from attractor.llm.response import RateLimitInfo, Response, Warning
from attractor.llm.stream_events import StreamEvent, StreamEventType

_WINDOW = 60.0
# A clock's smallest step: a shorter wait would be none.
_SHORTEST_WAIT = 0.001
TELLING = 1.0
"""A wait of so many seconds is told."""

Tell = Callable[[float | None], None]
"""Is told that somebody has to wait: for how many seconds, None when that is not known."""


class Pass:
    """One call that was let through: when, and with how many tokens, at first estimated."""

    def __init__(self, gate: "RateGate", time: float, tokens: int) -> None:
        self.time = time
        self.tokens = tokens
        self.waited = 0.0
        self._gate: RateGate | None = gate

    def leave(self, used: int | None = None) -> None:
        """Give the place back, with the tokens that were used in truth; once is enough."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.give_back(self, used)


class _Turn:
    """One who waits, in its own event loop."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def wake(self) -> bool:
        """Let it look again; tell whether its event loop still runs."""
        try:
            self._loop.call_soon_threadsafe(self.woken.set)
        except RuntimeError:
            return False
        return True


def _tell_nobody(seconds: float | None) -> None:
    """Let somebody wait in silence."""


class RateGate:
    """Lets so many requests and tokens through in any minute, and so many at once.

    Who came first goes first. A call that is larger than the limit waits until nothing else counts.
    """

    def __init__(
        self, *, requests: int | None, tokens: int | None, at_once: int | None, clock: Clock
    ) -> None:
        self._requests, self._tokens, self._at_once = requests, tokens, at_once
        self._clock = clock
        # One who waits may be thrown away, and leave the queue, while this thread has the lock.
        self._lock = threading.RLock()
        self._queue: deque[_Turn] = deque()
        self._passed: deque[Pass] = deque()
        self._inside = 0
        self._paused_until = 0.0

    @asynccontextmanager
    async def place(self, tokens: int, tell: Tell = _tell_nobody) -> AsyncGenerator[Pass]:
        """Wait for a place, and give it back when the block ends, however it does.

        A wait of a second or more is told once: at its beginning, or as soon as it has become one.
        """
        passed = await self._enter(tokens, tell)
        try:
            yield passed
        finally:
            passed.leave()

    def pause(self, seconds: float) -> None:
        """Let nobody through for a while; a longer pause stays."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    def give_back(self, passed: Pass, used: int | None) -> None:
        """Take a place back."""
        with self._lock:
            self._inside -= 1
            passed.tokens = passed.tokens if used is None else used
            self._wake_first()

    async def _enter(self, tokens: int, tell: Tell) -> Pass:
        begun = self._clock.monotonic()
        turn = _Turn(min(tokens, self._tokens or tokens))
        with self._lock:
            self._queue.append(turn)
        try:
            is_told = False
            while not isinstance(found := self._look(turn), Pass):
                untold = TELLING - (self._clock.monotonic() - begun)
                if not is_told and (untold <= 0 or (found or 0.0) >= TELLING):
                    is_told = True
                    tell(found)
                wait = untold if found is None and not is_told else found
                await self._rest(turn, wait)
        except BaseException:
            with self._lock:
                if turn in self._queue:
                    self._queue.remove(turn)
                self._wake_first()
            raise
        found.waited = found.time - begun
        return found

    def _look(self, turn: _Turn) -> Pass | float | None:
        """Let one through, or say how long to wait; None is until somebody wakes it."""
        with self._lock:
            # Cleared before the look: who changes something after it wakes again.
            turn.woken.clear()
            now = self._clock.monotonic()
            wait = self._wait(turn.tokens, now) if self._queue[0] is turn else None
            if wait is None or wait > 0:
                return wait
            self._queue.popleft()
            passed = Pass(self, now, turn.tokens)
            self._passed.append(passed)
            self._inside += 1
            self._wake_first()
            return passed

    def _wait(self, tokens: int, now: float) -> float | None:
        while self._passed and now - self._passed[0].time >= _WINDOW:
            self._passed.popleft()
        if self._at_once is not None and self._inside >= self._at_once:
            return None
        moments = [self._paused_until]
        if self._requests is not None and len(self._passed) >= self._requests:
            moments.append(self._passed[-self._requests].time + _WINDOW)
        if self._tokens is not None:
            moments.append(self._room_for(tokens, self._tokens))
        return max(0.0, max(moments) - now)

    def _room_for(self, tokens: int, limit: int) -> float:
        """Return the moment at which so many tokens are free."""
        excess = sum(one.tokens for one in self._passed) + tokens - limit
        moment = 0.0
        for one in self._passed:
            if excess <= 0:
                break
            excess -= one.tokens
            moment = one.time + _WINDOW
        return moment

    async def _rest(self, turn: _Turn, wait: float | None) -> None:
        if wait is None:
            await turn.woken.wait()
            return
        time = timedelta(seconds=max(wait, _SHORTEST_WAIT))
        resting = [
            asyncio.ensure_future(self._clock.sleep(time)),
            asyncio.ensure_future(turn.woken.wait()),
        ]
        try:
            await asyncio.wait(resting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in resting:
                # Who is thrown away with its event loop has nothing left to end.
                if not one.get_loop().is_closed():
                    one.cancel()

    def _wake_first(self) -> None:
        """Wake who is first; an event loop that was closed with somebody waiting is passed over."""
        while self._queue and not self._queue[0].wake():
            self._queue.popleft()


_CLOCK = SystemClock()
_LONGEST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True)
class Limit:
    """What one provider is asked at most; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None

    def __post_init__(self) -> None:
        given = (self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests)
        if any(one is not None and one < 1 for one in given):
            raise ConfigurationError("a limit below 1 lets nothing pass", hint="give 1 or more")


_NO_LIMIT = Limit()


class RateLimits:
    """Lets calls to each provider pass in turn; many clients, event loops and threads share one.

    A pause that a provider wishes for is kept for `longest_pause` at most: after that its own
    answer says what is the matter, and nobody waits for hours without a word.
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
        """Return what calls to a provider go through."""
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
        """Let nothing pass to a provider for a while."""
        self.gate(provider).pause(min(seconds, self._longest))

    def hear(self, provider: str, told: RateLimitInfo | None) -> None:
        """Pause until the provider counts anew, when it says that nothing is left."""
        if told is None or 0 not in (told.requests_remaining, told.tokens_remaining):
            return
        seconds = told.reset_after
        if seconds is None and told.reset_at is not None:
            # By two clocks: all that is left where no span was told.
            seconds = (told.reset_at - self._clock.now()).total_seconds()
        self.pause(provider, max(0.0, seconds or 0.0))


_LETTERS_OF_A_TOKEN = 4
_TOKENS_OF_MEDIA = 1000


def estimated_tokens(request: Request) -> int:
    """Return about how many tokens a request may use: what it says, and what may be answered."""
    letters = sum(
        size for message in request.messages for part in message.content for size in _sizes(part)
    )
    tools = sum(len(one.description) + len(json.dumps(one.parameters)) for one in request.tools)
    return (letters + tools) // _LETTERS_OF_A_TOKEN + (request.max_tokens or 0) + 1


def _sizes(part: ContentPart) -> Iterator[int]:
    """Yield the size of a part in letters."""
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
    shown = part.image or part.audio or part.document
    if shown or (part.tool_result and part.tool_result.image_data):
        yield _TOKENS_OF_MEDIA * _LETTERS_OF_A_TOKEN


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
