"""How much may be asked of each provider in a minute: one object for all clients of a process."""

import threading
from collections.abc import Mapping
from datetime import timedelta

from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.llm.errors import ConfigurationError
from attractor.llm.middleware.rate_gate import RateGate
from attractor.llm.response import RateLimitInfo

_CLOCK = SystemClock()
_LONGEST_PAUSE = timedelta(minutes=1)


@dataclass(frozen=True)
class Limit:
    """What one provider is asked at most; None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None

    def __post_init__(self) -> None:
        given = (self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests)
        if any(one is not None and one < 1 for one in given):
            raise ConfigurationError("a limit below 1 lets nothing pass", hint="give 1 or more")


_NO_LIMIT = Limit()


class RateLimits:
    """Lets calls to each provider pass in turn; many clients, event loops and threads share one.

    A pause that a provider wishes for is kept for `longest_pause` at most: after that its own
    answer says what is the matter, and nobody waits for hours without a word.
    """

    def __init__(
        self,
        limits: Mapping[str, Limit] | None = None,
        *,
        clock: Clock = _CLOCK,
        longest_pause: timedelta = _LONGEST_PAUSE,
    ) -> None:
        self._limits = dict(limits or {})
        self._clock = clock
        self._longest = longest_pause.total_seconds()
        self._lock = threading.Lock()
        self._gates: dict[str, RateGate] = {}

    def gate(self, provider: str) -> RateGate:
        """Return what calls to a provider go through."""
        with self._lock:
            if provider not in self._gates:
                limit = self._limits.get(provider, _NO_LIMIT)
                self._gates[provider] = RateGate(
                    requests=limit.requests_per_minute,
                    tokens=limit.tokens_per_minute,
                    at_once=limit.concurrent_requests,
                    clock=self._clock,
                )
            return self._gates[provider]

    def pause(self, provider: str, seconds: float) -> None:
        """Let nothing pass to a provider for a while."""
        self.gate(provider).pause(min(seconds, self._longest))

    def hear(self, provider: str, told: RateLimitInfo | None) -> None:
        """Pause until the provider counts anew, when it says that nothing is left."""
        if told is None or 0 not in (told.requests_remaining, told.tokens_remaining):
            return
        seconds = told.reset_after
        if seconds is None and told.reset_at is not None:
            # By two clocks: all that is left where no span was told.
            seconds = (told.reset_at - self._clock.now()).total_seconds()
        self.pause(provider, max(0.0, seconds or 0.0))
