"""A simulation on one half of the traffic predicts the changes in the other half (ruling G10)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import app_sandbox
from attractor.growth.morph import Morph, read_morph
from attractor.growth.plans.plan import Plan, PlannedMorph
from attractor.growth.simulation.impact import Impact, changed_responses
from attractor.growth.simulation.rehearse import rehearse, replay
from attractor.growth.specification.graph import SpecGraph
from tests.counts import count
from tests.growth.sequences import random_sequence
from tests.growth.simulation.example_apps import (
    EXAMPLES,
    example_graph,
    example_recordings,
    write_example,
)

pytestmark = pytest.mark.anyio

PLANTED = """def run(records, context):
    return {name: rows[:-1] for name, rows in honest(records, context).items()}
"""
"""A body that loses the last record of each entity."""


def planned(graph: SpecGraph, morphs: Sequence[Morph]) -> Plan:
    return Plan(
        "gp-1",
        graph,
        tuple(PlannedMorph(one, "app", one.level, one.risk) for one in morphs),
        (),
        "",
    )


def grown(example: str, seed: int) -> Plan:
    graph = example_graph(example)
    return planned(graph, random_sequence(seed, graph, longest=4))


@dataclass
class Totals:
    unchanged: int = 0
    claimed: int = 0


async def test_changes_of_the_other_half_were_announced(tmp_path: Path) -> None:
    sandbox = await app_sandbox({}, hide=[])
    totals = Totals()
    for number in range(count(ci=4, full=40)):
        example = EXAMPLES[number % 2]
        await compare(example, number, tmp_path / str(number), sandbox, totals)
    # A panel that is only arranged in another way may look different, with equal data.
    assert totals.claimed <= totals.unchanged * 0.3, totals


async def compare(
    example: str, seed: int, folder: Path, sandbox: EnvironmentChoice, totals: Totals
) -> None:
    """Simulate on one half of a recording, then replay the other half."""
    plan = grown(example, seed)
    before = write_example(example, folder / "before", plan.base)
    after = write_example(example, folder / "after", plan.result, seed=seed)
    simulated, held_out = example_recordings(example)[seed // 2 % 2].halves()
    found = await rehearse(plan, [simulated], before=before, after=after, sandbox=sandbox)
    assert [one for one in found.will_change if not one.is_expected] == []
    impact = Impact(plan.base, plan.result)
    requests, state = held_out.requests, held_out.state
    old = await replay(before, held_out.conditions, requests, state, sandbox)
    moved = plan.migration.up(state).state
    new = await replay(after, held_out.conditions, requests, moved, sandbox)
    changed = [one.request for one in changed_responses(requests, old, new)]
    assert [one.path for one in changed if not impact.claims(one)] == []
    unchanged = [one for one, a, b in zip(requests, old, new, strict=True) if a == b]
    totals.unchanged += len(unchanged)
    totals.claimed += sum(map(impact.claims, unchanged))


@pytest.mark.parametrize("example", EXAMPLES[: count(ci=1, full=len(EXAMPLES))])
async def test_body_that_changes_something_else_is_caught(tmp_path: Path, example: str) -> None:
    graph = example_graph(example)
    morph = read_morph({"type": "set_preference", "name": "short letters"})
    plan = planned(graph, [morph])
    sandbox = await app_sandbox({}, hide=[])
    before = write_example(example, tmp_path / "before", plan.base)
    recording = example_recordings(example)[0]
    steps = [one.id for one in graph.of_kind("step")]
    for step in steps[: count(ci=1, full=len(steps))]:
        after = write_example(example, tmp_path / step, plan.result)
        file = after / "app" / "steps" / f"{step}.py"
        file.write_text(f"{file.read_text()}\n\nhonest = run\n\n\n{PLANTED}")
        found = await rehearse(plan, [recording], before=before, after=after, sandbox=sandbox)
        assert [one for one in found.will_change if not one.is_expected], step
