"""Builds the checks of a scenario from what the suite writes, and asks each of them."""

from collections.abc import Iterator, Sequence
from typing import cast

from pydantic import BaseModel, ValidationError

from attractor.base.errors import UnknownName
from attractor.base.registry import Registry
from attractor.base.toml import KeyPath, dotted
from attractor.scenarios.mistakes import Mistake, mistakes_of
from attractor.scenarios.observed import Check, CheckResult, Observed
from attractor.scenarios.suite import CheckSpec, Scenario, ServiceStep


def check_registry() -> Registry[type[Check]]:
    """Return the kinds of check by name."""
    return Registry("attractor.scenarios.checks", type[Check], noun="check")


def build_checks(scenario: Scenario, kinds: Registry[type[Check]]) -> list[Check]:
    """Build every check of a scenario that was found to be written well."""
    return [_build(spec, kinds[spec.kind]) for spec in scenario.checks]


def wrong_checks(scenario: Scenario, kinds: Registry[type[Check]]) -> Iterator[Mistake]:
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
) -> Iterator[Mistake]:
    try:
        kind = kinds[spec.kind]
    except UnknownName as error:
        yield Mistake((*at, "kind"), f"{dotted((*at, 'kind'))}: {error.message}", error.hint)
        return
    try:
        check = _build(spec, kind)
    except ValidationError as error:
        yield from mistakes_of(error, cast(type[BaseModel], kind), at)
        return
    step = getattr(check, "step", None)
    names = [one.name for one in scenario.steps if not isinstance(one, ServiceStep)]
    if step is not None and step not in names:
        words = f"{dotted((*at, 'step'))}: there is no step {step!r} to look at"
        yield Mistake((*at, "step"), words, f"its steps are {', '.join(names) or 'none'}")
