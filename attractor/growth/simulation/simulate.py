"""Simulates a plan without building it: the files, state and requests that it touches."""

from collections.abc import Iterator, Sequence

from attractor.base.json import canonical_json, content_hash
from attractor.growth.apps.skeleton import generate
from attractor.growth.migration.state import State
from attractor.growth.migration.transforms import Sequenced
from attractor.growth.morph import Risk, type_of
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.impact import Impact
from attractor.growth.simulation.report import (
    Depth,
    Difference,
    FileChange,
    Pins,
    Simulation,
    StateChange,
    Traffic,
)
from attractor.growth.simulation.traffic import Recording
from attractor.growth.spec.difference import ChangeKind, compare_specs


def simulate(plan: Plan, recordings: Sequence[Recording], depth: Depth) -> Simulation:
    """Return the report of a plan at depth `spec`, which a rehearsal completes."""
    pins = Pins(
        plan_hash=plan.hash,
        traffic_hash=_joined([one.traffic_hash for one in recordings]),
        state_hash=_joined([one.state_hash for one in recordings]),
        depth=depth,
    )
    impact = Impact(plan.base, plan.result)
    requests = [one for recording in recordings for one in recording.requests]
    return Simulation(
        simulation_id=f"gs-{content_hash(pins.model_dump_json().encode())[:8]}",
        plan_id=plan.id,
        pins=pins,
        diff=_difference(plan),
        files=tuple(_changed_files(plan)),
        risks=tuple(_risks(plan, recordings)),
        may_change=tuple(impact.may_change),
        traffic=Traffic(
            requests=len(requests), claimed=sum(impact.claims(one) for one in requests)
        ),
        migration=_migrated(plan.migration, [one.state for one in recordings]),
    )


def _joined(hashes: Sequence[str]) -> str:
    return content_hash(canonical_json(list(hashes)).encode())


def _difference(plan: Plan) -> Difference:
    changes = compare_specs(plan.base, plan.result)
    counts = {kind: sum(one.kind is kind for one in changes) for kind in ChangeKind}
    words = [f"{number} {kind.value}" for kind, number in counts.items() if number]
    summary = ", ".join(words) or "no change"
    return Difference(summary=summary, changes=tuple(one.describe() for one in changes))


def _changed_files(plan: Plan) -> Iterator[FileChange]:
    """Yield the generated files that differ; a body is named if a model has to write it."""
    before, after = generate(plan.base), generate(plan.result)
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old and new and old.text == new.text:
            continue
        change = "changed" if old and new else "added" if new else "removed"
        file = new or old
        assert file is not None
        yield FileChange(path=path, change=change, part=file.part.value, nodes=tuple(file.nodes))


def _migrated(migration: Sequenced, states: Sequence[State]) -> StateChange:
    """Migrate copies of recorded states forward and back."""
    fault = ""
    for state in states:
        migrated = migration.up(state)
        if migration.is_reversible:
            restored = migration.down(migrated.state, migrated.residue)
            if restored.state != state:
                fault = "the migration does not restore the recorded state"
    return StateChange(
        description=migration.describe(),
        is_reversible=migration.is_reversible,
        records=sum(len(records) for state in states for records in state.values()),
        fault=fault,
    )


def _risks(plan: Plan, recordings: Sequence[Recording]) -> Iterator[str]:
    for step in plan.steps:
        if step.planned.risk is not Risk.LOW:
            yield f"{step.planned.risk.value}: {step.id} {type_of(step.planned.morph)}"
        if step.migration and not step.is_reversible:
            yield f"cannot be undone: {step.id} {step.migration.describe()}"
    if not recordings:
        yield "no traffic was recorded: nothing shows that other requests keep their responses"
