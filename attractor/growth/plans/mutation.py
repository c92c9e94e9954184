"""Describes a plan to the person who reviews it: a change of the specification, not of code.

The text follows from the plan alone, which pins its hash; `checks_text` says what rules find now.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from attractor.growth.identity import Coverage
from attractor.growth.morph import type_of
from attractor.growth.plans.collisions import Collision
from attractor.growth.plans.plan import Plan, PlanStep
from attractor.growth.specification.store import spec_id


def mutation_text(plan: Plan) -> str:
    """Return the description of a plan in Markdown, below its title."""
    return "\n".join(_lines(plan)) + "\n"


def checks_text(
    plan: Plan, identity: Coverage, collisions: Sequence[Collision], gates: Sequence[str] = ()
) -> str:
    """Return what rules say of a plan now, in Markdown; `gates` says what changes for gates."""
    lines = ["", f"Identity: {identity.machine_checked} of {identity.lines} lines machine-checked."]
    lines += _section("Missing scenarios", [f"- {one}" for one in identity.missing])
    lines += _section("Gates whose evidence or words change", [f"- {one}" for one in gates])
    lines += _section("Collisions", [f"- {collision_line(plan, one)}" for one in collisions])
    return "\n".join(lines) + "\n"


def plan_in_words(plan: Plan) -> tuple[str, ...]:
    """Return the changes of a plan in sentences for people; a first stage says what there is."""
    if not plan.is_first:
        return tuple(morph.in_words() for morph in plan.proposal.morphs)
    named = {"Keeps": "entity", "Shows": "panel", "Does": "pipeline"}
    found = {verb: [one.name for one in plan.result.of_kind(kind)] for verb, kind in named.items()}
    return tuple(
        f"{verb} {', '.join(f'“{name}”' for name in names)}."
        for verb, names in found.items()
        if names
    )


def _lines(plan: Plan) -> Iterator[str]:
    yield f"From `{spec_id(plan.base)}` to `{spec_id(plan.result)}`, risk {plan.risk}."
    if plan.is_first:
        yield "The first stage of the app: everything is new."
    yield from _section("Desires", [f"> {desire.goal}" for desire in plan.desires])
    yield from _section("Morphs", [line for step in plan.steps for line in _step_lines(step)])
    changes = [f"- {one.describe()}" for one in plan.changes]
    yield from _section("Changes of the specification", changes)
    # A first stage has no records yet.
    moving = () if plan.is_first else plan.steps
    migrations = [step.migration.describe() for step in moving if step.migration]
    yield from _section("Changes of recorded state", [f"- {migration}" for migration in migrations])
    irreversible = [step_line(step) for step in plan.steps if not step.is_reversible]
    yield from _section("Irreversible", [f"- {one}" for one in irreversible])
    yield from _section("Tests", [f"- {test}" for test in plan.tests])


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
        return ", ".join(map(_shown, cast("list[object]", value)))
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return f"{{{', '.join(f'{key}: {_shown(one)}' for key, one in members)}}}"
    return str(value)


def collision_line(plan: Plan, collision: Collision) -> str:
    """Return a collision as the plan sees it."""
    return f"{collision.other(plan.id)}: {collision.reason}"
