"""The time of a service: it stands still, goes on with each request, or runs as the machine's."""

from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import Field, field_validator, model_validator

from attractor.base.clock import Clock
from attractor.base.errors import UsageError
from attractor.twins.answer import Duration, Written

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)
"""No time can be written that is later."""


class WrittenClock(Written):
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
