"""Delays between attempts."""

import hashlib
import math
from datetime import timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError

_LONGEST = timedelta(days=36_500)


@dataclass(frozen=True)
class Backoff:
    """Delays that grow by a factor up to a maximum, with jitter derived from a seed."""

    initial: timedelta = timedelta(milliseconds=200)
    factor: float = 2.0
    maximum: timedelta = timedelta(seconds=60)
    jitter: bool = True

    def __post_init__(self) -> None:
        if not timedelta() <= self.initial <= self.maximum <= _LONGEST:
            raise UsageError(
                f"invalid backoff from {self.initial} to {self.maximum}",
                hint="the initial delay must be from 0s to the maximum",
            )
        if not (math.isfinite(self.factor) and self.factor >= 1):
            raise UsageError(
                f"invalid backoff factor {self.factor}",
                hint="use 1 for a constant delay, 2 to double it",
            )

    def delay(self, attempt: int, *, seed: str = "") -> timedelta:
        """Return the delay after an attempt; the first attempt is 1."""
        if attempt < 1:
            raise UsageError(f"invalid attempt number {attempt}", hint="the first attempt is 1")
        # Multiplied step by step: a power can overflow, and its last digit depends on the platform.
        microsecond = timedelta(microseconds=1)
        wait, maximum = self.initial / microsecond, self.maximum / microsecond
        for _ in range(attempt - 1):
            if wait >= maximum or not wait or self.factor == 1:
                break
            wait *= self.factor
        microseconds = min(wait, maximum)
        if self.jitter:
            digest = hashlib.sha256(f"{attempt}:{seed}".encode("utf-8", "surrogatepass")).digest()
            # A number from 0 to 1 that depends on the seed alone.
            microseconds *= 0.5 + (int.from_bytes(digest[:8], "big") >> 11) / 2**53
        return timedelta(microseconds=round(microseconds))
