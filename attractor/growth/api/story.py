"""The story of an app: its stages in words, with the desires that they serve and their cost."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

from attractor.base.errors import AttractorError
from attractor.base.json import Json
from attractor.engine.outcome import Usage
from attractor.factory.candidate_run import read_candidate_run
from attractor.factory.history.report import trials_in
from attractor.factory.ledger.ledger import Ledger
from attractor.growth.control_plane import ControlPlane
from attractor.growth.deployment.history import StageHistory, read_history
from attractor.growth.deployment.release import Releases
from attractor.growth.lineage import DeployedStage
from attractor.growth.morph import read_morph
from attractor.pipeline.project.project import Project
from attractor.records.lookup import find_run


def story(control_plane: ControlPlane) -> dict[str, Json]:
    """Return the stages of the app in words, the newest first.

    `day` is the day of the promotion. `cost_usd` is the cost of the run and its trials, without
    that of `unpriced_tokens`, or None if this machine does not have the run.
    """
    project = control_plane.project
    history = asyncio.run(read_history(project))
    current = Releases(control_plane.releases).current
    return {
        "running": current.record.stage if current else "",
        "chapters": [_chapter(project, one) for one in reversed(history)],
    }


def _chapter(project: Project, one: StageHistory) -> dict[str, Json]:
    stage = one.stage
    used = _used(project, one.run_id) if one.run_id else None
    return {
        "stage": stage.stage,
        "kind": stage.kind.value,
        "day": one.promoted_at[:10] or stage.day,
        "desires": list[Json](_goals(stage)),
        "words": list[Json](_words(stage)),
        "returns_to": stage.returns_to,
        "run_id": one.run_id,
        "decided_by": one.decided_by,
        "cost_usd": round(used.cost_usd, 6) if used else None,
        "unpriced_tokens": used.unpriced_tokens if used else 0,
    }


def _goals(stage: DeployedStage) -> Sequence[str]:
    plan = cast("Mapping[str, Any]", stage.plan)
    return [str(one["goal"]) for one in plan.get("desires", ())]


def _words(stage: DeployedStage) -> Sequence[str]:
    """Return the changes of a stage, also of one whose file has no words yet."""
    if stage.words or stage.returns_to:
        return stage.words or (f"Goes back to {stage.returns_to}.",)
    plan = cast("Mapping[str, Any]", stage.plan)
    return [read_morph(one["morph"]).in_words() for one in plan.get("morphs", ())]


def _used(project: Project, run_id: str) -> Usage | None:
    try:
        run = read_candidate_run(find_run(run_id, project.runs_dir))
    except AttractorError:
        return None
    trials = trials_in(Ledger(project.machine.state_dir).entries(run_id))
    return sum((trial.usage for trial in trials), run.state.used)
