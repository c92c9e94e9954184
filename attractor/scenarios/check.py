"""The checks of a scenario: their kinds, their input, and their results."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, cast

from pydantic import BaseModel, ValidationError, field_validator, model_validator

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.json import content_hash
from attractor.base.registry import Registry
from attractor.base.toml import KeyPath, TomlMistake, dotted
from attractor.environments.environment import ExecutionEnvironment
from attractor.scenarios.suite import CheckSpec, Scenario, ServiceStep, SuiteTable, mistakes_of


@dataclass(frozen=True)
class StepRecord:
    """The result of one step of a scenario: a command, a service or a request."""

    name: str
    exit_code: int | None = None
    stdout: str = ""
    stderr: str = ""
    timed_out: bool = False
    is_ready: bool | None = None
    http_status: int | None = None
    body: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Observation:
    """The results of all steps by name, and the environment in which they ran."""

    steps: Mapping[str, StepRecord]
    environment: ExecutionEnvironment


@dataclass(frozen=True)
class CheckResult:
    """The result of a check, with the reason and the hash of the evidence."""

    kind: str
    passed: bool
    score: float
    reason: str
    evidence: str


class Check(Protocol):
    """Checks an observation; the fields of the class are the options in the suite."""

    async def judge(self, observed: Observation) -> CheckResult:
        """Check the observation."""
        ...


def check_result(kind: str, *, passed: bool, reason: str, evidence: str) -> CheckResult:
    """Return a result with the score 0 or 1."""
    digest = content_hash(evidence.encode("utf-8", "surrogateescape"))
    return CheckResult(kind, passed, 1.0 if passed else 0.0, reason, digest)


def step_record(observed: Observation, kind: str, step: str) -> StepRecord | CheckResult:
    """Return the record of a step; if the step failed or did not run, return a failed result."""
    record = observed.steps.get(step)
    if record is None:
        return check_result(kind, passed=False, reason=f"step {step} did not run", evidence="")
    if record.trouble:
        reason = f"step {step}: {record.trouble}"
        return check_result(kind, passed=False, reason=reason, evidence=record.trouble)
    return record


def check_registry() -> Registry[type[Check]]:
    """Return the kinds of checks by name."""
    return Registry("attractor.scenarios.checks", type[Check], noun="check")


def build_checks(scenario: Scenario, kinds: Registry[type[Check]]) -> list[Check]:
    """Build the checks of a valid scenario."""
    return [_build(spec, kinds[spec.kind]) for spec in scenario.checks]


def check_mistakes(scenario: Scenario, kinds: Registry[type[Check]]) -> Iterator[TomlMistake]:
    """Yield the mistakes in the checks of a scenario."""
    for number, spec in enumerate(scenario.checks):
        yield from _mistakes(spec, ("checks", number), scenario, kinds)


async def judge_all(checks: Sequence[Check], observed: Observation) -> tuple[CheckResult, ...]:
    """Run every check, even if an earlier check failed."""
    return tuple([await check.judge(observed) for check in checks])


def _build(spec: CheckSpec, kind: type[Check]) -> Check:
    return cast(Check, cast(type[BaseModel], kind).model_validate(spec.options))


def _mistakes(
    spec: CheckSpec, at: KeyPath, scenario: Scenario, kinds: Registry[type[Check]]
) -> Iterator[TomlMistake]:
    try:
        kind = kinds[spec.kind]
    except UnknownName as error:
        yield TomlMistake((*at, "kind"), f"{dotted((*at, 'kind'))}: {error.message}", error.hint)
        return
    try:
        check = _build(spec, kind)
    except ValidationError as error:
        yield from mistakes_of(error, cast(type[BaseModel], kind), spec.options, at)
        return
    step = getattr(check, "step", None)
    names = [one.name for one in scenario.steps if not isinstance(one, ServiceStep)]
    if step is not None and step not in names:
        words = f"{dotted((*at, 'step'))}: unknown step {step!r}"
        yield TomlMistake((*at, "step"), words, f"steps: {', '.join(names) or 'none'}")


class TextExpectation(SuiteTable):
    """The expected content of a text, which must match all options that are set."""

    equals: str | None = None
    contains: str | None = None
    lacks: str | None = None
    matches: str | None = None

    @field_validator("matches")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"invalid regular expression: {error}") from error
        return pattern

    def mismatch(self, text: str) -> str:
        """Return the reason why a text does not match, or ""."""
        if self.equals is not None and text.strip() != self.equals.strip():
            return f"is not {self.equals.strip()!r}"
        if self.contains is not None and self.contains not in text:
            return f"does not contain {self.contains!r}"
        if self.lacks is not None and self.lacks in text:
            return f"contains {self.lacks!r}"
        if self.matches is not None and not re.search(self.matches, text, re.MULTILINE):
            return f"does not match {self.matches!r}"
        return ""

    @property
    def is_given(self) -> bool:
        """Whether any option is set."""
        return any(
            one is not None for one in (self.equals, self.contains, self.lacks, self.matches)
        )


class NonEmptyTextExpectation(TextExpectation):
    """A text expectation with at least one option."""

    @model_validator(mode="after")
    def _has_an_option(self) -> "NonEmptyTextExpectation":
        if not self.is_given:
            raise ValueError("set at least one of equals, contains, lacks and matches")
        return self
