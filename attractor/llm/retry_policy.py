"""Retries failed calls to models (6.6)."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from attractor.base.backoff import Backoff
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.llm.errors import SDKError

T = TypeVar("T")
OnRetry = Callable[[SDKError, int, float], None]
_CLOCK = SystemClock()


def is_retryable(error: SDKError) -> bool:
    """Return whether the error can be retried."""
    return error.retryable


@dataclass(frozen=True)
class RetryPolicy:
    """Number of retries, and seconds between retries.

    A provider's `retry_after` takes precedence.
    """

    max_retries: int = 2
    base_delay: float = 1.0
    max_delay: float = 60.0
    backoff_multiplier: float = 2.0
    jitter: bool = True
    on_retry: OnRetry | None = None
    should_retry: Callable[[SDKError], bool] = is_retryable

    def delay_after(self, attempt: int, error: SDKError, *, seed: str) -> float | None:
        """Return the seconds to wait after a failed attempt (the first is 1); None to give up."""
        if attempt > self.max_retries or not self.should_retry(error):
            return None
        if error.retry_after is not None:
            # A longer wait than max_delay would look like a hang.
            return error.retry_after if error.retry_after <= self.max_delay else None
        backoff = Backoff(
            initial=timedelta(seconds=min(self.base_delay, self.max_delay)),
            factor=self.backoff_multiplier,
            maximum=timedelta(seconds=self.max_delay),
            jitter=self.jitter,
        )
        return backoff.delay(attempt, seed=seed).total_seconds()


async def retry(
    call: Callable[[], Awaitable[T]],
    *,
    policy: RetryPolicy,
    clock: Clock = _CLOCK,
    seed: str | None = None,
) -> T:
    """Repeat a call until it succeeds or the policy gives up; the seed determines the jitter."""
    jitter_seed = secrets.token_hex(8) if seed is None else seed
    attempt = 1
    while True:
        try:
            return await call()
        except SDKError as error:
            delay = policy.delay_after(attempt, error, seed=jitter_seed)
            if delay is None:
                raise
            if policy.on_retry is not None:
                policy.on_retry(error, attempt, delay)
        await clock.sleep(timedelta(seconds=delay))
        attempt += 1
