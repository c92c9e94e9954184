"""A clock for tests, in which long waits take no time."""

import asyncio
import threading
from datetime import datetime, timedelta

from attractor.base.clock import ManualClock
from attractor.base.errors import MachineryError, UsageError

_PATIENCE = 10.0


class VirtualClock:
    """Stands still until a test lets time go by, or jumps over every wait by itself.

    A clock that jumps is ahead by all that was waited for. With several requests at once their
    waits add up, so it is meant for one after another.
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
        """Return the seconds that have gone by."""
        return self._clock.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Wait until time went by that far."""
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
        """Wait, in a test's own thread, until so many replies wait for the time."""
        with self._changed:
            waits = self._changed.wait_for(lambda: self._clock.sleepers >= count, _PATIENCE)
        if not waits:
            raise MachineryError(f"only {self._clock.sleepers} of {count} wait for the clock")

    def advance(self, seconds: float) -> None:
        """Let time go by, from a test's own thread; whoever is due goes on, in order."""
        self._refuse_in_a_loop()
        turned = self.turn(seconds)
        if self._loop is None or self._loop.is_closed():
            asyncio.run(turned)
            return
        asyncio.run_coroutine_threadsafe(turned, self._loop).result(_PATIENCE)

    async def turn(self, seconds: float) -> None:
        """Let time go by, in the event loop of the twin itself."""
        await self._clock.turn(timedelta(seconds=seconds))

    def _refuse_in_a_loop(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise UsageError("advance waits for others", hint="await turn(seconds) instead")
