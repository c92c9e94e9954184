"""How many requests are let through in a time, by the twin's clock."""

from collections.abc import MutableMapping
from datetime import timedelta

from pydantic import Field, field_validator

from attractor.base.dataclasses import dataclass
from attractor.twins.answer import Duration, Written
from attractor.twins.errors import Rejection

Windows = MutableMapping[str, tuple[int, int]]


class Limit(Written):
    """So many requests in each stretch of time, the first of which begins with the clock."""

    requests: int = Field(ge=1)
    per: Duration

    @field_validator("per")
    @classmethod
    def _lasts(cls, value: timedelta) -> timedelta:
        if not value:
            raise ValueError("per has to be longer than 0s")
        return value


@dataclass
class Gauge:
    """Counts what passed each limit in its present stretch of time."""

    windows: dict[str, tuple[int, int]]

    def pass_or_reject(self, name: str, limit: Limit, elapsed: timedelta) -> None:
        """Count a request, or reject it with the time after which to try again."""
        window = elapsed // limit.per
        last, count = self.windows.get(name, (window, 0))
        count = count if last == window else 0
        if count >= limit.requests:
            rest = limit.per * (window + 1) - elapsed
            told = f"more than {limit.requests} requests in this stretch of time"
            raise Rejection(429, told, code="rate_limited", retry_after=rest)
        self.windows[name] = (window, count + 1)
