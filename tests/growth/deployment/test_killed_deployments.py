"""A deployment is killed repeatedly while it migrates, promotes and switches."""

import asyncio
import os
import random
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from attractor.growth.apps.process import export_state
from attractor.growth.plans.plan import Plan
from attractor.growth.plans.store import PlanState
from tests.counts import count
from tests.growth.deployment.life import live
from tests.growth.deployment.living import NEW_FIELD, Living, make_released
from tests.pipeline.projects import git

KILLS = count(ci=6, full=60)
Moment = tuple[str, int, str]
MOMENTS: tuple[Moment, ...] = (
    ("import", 1, "later"),
    ("serve", 1, "later"),
    ("update-ref", 1, "later"),
    ("releases/next", 4, ""),
    ("current.new", 3, ""),
    ("deployment.app_supervisor", 1, "later"),
)
"""Migrating, starting on the copy, promoting, completing, switching, and starting again."""
ANY = ""
CALLS = 280
"""The approximate number of watched calls of a deployment after the decision."""


def moments(seed: str) -> Iterator[Sequence[Moment]]:
    """Yield the moments for each deployment: the named ones first, then random calls in order."""
    dice = random.Random(seed)
    yield MOMENTS
    while True:
        chosen = sorted(dice.randint(1, CALLS) for _ in MOMENTS)
        yield [(ANY, one, dice.choice(["", "later"])) for one in chosen]


def require_matching(app: Living, written: list[str]) -> None:
    """Require old code with old state, or new code with new state, and every written record."""
    current = app.releases.current
    assert current
    state = asyncio.run(export_state(current.tree, current.state))
    soil = {"soil": "loam"} if current.record.stage == "v0-2" else {}
    assert list(state["block"]) == [{"id": one, "crop": "rye", **soil} for one in written]
    fields = {one.stem for one in (current.tree / "spec/nodes/field").glob("block.*.json")}
    assert ("block.soil" in fields) is bool(soil)


@pytest.mark.crash
def test_killed_deployment_leaves_code_and_state_that_match(tmp_path: Path) -> None:
    first = make_released(tmp_path / "place" / "app")
    plan = first.plan(NEW_FIELD)
    first.decide(first.deploy(plan).run_id)
    shutil.copytree(tmp_path / "place", tmp_path / "kept", symlinks=True)
    killed = 0
    for number, chosen in enumerate(moments(os.environ.get("SEED", "deploy"))):
        if killed >= KILLS:
            break
        if number:
            shutil.rmtree(tmp_path / "place")
            shutil.copytree(tmp_path / "kept", tmp_path / "place", symlinks=True)
        app = Living(tmp_path / "place" / "app")
        try:
            killed += kill_all_along(app, plan, chosen)
        finally:
            app.stop()


def kill_all_along(app: Living, plan: Plan, chosen: Sequence[Moment]) -> int:
    """Kill a deployment at the chosen moments, then let it finish; return the number of kills."""
    killed, written = 0, ["b1"]
    for at, (word, number, later) in enumerate(chosen):
        code = live(app, plan, word, str(number), later)
        assert code in (0, -signal.SIGKILL), (code, word, number)
        killed += code != 0
        require_matching(app, written)
        if at == len(chosen) // 2:
            # Users continue to work with the app after a killed deployment.
            app.start(os.environ)
            written.append("b2")
            soil = {"soil": "loam"} if app.stage == "v0-2" else {}
            app.post("/data/block", {"id": "b2", "crop": "rye", **soil})
    assert live(app, plan) == 0
    require_matching(app, written)
    assert (app.stage, app.state_of(plan)) == ("v0-2", PlanState.DEPLOYED)
    assert [one["id"] for one in app.records()] == written
    assert git(app.folder, "status", "--porcelain") == ""
    assert git(app.folder, "log", "-1", "--format=%s") == "Grow to v0-2\n"
    return killed
