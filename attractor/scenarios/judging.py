"""Builds the checks of a scenario from what the suite writes, and asks each of them."""

from collections.abc import Sequence
from typing import cast

from pydantic import BaseModel, ValidationError

from attractor.base.registry import Registry
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.observed import Check, CheckResult, Observed
from attractor.scenarios.suite import CheckSpec, Scenario, ServiceStep


def check_registry() -> Registry[type[Check]]:
    """Return the kinds of check by name."""
    return Registry("attractor.scenarios.checks", type[Check], noun="check")


def build_checks(scenario: Scenario, kinds: Registry[type[Check]]) -> list[Check]:
    """Build every check of a scenario, or say which one is written wrong."""
    return [
        _build(spec, f"{scenario.id}: checks.{number}", scenario, kinds)
        for number, spec in enumerate(scenario.checks)
    ]


async def judge_all(checks: Sequence[Check], observed: Observed) -> tuple[CheckResult, ...]:
    """Ask every check, also after one that does not hold."""
    return tuple([await check.judge(observed) for check in checks])


def _build(spec: CheckSpec, place: str, scenario: Scenario, kinds: Registry[type[Check]]) -> Check:
    kind = cast(type[BaseModel], kinds[spec.kind])
    try:
        check = kind.model_validate(spec.options)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidSuite(f"{place}: {key or spec.kind}: {first['msg']}") from error
    _require_step(getattr(check, "step", None), place, scenario)
    return cast(Check, check)


def _require_step(step: str | None, place: str, scenario: Scenario) -> None:
    names = [one.name for one in scenario.steps if not isinstance(one, ServiceStep)]
    if step is not None and step not in names:
        raise InvalidSuite(
            f"{place}: there is no step {step!r} to look at",
            hint=f"its steps are {', '.join(names) or 'none'}",
        )
