"""A suite as people write it: scenarios with steps and checks, and what the gate asks of them."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from attractor.base.durations import parse_duration
from attractor.base.errors import InvalidDuration

MOST_TRIALS = 1000
"""How often a scenario may be played in one evaluation."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_FRACTION = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18}|/[0-9]{1,18})?")


def _as_duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("a duration is a text such as 30s")
    try:
        return parse_duration(value)
    except InvalidDuration as error:
        raise ValueError(f"{error.message}; {error.hint}") from error


def _as_fraction(value: object) -> object:
    if isinstance(value, str) and not _FRACTION.fullmatch(value):
        # An exponent of many digits would be worked out for ever.
        raise ValueError("write a number, such as 0.9 or 9/10")
    try:
        # By way of its text: 0.9 as a float is a little more than nine tenths.
        return Fraction(str(value)) if isinstance(value, int | float | str) else value
    except ZeroDivisionError as error:
        raise ValueError("nothing can be divided by 0") from error


def _is_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("small letters, digits, - and _ only, the first no - or _")
    return name


Exact = Annotated[Fraction, BeforeValidator(_as_fraction)]
Duration = Annotated[timedelta, BeforeValidator(_as_duration)]
Name = Annotated[str, AfterValidator(_is_name)]


class SuiteTable(BaseModel):
    """Something people write: it takes no key it does not know and can't be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TrialSettings(SuiteTable):
    """How often each scenario is played, and with what patience."""

    n: int = Field(default=1, ge=1)
    timeout: Duration = timedelta(seconds=60)
    infra_retries: int = Field(default=1, ge=0)

    @field_validator("n")
    @classmethod
    def _can_be_played(cls, n: int) -> int:
        if n > MOST_TRIALS:
            raise ValueError(
                f"more than {MOST_TRIALS}: every trial is really played, one after the other"
            )
        return n


class GateSettings(SuiteTable):
    """What the gate asks for before it says go."""

    min_satisfaction: Exact = Field(default=Fraction(1), ge=0, le=1)
    min_lower_bound: float = Field(default=0.0, ge=0, lt=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


class CommandStep(SuiteTable):
    """A shell command, run to its end in the candidate's folder."""

    name: Name
    run: str
    timeout: Duration | None = None


class ServiceStep(SuiteTable):
    """A command that goes on in the background until a port of it answers."""

    name: Name
    service: str
    port: int = Field(ge=1, le=65535)
    ready: Duration = timedelta(seconds=10)


class RequestStep(SuiteTable):
    """An HTTP request to a port inside."""

    name: Name
    port: int = Field(ge=1, le=65535)
    path: str = "/"
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    body: str = ""
    timeout: Duration | None = None


STEP_KINDS: Mapping[str, type[SuiteTable]] = {
    "a command step": CommandStep,
    "a service step": ServiceStep,
    "a request step": RequestStep,
}
"""What the kinds of step are called among ourselves; no key has a blank in it."""


def _kind_of_step(step: object) -> str | None:
    """Tell the kind by what only it has, so that a mistake is told of that kind alone."""
    if not isinstance(step, dict):
        return next((kind for kind, model in STEP_KINDS.items() if type(step) is model), None)
    keys = cast("dict[str, object]", step).keys()
    told = {"run": "a command step", "service": "a service step", "port": "a request step"}
    return next((kind for key, kind in told.items() if key in keys), None)


Step = Annotated[
    Annotated[CommandStep, Tag("a command step")]
    | Annotated[ServiceStep, Tag("a service step")]
    | Annotated[RequestStep, Tag("a request step")],
    Discriminator(
        _kind_of_step,
        custom_error_type="step_kind",
        custom_error_message="a step has one of run, service and port",
    ),
]


class CheckSpec(SuiteTable):
    """One check: its kind is a file in `checks/`; the other keys are that kind's own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str

    @property
    def options(self) -> dict[str, Any]:
        """Everything written but the kind."""
        return dict(self.model_extra or {})


class Scenario(SuiteTable):
    """A story of what somebody does and what must then be true."""

    id: Name
    title: str
    story: str
    split: Literal["train", "holdout"] = "holdout"
    weight: Exact = Field(default=Fraction(1), gt=0)
    min_pass_rate: Exact = Field(default=Fraction(1), gt=0, le=1)
    setup: tuple[str, ...] = ()
    steps: tuple[Step, ...] = Field(min_length=1)
    checks: tuple[CheckSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_apart(self) -> "Scenario":
        names = [step.name for step in self.steps]
        if len(names) != len(set(names)):
            raise ValueError("two steps have the same name")
        return self


class SuiteSettings(SuiteTable):
    """What stands in `suite.toml`."""

    name: Name
    pipeline: str
    trials: TrialSettings = TrialSettings()
    gate: GateSettings = GateSettings()


class Suite(SuiteTable):
    """A whole suite."""

    settings: SuiteSettings
    scenarios: tuple[Scenario, ...]

    def of_split(self, split: str) -> Sequence[Scenario]:
        """Return the scenarios of one split, in the order of their ids."""
        return [one for one in self.scenarios if one.split == split]
