"""Builds the checks of a scenario from what the suite writes, and asks each of them.

What a text should be: equal to, containing, or matching another.
"""

import re
from collections.abc import Iterator, Sequence
from typing import cast

from pydantic import BaseModel, ValidationError, field_validator, model_validator

from attractor.base.errors import UnknownName
from attractor.base.registry import Registry
from attractor.base.toml import KeyPath, dotted
from attractor.base.toml_errors import TomlMistake
from attractor.scenarios.errors import mistakes_of
from attractor.scenarios.evaluation import Check, CheckResult, Observed
from attractor.scenarios.suite import CheckSpec, Scenario, ServiceStep, SuiteTable


def check_registry() -> Registry[type[Check]]:
    """Return the kinds of check by name."""
    return Registry("attractor.scenarios.checks", type[Check], noun="check")


def build_checks(scenario: Scenario, kinds: Registry[type[Check]]) -> list[Check]:
    """Build every check of a scenario that was found to be written well."""
    return [_build(spec, kinds[spec.kind]) for spec in scenario.checks]


def wrong_checks(scenario: Scenario, kinds: Registry[type[Check]]) -> Iterator[TomlMistake]:
    """Yield every mistake in the checks of a scenario."""
    for number, spec in enumerate(scenario.checks):
        yield from _mistakes(spec, ("checks", number), scenario, kinds)


async def judge_all(checks: Sequence[Check], observed: Observed) -> tuple[CheckResult, ...]:
    """Ask every check, also after one that does not hold."""
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
        words = f"{dotted((*at, 'step'))}: there is no step {step!r} to look at"
        yield TomlMistake((*at, "step"), words, f"its steps are {', '.join(names) or 'none'}")


class TextExpectation(SuiteTable):
    """At least one demand on a text; all of them must hold."""

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
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern

    def shortcoming(self, text: str) -> str:
        """Say which demand a text does not meet; nothing when it meets them all."""
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
    def demands(self) -> bool:
        """Whether it asks for anything."""
        return any(
            one is not None for one in (self.equals, self.contains, self.lacks, self.matches)
        )


class TextDemand(TextExpectation):
    """An expectation that must ask for something, because a check that can't fail is none."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> "TextDemand":
        if not self.demands:
            raise ValueError("give one of equals, contains, lacks and matches")
        return self
