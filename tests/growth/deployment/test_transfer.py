"""The state of first plans, which begin without records, and records that do not fit a plan."""

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from attractor.environments.selection import choose_environment
from attractor.growth.apps.process import export_state, import_state
from attractor.growth.apps.skeleton import write_app
from attractor.growth.deployment.release import Release, ReleaseRecord, Releases
from attractor.growth.deployment.transfer import RecordsDoNotFit, forward, transfer
from attractor.growth.migration import State
from attractor.growth.morph import Level, Morph, Risk, apply_morphs, read_morph
from attractor.growth.plans.plan import Plan, PlannedMorph, read_proposal
from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import SpecGraph
from tests.examples import ROOT
from tests.growth.sequences import GUARDED, random_sequence
from tests.growth.simulation.example_apps import EXAMPLES, example_graph

pytestmark = pytest.mark.anyio

PREFERENCE = read_morph({"type": "set_preference", "name": "Short sentences"})
NO_ENTITIES = read_document("identity: {purpose: Say hello}\n")


def plan_of(base: SpecGraph, morphs: Sequence[Morph]) -> Plan:
    planned = [PlannedMorph(one, "app", Level.MECHANISM, Risk.LOW) for one in morphs]
    return Plan("gp-1", base, tuple(planned), (), "hash")


def first_plans() -> Iterator[Plan]:
    """Yield a small and a shipped plan for each example, and plans for random specifications."""
    yield plan_of(NO_ENTITIES, [PREFERENCE])
    for example in EXAMPLES:
        base = example_graph(example)
        text = (ROOT / "pipelines" / "growth" / example / "proposal.json").read_text()
        for morphs in ([PREFERENCE], read_proposal(json.loads(text)).morphs):
            yield plan_of(base, morphs)
    for seed in range(30):
        base = apply_morphs(GUARDED, random_sequence(seed, GUARDED))
        yield plan_of(base, [PREFERENCE] if seed % 2 else random_sequence(seed, base, longest=3))


async def release(plan: Plan, old: Release | None, folder: Path) -> Release:
    """Release the app of a plan, without a sandbox."""
    new = Releases(folder).begin(ReleaseRecord("v0", run_id=""))
    write_app(plan.result, new.tree)
    sandbox = await choose_environment("none", environ=os.environ, hide=[])
    await transfer(old, new, forward(plan.migration), sandbox, {})
    return new


async def test_first_plan_of_every_example_and_of_random_specifications_is_released(
    tmp_path: Path,
) -> None:
    at_once = asyncio.Semaphore(4)

    async def try_plan(number: int, plan: Plan) -> None:
        async with at_once:
            new = await release(plan, None, tmp_path / str(number))
            state = await export_state(new.tree, new.state)
        assert state == {one.id: () for one in plan.result.of_kind("entity")}

    async with asyncio.TaskGroup() as tasks:
        for number, plan in enumerate(first_plans()):
            tasks.create_task(try_plan(number, plan))


async def test_app_without_entities_grows_again(tmp_path: Path) -> None:
    first = await release(plan_of(NO_ENTITIES, [PREFERENCE]), None, tmp_path / "first")
    plan = plan_of(NO_ENTITIES, [read_morph({"type": "add_source", "name": "News"})])
    await release(plan, first, tmp_path / "second")


async def test_records_that_do_not_fit_are_refused_or_changed_as_the_plan_says(
    tmp_path: Path,
) -> None:
    retype = {"type": "retype_field", "entity": "block", "field": "crop", "field_type": "integer"}
    first = await release(plan_of(GUARDED, [PREFERENCE]), None, tmp_path / "first")
    block = {"cultivar": None, "plant_count": None}
    records: State = {"block": ({"id": "a", "crop": "big", **block},)}
    await import_state(first.tree, first.state, records)
    refused = plan_of(GUARDED, [read_morph(retype)])
    with pytest.raises(RecordsDoNotFit, match="1 record does not fit the plan: block/a: crop is "):
        await release(refused, first, tmp_path / "refused")
    aside = plan_of(GUARDED, [read_morph({**retype, "unfit": "aside"})])
    second = await release(aside, first, tmp_path / "second")
    state = await export_state(second.tree, second.state)
    assert state["block"] == ({"id": "a", "crop": None, **block},)
