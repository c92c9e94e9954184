"""A clock for tests, in which long waits take no time."""

import asyncio
import threading
from datetime import datetime, timedelta

from attractor.base.clock import ManualClock
from attractor.base.errors import MachineryError, UsageError

_TIMEOUT_S = 10.0


class VirtualClock:
    """A clock that stops until a test advances it, or that skips every wait.

    If the clock skips waits, it advances by the length of each wait. The waits of simultaneous
    requests add up, so use such a clock for one request at a time.
    """

    def __init__(self, *, jumps: bool = False) -> None:
        self._clock = ManualClock()
        self._jumps = jumps
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = threading.Condition()

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the seconds since the start."""
        return self._clock.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Wait until the clock has advanced by a duration."""
        if self._jumps:
            await self._clock.turn(duration)
            return
        self._loop = asyncio.get_running_loop()
        waiting = asyncio.ensure_future(self._clock.sleep(duration))
        await asyncio.sleep(0)
        with self._changed:
            self._changed.notify_all()
        try:
            await waiting
        finally:
            waiting.cancel()

    def until_waiting(self, count: int = 1) -> None:
        """Wait in the test's thread until a number of replies wait for the clock."""
        with self._changed:
            waits = self._changed.wait_for(lambda: self._clock.sleepers >= count, _TIMEOUT_S)
        if not waits:
            raise MachineryError(
                f"only {self._clock.sleepers} of {count} replies wait for the clock"
            )

    def advance(self, seconds: float) -> None:
        """Advance the clock from the test's thread; replies that are due continue in order."""
        self._require_thread()
        turning = self.turn(seconds)
        if self._loop is None or self._loop.is_closed():
            asyncio.run(turning)
            return
        asyncio.run_coroutine_threadsafe(turning, self._loop).result(_TIMEOUT_S)

    async def turn(self, seconds: float) -> None:
        """Advance the clock in the event loop of the twin."""
        await self._clock.turn(timedelta(seconds=seconds))

    def _require_thread(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise UsageError("advance() would block the event loop", hint="use await turn(seconds)")
