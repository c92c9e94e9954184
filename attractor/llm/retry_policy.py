"""Tries a call again when that may help (6.6)."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from attractor.base.clock import Backoff, Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.llm.errors import SDKError

T = TypeVar("T")
OnRetry = Callable[[SDKError, int, float], None]
_CLOCK = SystemClock()


def is_retryable(error: SDKError) -> bool:
    """Say whether the error itself thinks that another try may help."""
    return error.retryable


@dataclass(frozen=True)
class RetryPolicy:
    """How often to try again and how many seconds to wait; a provider's own wish comes first."""

    max_retries: int = 2
    base_delay: float = 1.0
    max_delay: float = 60.0
    backoff_multiplier: float = 2.0
    jitter: bool = True
    on_retry: OnRetry | None = None
    should_retry: Callable[[SDKError], bool] = is_retryable

    def delay_after(self, attempt: int, error: SDKError, *, seed: str) -> float | None:
        """Return the wait after a failed attempt (the first is 1), or None to give up."""
        if attempt > self.max_retries or not self.should_retry(error):
            return None
        if error.retry_after is None:
            return self._backoff().delay(attempt, seed=seed).total_seconds()
        # Waiting longer than was allowed would look like hanging: say so instead.
        return error.retry_after if error.retry_after <= self.max_delay else None

    def _backoff(self) -> Backoff:
        return Backoff(
            initial=timedelta(seconds=min(self.base_delay, self.max_delay)),
            factor=self.backoff_multiplier,
            maximum=timedelta(seconds=self.max_delay),
            jitter=self.jitter,
        )


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    policy: RetryPolicy,
    clock: Clock = _CLOCK,
    seed: str | None = None,
) -> T:
    """Make a call until it answers or the policy gives up; a seed makes the waits repeatable."""
    drawn = secrets.token_hex(8) if seed is None else seed
    attempt = 1
    while True:
        try:
            return await call()
        except SDKError as error:
            delay = policy.delay_after(attempt, error, seed=drawn)
            if delay is None:
                raise
            if policy.on_retry is not None:
                policy.on_retry(error, attempt, delay)
        await clock.sleep(timedelta(seconds=delay))
        attempt += 1
