"""Limits on the requests of each caller, and on refused requests."""

from collections import Counter, OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from math import inf
from typing import TypeVar

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.server.errors import TooManyRequests

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """The limits on requests."""

    body_bytes: int = 4 << 20
    webhook_bytes: int = 25 << 20
    """The largest body that GitHub sends."""

    body_s: float = 30
    """The time in which the whole body has to arrive."""

    requests_per_s: float = 100
    """Enough for the pages of several busy runs."""

    burst: int = 1000
    """The number of requests that a caller may send at once after a pause."""

    open_requests: int = 300
    """The number of requests of a caller at one time, such as streams of events."""

    refusals: int = 20
    """The number of refused requests of an address or caller in a window. Further ones are
    answered with 429, and are not logged."""

    window_s: float = 60
    remembered: int = 10_000
    """The number of callers and addresses whose requests are counted."""


LIMITS = Limits()
UNLIMITED = Limits(requests_per_s=inf, burst=10**9, open_requests=10**9, refusals=10**9)
"""No limits on the number of requests."""


@dataclass
class _Bucket:
    left: float
    at: float


@dataclass
class _Window:
    ends: float
    count: int = 0


class RequestLimits:
    """Counts the requests of each caller. A caller without requests is forgotten."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._open: Counter[str] = Counter()

    @contextmanager
    def counted(self, caller: str) -> Generator[None]:
        """Count a request of a caller until the block ends; refuse one too many."""
        limits, now = self._limits, self._clock.monotonic()
        bucket = self._buckets.setdefault(caller, _Bucket(limits.burst, now))
        _forget_oldest(self._buckets, caller, limits.remembered)
        bucket.left += (now - bucket.at) * limits.requests_per_s
        bucket.left, bucket.at = min(bucket.left, limits.burst), now
        if bucket.left < 1:
            raise TooManyRequests(f"{caller} sends more than {limits.requests_per_s:g} a second")
        bucket.left -= 1
        if self._open[caller] >= self._limits.open_requests:
            raise TooManyRequests(f"{caller} has {self._open[caller]} open requests")
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            if not self._open[caller]:
                del self._open[caller]


class RefusalLimit:
    """Counts the refused requests of each address and caller."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def count(self, sender: str) -> bool:
        """Count a refused request; return whether the sender is within the limit."""
        now = self._clock.monotonic()
        window = self._windows.get(sender)
        if window is None or now >= window.ends:
            window = self._windows[sender] = _Window(now + self._limits.window_s)
        _forget_oldest(self._windows, sender, self._limits.remembered)
        window.count += 1
        return window.count <= self._limits.refusals

    def is_exceeded(self, sender: str) -> bool:
        """Return whether a sender had as many refused requests as the limit allows."""
        window = self._windows.get(sender)
        if window is None or self._clock.monotonic() >= window.ends:
            return False
        return window.count >= self._limits.refusals


def _forget_oldest(counted: OrderedDict[str, T], newest: str, most: int) -> None:
    counted.move_to_end(newest)
    while len(counted) > most:
        counted.popitem(last=False)
