"""What a service remembers: its collections and values, and what was drawn by chance.

The time of a service: it stands still, goes on with each request, or runs as the machine's.

How many requests are let through in a time, by the twin's clock.
"""

from collections.abc import Mapping, MutableMapping
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
class State:
    """A state that one request at a time may change; its records are replaced, never changed."""

    seed: int = 0
    collections: dict[str, Records] = field(default_factory=dict[str, Records])
    values: dict[str, Json] = field(default_factory=dict[str, Json])
    counters: dict[str, int] = field(default_factory=dict[str, int])
    drawn: int = 0

    def copy(self) -> "State":
        """Return one that can be changed without this one."""
        collections = {name: dict(records) for name, records in self.collections.items()}
        return State(self.seed, collections, dict(self.values), dict(self.counters), self.drawn)

    def tables(self) -> dict[str, Json]:
        """Return all of it by name, each collection as a table of its records by id."""
        return cast("dict[str, Json]", {**self.collections, **self.values})

    def loose_tables(self) -> dict[str, Json]:
        """Return a copy of all of it that may be changed in place."""
        return deepcopy(self.tables())

    def put_back(self, tables: Mapping[str, Json]) -> None:
        """Take over what such a copy has become."""
        for name in self.collections:
            self.collections[name] = cast("Records", tables[name])
        self.values = {
            name: value for name, value in tables.items() if name not in self.collections
        }

    def counter(self, name: str = "") -> int:
        """Return 1, then 2, and so on, for each name by itself."""
        self.counters[name] = self.counters.get(name, 0) + 1
        return self.counters[name]

    def random(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return self._draw().randint(low, high)

    def letters(self, count: int) -> str:
        """Return so many letters and digits."""
        return "".join(self._draw().choices(_LETTERS, k=count))

    def uuid(self) -> str:
        """Return a UUID."""
        return str(UUID(int=self._draw().getrandbits(128), version=4))

    def _draw(self) -> Random:
        self.drawn += 1
        return Random(f"{self.seed}/{self.drawn}")


START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
"""No time can be written that is later."""


class WrittenClock(ScriptTable):
    """When a service's time begins, and how it goes on."""

    start: datetime = Field(default=START)
    step: Duration = timedelta()
    real: bool = False

    @field_validator("start")
    @classmethod
    def _has_a_zone(cls, value: datetime) -> datetime:
        if value.tzinfo is None:
            raise ValueError("a start needs a time zone: write a Z behind it")
        try:
            return value.astimezone(UTC)
        except OverflowError as cause:
            raise ValueError(f"{value} cannot be written in UTC") from cause

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.real and self.model_fields_set & {"start", "step"}:
            raise ValueError("a real clock takes no start and no step")
        if self.step > END - self.start:
            raise ValueError(f"the first step leads behind {written_time(END)}, the last time")
        return self


class ServiceClock:
    """Tells the time of a service; what it is turned by counts on top of how it goes."""

    def __init__(self, written: WrittenClock, machine: Clock) -> None:
        self._written = written
        self._machine = machine
        self._began = machine.now() if written.real else written.start
        self._turned = timedelta()

    @property
    def now(self) -> datetime:
        """The date and time, in UTC."""
        now = self._machine.now() if self._written.real else self._began
        # A real one goes on by itself, also at the end of time.
        return now + min(self._turned, END - now)

    @property
    def elapsed(self) -> timedelta:
        """How much time went by since it began."""
        return self.now - self._began

    @property
    def is_at_its_end(self) -> bool:
        """Whether no time can be written that is a step later."""
        return self._written.step > END - self.now

    def step(self) -> None:
        """Let the time of one request go by, unless there is none left."""
        if not self.is_at_its_end:
            self._turned += self._written.step

    def advance(self, by: timedelta) -> None:
        """Let time go by."""
        if by > END - self.now:
            told = f"it is {written_time(self.now)}, and no time is later than {written_time(END)}"
            raise UsageError(told, hint="let less time go by, or reset the twin to begin anew")
        self._turned += by

    def set(self, to: datetime) -> None:
        """Go to a later time."""
        if to.tzinfo is None:
            raise UsageError("a time needs a time zone", hint="write a Z behind it")
        if to < self.now:
            told = f"it is {written_time(self.now)} already, and time does not go backwards"
            raise UsageError(told, hint="reset the twin to begin anew")
        self.advance(to - self.now)


def written_time(time: datetime) -> str:
    """Write a time as `2026-01-01T00:00:00Z`, with parts of a second only when there are any."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


Windows = MutableMapping[str, tuple[int, int]]


class Limit(ScriptTable):
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
