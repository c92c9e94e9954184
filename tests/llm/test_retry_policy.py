import asyncio
from datetime import timedelta

import pytest

from attractor.base.clock import ManualClock
from attractor.llm import (
    NetworkError,
    RateLimitError,
    RequestTimeoutError,
    RetryPolicy,
    SDKError,
    retry,
)

LONG = timedelta(hours=1)
STEADY = RetryPolicy(jitter=False)


class Flaky:
    """Fails a number of times before it answers, and records the times of its calls."""

    def __init__(self, clock: ManualClock, *errors: SDKError) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.called_at: list[float] = []

    async def __call__(self) -> str:
        self.called_at.append(self.clock.monotonic())
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def limited(retry_after: float | None = None) -> RateLimitError:
    return RateLimitError("slow", provider="openai", retry_after=retry_after)


def run(policy: RetryPolicy, *errors: SDKError, seed: str | None = "a") -> tuple[str, list[float]]:
    """Return the result, and the second of each call."""
    clock = ManualClock()
    flaky = Flaky(clock, *errors)

    async def trying() -> str:
        task = asyncio.ensure_future(retry(flaky, policy=policy, clock=clock, seed=seed))
        while not task.done():
            await asyncio.sleep(0)
            if clock.sleepers:
                await clock.turn(LONG)
        try:
            return task.result()
        except SDKError as error:
            return type(error).__name__

    return asyncio.run(trying()), flaky.called_at


def test_custom_predicate_decides_about_retries() -> None:
    policy = RetryPolicy(jitter=False, should_retry=lambda error: True)
    assert run(policy, RequestTimeoutError())[0] == "answer"


def test_delays_are_repeatable_with_a_seed_only() -> None:
    def recording_policy(into: list[float]) -> RetryPolicy:
        return RetryPolicy(on_retry=lambda error, attempt, delay: into.append(delay))

    once, again, one, other = list[float](), list[float](), list[float](), list[float]()
    run(recording_policy(once), NetworkError(), NetworkError())
    run(recording_policy(again), NetworkError(), NetworkError())
    assert once == again
    run(recording_policy(one), NetworkError(), NetworkError(), seed=None)
    run(recording_policy(other), NetworkError(), NetworkError(), seed=None)
    assert one != other


def test_every_retry_is_reported() -> None:
    messages: list[tuple[str, int, float]] = []
    policy = RetryPolicy(
        jitter=False,
        on_retry=lambda error, attempt, delay: messages.append(
            (type(error).__name__, attempt, delay)
        ),
    )
    run(policy, NetworkError(), limited(3.0))
    assert messages == [("NetworkError", 1, 1.0), ("RateLimitError", 2, 3.0)]


def test_other_errors_are_not_touched() -> None:
    async def broken() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(retry(broken, policy=STEADY))
