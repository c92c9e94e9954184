"""The machine's clock, and a clock for tests."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError


class Clock(Protocol):
    """A clock: returns the current time, and can sleep."""

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never decrease, for measuring."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Sleep."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never decrease, for measuring."""
        return time.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Sleep."""
        await asyncio.sleep(duration.total_seconds())


@dataclass(frozen=True, eq=False)
class _Sleeper:
    due: timedelta
    woken: asyncio.Future[None]


_TURNS = 20


class ManualClock:
    """A clock that only `turn` advances, so that tests do not wait."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if start.tzinfo is None:
            raise UsageError("a clock's start needs a time zone", hint="write tzinfo=UTC")
        self._wall = start.astimezone(UTC)
        self._elapsed = timedelta()
        self._sleepers: list[_Sleeper] = []

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return self._wall + self._elapsed

    def monotonic(self) -> float:
        """Return seconds that never decrease, for measuring."""
        return self._elapsed.total_seconds()

    @property
    def sleepers(self) -> int:
        """The number of sleeping tasks."""
        return len(self._sleepers)

    async def sleep(self, duration: timedelta) -> None:
        """Sleep until `turn` has advanced the clock far enough."""
        if duration <= timedelta():
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        sleeper = _Sleeper(self._elapsed + duration, woken)
        self._sleepers.append(sleeper)
        try:
            await woken
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    async def until_asleep(self, count: int = 1) -> None:
        """Wait until this number of tasks sleep."""
        while self.sleepers < count:
            await asyncio.sleep(0)

    async def turn(self, by: timedelta) -> None:
        """Advance the time: wake due sleepers in order, and let each run."""
        if by < timedelta():
            raise UsageError(
                "a clock cannot be turned backwards", hint="use set_back to change the date alone"
            )
        until = self._elapsed + by
        while due := [sleeper for sleeper in self._sleepers if sleeper.due <= until]:
            first = min(due, key=lambda sleeper: sleeper.due)
            self._elapsed = max(self._elapsed, first.due)
            self._sleepers.remove(first)
            if not first.woken.done():
                first.woken.set_result(None)
            # Often enough for other tasks to reach their next sleep, even inside a gather.
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        self._elapsed = max(self._elapsed, until)

    def set_back(self, by: timedelta) -> None:
        """Set the date back, as an administrator does; monotonic() continues."""
        self._wall -= by
