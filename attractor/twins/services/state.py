"""The state of a service: collections, values, random numbers, clock and rate limits."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Self, TypeAlias, cast
from uuid import UUID

from pydantic import Field, field_validator, model_validator

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.twins.errors import Rejection
from attractor.twins.exchange.answer import Duration, ScriptTable

Records: TypeAlias = dict[str, dict[str, Json]]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass
class ServiceState:
    """Collections and values; records are replaced, never changed in place."""

    seed: int = 0
    collections: dict[str, Records] = field(default_factory=dict[str, Records])
    values: dict[str, Json] = field(default_factory=dict[str, Json])
    counters: dict[str, int] = field(default_factory=dict[str, int])
    drawn: int = 0

    def copy(self) -> "ServiceState":
        """Return a copy that can be changed independently."""
        collections = {name: dict(records) for name, records in self.collections.items()}
        return ServiceState(
            self.seed, collections, dict(self.values), dict(self.counters), self.drawn
        )

    def tables(self) -> dict[str, Json]:
        """Return collections and values by name; a collection is an object of records by id."""
        return cast("dict[str, Json]", {**self.collections, **self.values})

    def copied_tables(self) -> dict[str, Json]:
        """Return a deep copy of everything that can be changed in place."""
        return deepcopy(self.tables())

    def restore_tables(self, tables: Mapping[str, Json]) -> None:
        """Replace everything with a changed copy."""
        for name in self.collections:
            self.collections[name] = cast("Records", tables[name])
        self.values = {
            name: value for name, value in tables.items() if name not in self.collections
        }

    def counter(self, name: str = "") -> int:
        """Return 1, then 2, and so on, for each name separately."""
        self.counters[name] = self.counters.get(name, 0) + 1
        return self.counters[name]

    def random(self, low: int, high: int) -> int:
        """Return a random integer from low to high, inclusive."""
        return self._draw().randint(low, high)

    def letters(self, count: int) -> str:
        """Return random letters and digits."""
        return "".join(self._draw().choices(_LETTERS, k=count))

    def uuid(self) -> str:
        """Return a random UUID."""
        return str(UUID(int=self._draw().getrandbits(128), version=4))

    def _draw(self) -> Random:
        self.drawn += 1
        return Random(f"{self.seed}/{self.drawn}")


START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
"""The last time that can be represented."""


class ClockTable(ScriptTable):
    """The start of a service's clock, and its step for each request."""

    start: datetime = Field(default=START)
    step: Duration = timedelta()
    real: bool = False

    @field_validator("start")
    @classmethod
    def _has_a_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("start has no time zone: add a Z")
        try:
            return value.astimezone(UTC)
        except OverflowError as cause:
            raise ValueError(f"{value} cannot be converted to UTC") from cause

    @model_validator(mode="after")
    def _has_no_conflict(self) -> Self:
        if self.real and self.model_fields_set & {"start", "step"}:
            raise ValueError("real cannot be combined with start and step")
        if self.step > END - self.start:
            raise ValueError(f"the first step exceeds {format_time(END)}, the last time")
        return self


class ServiceClock:
    """The clock of a service, and the total time by which the clock was advanced."""

    def __init__(self, table: ClockTable, machine: Clock) -> None:
        self._table = table
        self._machine = machine
        self._began = machine.now() if table.real else table.start
        self._advanced = timedelta()

    @property
    def now(self) -> datetime:
        """The date and time, in UTC."""
        now = self._machine.now() if self._table.real else self._began
        # A real clock advances also after END.
        return now + min(self._advanced, END - now)

    @property
    def elapsed(self) -> timedelta:
        """The time since the start."""
        return self.now - self._began

    @property
    def is_at_its_end(self) -> bool:
        """Whether the next step exceeds END."""
        return self._table.step > END - self.now

    def step(self) -> None:
        """Advance by the step of one request, unless the new time would exceed END."""
        if not self.is_at_its_end:
            self._advanced += self._table.step

    def advance(self, by: timedelta) -> None:
        """Advance the time."""
        if by > END - self.now:
            message = (
                f"cannot advance the clock from {format_time(self.now)} to after {format_time(END)}"
            )
            raise UsageError(message, hint="advance by less, or reset the twin")
        self._advanced += by

    def set(self, to: datetime) -> None:
        """Set a later time."""
        if to.tzinfo is None:
            raise UsageError("the time has no time zone", hint="add a Z")
        if to < self.now:
            message = f"the clock at {format_time(self.now)} cannot be set back"
            raise UsageError(message, hint="reset the twin")
        self.advance(to - self.now)


def format_time(time: datetime) -> str:
    """Return a time as `2026-01-01T00:00:00Z`; fractions of a second are omitted if they are 0."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


class RateLimit(ScriptTable):
    """The maximum of requests in each period; the first period begins with the clock."""

    requests: int = Field(ge=1)
    per: Duration

    @field_validator("per")
    @classmethod
    def _is_positive(cls, value: timedelta) -> timedelta:
        if not value:
            raise ValueError("`per` must be longer than 0s")
        return value


@dataclass
class RateLimiter:
    """Counts the requests in the current period of each limit."""

    windows: dict[str, tuple[int, int]]

    def count_or_reject(self, name: str, limit: RateLimit, elapsed: timedelta) -> None:
        """Count a request, or reject the request with the time until the next period."""
        window = elapsed // limit.per
        last, count = self.windows.get(name, (window, 0))
        count = count if last == window else 0
        if count >= limit.requests:
            rest = limit.per * (window + 1) - elapsed
            message = f"more than {limit.requests} requests in this period"
            raise Rejection(429, message, code="rate_limited", retry_after=rest)
        self.windows[name] = (window, count + 1)
