"""Describes a plan to the person who reviews it: a change of the specification, not of code."""

from collections.abc import Iterator, Sequence
from typing import cast

from attractor.growth.identity import Coverage
from attractor.growth.morph import type_of
from attractor.growth.plans.collisions import Collision
from attractor.growth.plans.plan import Plan, PlanStep
from attractor.growth.specification.difference import compare_specs
from attractor.growth.specification.store import spec_id


def mutation_text(
    plan: Plan, identity: Coverage, collisions: Sequence[Collision], gates: Sequence[str] = ()
) -> str:
    """Return the description of a plan in Markdown; `gates` says what changes for gates."""
    return "\n".join(_lines(plan, identity, collisions, gates)) + "\n"


def _lines(
    plan: Plan, identity: Coverage, collisions: Sequence[Collision], gates: Sequence[str]
) -> Iterator[str]:
    yield f"# Plan {plan.id}"
    yield ""
    yield f"From `{spec_id(plan.base)}` to `{spec_id(plan.result)}`, risk {plan.risk}."
    yield f"Identity: {identity.machine_checked} of {identity.lines} lines machine-checked."
    yield from _section("Missing scenarios", [f"- {one}" for one in identity.missing])
    yield from _section("Gates whose evidence or words change", [f"- {one}" for one in gates])
    yield from _section("Desires", [f"> {desire.goal}" for desire in plan.desires])
    yield from _section("Morphs", [line for step in plan.steps for line in _step_lines(step)])
    changes = compare_specs(plan.base, plan.result)
    yield from _section("Changes of the specification", [f"- {one.describe()}" for one in changes])
    migrations = [step.migration.describe() for step in plan.steps if step.migration]
    yield from _section("Changes of recorded state", [f"- {migration}" for migration in migrations])
    irreversible = [step_line(step) for step in plan.steps if not step.is_reversible]
    yield from _section("Irreversible", [f"- {one}" for one in irreversible])
    yield from _section("Tests", [f"- {test}" for test in plan.tests])
    yield from _section("Collisions", [f"- {collision_line(plan, one)}" for one in collisions])


def _section(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"## {title}", "", *lines)


def _step_lines(step: PlanStep) -> Iterator[str]:
    yield f"- {step_line(step)}"
    for verb, ids in (("reads", step.touched.reads), ("writes", step.touched.writes)):
        if ids:
            yield f"  {verb} {', '.join(sorted(ids))}"


def step_line(step: PlanStep) -> str:
    """Return a morph with its parameters, plate, level and risk in one line."""
    planned = step.planned
    parameters = planned.morph.model_dump(mode="json", exclude_defaults=True)
    words = ", ".join(f"{key} {_shown(one)}" for key, one in parameters.items())
    rules = f"plate {planned.plate}, level {planned.level}, risk {planned.risk}"
    return f"{step.id} {type_of(planned.morph)} ({words}): {rules}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[object]", value)))
    return str(value)


def collision_line(plan: Plan, collision: Collision) -> str:
    """Return a collision as the plan sees it."""
    other = collision.second if collision.first == plan.id else collision.first
    return f"{other}: {collision.reason}"
