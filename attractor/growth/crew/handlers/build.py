"""Starts the built app, and tries the drafts of the tester on it and on mutants."""

import os
from pathlib import Path
from typing import Any, cast

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, parse_object
from attractor.engine.outcome import Outcome, success
from attractor.engine.seams import Parts, Stage
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import app_sandbox
from attractor.growth.crew.app_tree import AppTree, open_tree
from attractor.growth.crew.contract import FAULTS, fails_if_invalid, refused
from attractor.growth.crew.drafts import Draft, Trial, scenario_text, start_app, try_drafts
from attractor.scenarios.suite_files import SCENARIO_END

DRAFTS = "tester.drafts"


@dataclass(frozen=True)
class Build:
    """Fails if an open body, an unhealthy app or a failed draft remains."""

    parts: Parts

    @fails_if_invalid
    async def execute(self, stage: Stage) -> Outcome:
        """Start the app, then try each draft."""
        async with open_tree(stage) as tree:
            faults = [f"{body}: its body is not written" for body in tree.unwritten_bodies()]
            # Windows has no such module.
            import pwd

            home = Path(pwd.getpwuid(os.getuid()).pw_dir)
            sandbox = await app_sandbox({"PATH": os.defpath}, hide=[home, stage.logs_root])
            project = self.parts.project
            faults = faults or await _health_faults(tree, sandbox, project)
            if faults:
                return refused("the app cannot be built", faults)
            drafts = [
                Draft.model_validate(one)
                for one in cast("list[dict[str, Any]]", stage.context.get(DRAFTS) or [])
            ]
            trials = await try_drafts(tree, drafts, sandbox=sandbox, project=project)
            failed = [fault for trial in trials for fault in trial.faults]
            if failed:
                return refused("a draft of the tester fails", failed)
            return _report(stage, [*trials])


async def _health_faults(
    tree: AppTree, sandbox: EnvironmentChoice, project: Path | None
) -> list[str]:
    async with start_app(tree.folder, sandbox=sandbox, project=project) as client:
        response = await client.get("/health")
        if response.is_error:
            return [f"GET /health: status {response.status_code}"]
        health = parse_object(response.content) or {}
    expected = tree.graph.spec_hash
    return [] if health.get("spec_hash") == expected else ["GET /health: another spec_hash"]


def _report(stage: Stage, trials: list[Trial]) -> Outcome:
    """Write the drafts that notice a mutant as train scenarios, and name the others."""
    refused_ids: list[Json] = []
    kept_ids: list[Json] = []
    for trial in trials:
        if trial.is_kept:
            kept_ids.append(trial.draft.id)
            stage.files.write(f"{trial.draft.id}{SCENARIO_END}", scenario_text(trial.draft))
        else:
            refused_ids.append(trial.draft.id)
    notes = f"healthy; {len(kept_ids)} drafts kept, {len(refused_ids)} notice no mutant"
    updates: dict[str, Json] = {"build.kept": kept_ids, "build.refused": refused_ids, FAULTS: []}
    return success(notes, **updates)


part = Build
