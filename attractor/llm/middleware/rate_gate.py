"""A gate that calls to one provider pass in turn, from any event loop and any thread."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from attractor.base.clock import Clock

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
