"""Tells the time and waits: the machine's clock, and one that is turned by hand.

How long to wait before the next attempt, the same at every replay.
"""

import asyncio
import hashlib
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the date and time, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring."""
        return time.monotonic()

    async def sleep(self, duration: timedelta) -> None:
        """Wait."""
        await asyncio.sleep(duration.total_seconds())


@dataclass(frozen=True, eq=False)
class _Sleeper:
    due: timedelta
    woken: asyncio.Future[None]


_TURNS = 20


class ManualClock:
    """A clock that stands still until it is turned, so that tests wait for nothing."""

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
        """Return seconds that never go back, for measuring."""
        return self._elapsed.total_seconds()

    @property
    def sleepers(self) -> int:
        """How many are asleep."""
        return len(self._sleepers)

    async def sleep(self, duration: timedelta) -> None:
        """Wait until the clock was turned that far."""
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
        """Wait until so many are asleep."""
        while self.sleepers < count:
            await asyncio.sleep(0)

    async def turn(self, by: timedelta) -> None:
        """Let time go by: wake whoever is due, in order, and let each run for some turns."""
        if by < timedelta():
            raise UsageError("time does not go backwards", hint="use set_back for the date alone")
        until = self._elapsed + by
        while due := [one for one in self._sleepers if one.due <= until]:
            first = min(due, key=lambda one: one.due)
            self._elapsed = max(self._elapsed, first.due)
            self._sleepers.remove(first)
            if not first.woken.done():
                first.woken.set_result(None)
            await _let_others_run()
        self._elapsed = max(self._elapsed, until)

    def set_back(self, by: timedelta) -> None:
        """Set the date and time back, as an administrator does; monotonic() goes on."""
        self._wall -= by


async def _let_others_run() -> None:
    """Give the loop so many turns that a task gets from one sleep to the next, also by a gather."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


_LONGEST = timedelta(days=36_500)


@dataclass(frozen=True)
class Backoff:
    """Waits that grow by a factor up to a maximum, spread by a jitter that a seed decides."""

    initial: timedelta = timedelta(milliseconds=200)
    factor: float = 2.0
    maximum: timedelta = timedelta(seconds=60)
    jitter: bool = True

    def __post_init__(self) -> None:
        if not timedelta() <= self.initial <= self.maximum <= _LONGEST:
            raise UsageError(
                f"a backoff cannot start at {self.initial} and end at {self.maximum}",
                hint="the initial wait is not negative and not above the maximum",
            )
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise UsageError(
                f"a backoff cannot grow by the factor {self.factor}",
                hint="write 1 to wait the same each time, 2 to double the wait",
            )

    def delay(self, attempt: int, *, seed: str = "") -> timedelta:
        """Return how long to wait after an attempt; the first attempt is 1."""
        if attempt < 1:
            raise UsageError(f"there is no attempt {attempt}", hint="the first attempt is 1")
        microseconds = self._grown(attempt)
        if self.jitter:
            microseconds *= 0.5 + _fraction(f"{attempt}:{seed}")
        return timedelta(microseconds=round(microseconds))

    def _grown(self, attempt: int) -> float:
        # Step by step: a power can overflow, and its last digit depends on the platform.
        microsecond = timedelta(microseconds=1)
        wait, maximum = self.initial / microsecond, self.maximum / microsecond
        for _ in range(attempt - 1):
            if wait >= maximum or not wait or self.factor == 1:
                break
            wait *= self.factor
        return min(wait, maximum)


def _fraction(seed: str) -> float:
    """Return a number from 0 up to 1 that is the same for a seed on every machine."""
    digest = hashlib.sha256(seed.encode("utf-8", "surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53
