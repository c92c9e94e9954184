"""Faults of a route or a service, and the requests they apply to."""

from typing import Annotated, Any, Self, cast

from pydantic import Field, model_validator

from attractor.twins.exchange.answer import Duration, Fault, FaultKind, ScriptTable, is_drawn

DELAY = "delay"
WHEN = ("on", "every", "first", "probability")
_OWN = frozenset({*WHEN, "performed", "delay"})
_NOT_PERFORMED = (FaultKind.STATUS, FaultKind.REFUSED)


class FaultRule(ScriptTable):
    """A fault, and the requests it applies to (default: all)."""

    fault: Fault | None = None
    delay: Duration | None = None
    on: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = ()
    every: int | None = Field(default=None, ge=1)
    first: int | None = Field(default=None, ge=1)
    probability: float | None = Field(default=None, gt=0, le=1)
    performed: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: object) -> object:
        """Collect the keys of the fault, which the file puts beside the keys of the rule."""
        if not isinstance(value, dict) or "fault" in value:
            return cast("object", value)
        table = cast("dict[str, Any]", value)
        own = {name: value for name, value in table.items() if name in _OWN}
        rest = {name: value for name, value in table.items() if name not in _OWN}
        return own if rest == {"kind": DELAY} else {**own, "fault": rest}

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        given = [name for name in WHEN if name in self.model_fields_set]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} exclude each other")
        if self.fault is None and self.delay is None:
            raise ValueError("the fault 'delay' needs a delay, such as '250ms'")
        if self.fault is None and self.performed is False:
            raise ValueError("a request with only a delay is always performed")
        return self

    @property
    def kind(self) -> str:
        """The kind of fault."""
        return self.fault.kind.value if self.fault else DELAY

    @property
    def is_performed(self) -> bool:
        """Whether the request is performed before the fault changes its response."""
        if self.performed is not None:
            return self.performed
        return self.fault is None or self.fault.kind not in _NOT_PERFORMED

    def matches(self, number: int, seed: int, place: str) -> bool:
        """Return whether it applies to the request of this number."""
        if self.on:
            return number in self.on
        if self.every is not None:
            return number % self.every == 0
        if self.first is not None:
            return number <= self.first
        if self.probability is not None:
            return is_drawn(self.probability, seed, place, number)
        return True
