"""How long to wait before the next attempt, the same at every replay."""

import hashlib
import math
from datetime import timedelta

from attractor.base.errors import UsageError
from attractor.base.late_dataclass import dataclass

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
