"""Executes runs in this process: plans, begins and walks them, and continues with each restart."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.engine.run_folder.result import RunResult, result_of
from attractor.pipeline.begin import begin, open_observed
from attractor.pipeline.fork.linked_run import follow_restarts
from attractor.pipeline.plan.origins import Forked, New, Resumed
from attractor.pipeline.plan.plan_run import plan_run
from attractor.pipeline.plan.run_plan import UNGOVERNED, RunPlan, RunRules
from attractor.pipeline.project.project import Project
from attractor.pipeline.walk import walk_plan
from attractor.records.request import NO_OVERRIDES, Overrides, secret_overrides


async def start(origin: New | Forked, project: Project, rules: RunRules = UNGOVERNED) -> RunResult:
    """Start a run, then continue with each restart, until a run waits, stops or ends."""
    return await execute(await plan_run(origin, project, rules))


async def execute(plan: RunPlan) -> RunResult:
    """Begin and walk a planned run, then continue with each restart."""
    with ExitStack() as stack:
        result = await walk_plan(await begin(plan, stack))
    scope, rules = plan.scope, plan.rules
    overrides = secret_overrides(plan.request, scope.redactor)
    go_on = partial(_continue, project=scope.project, overrides=overrides, rules=rules)
    return await follow_restarts(result, partial(go_on, secrets=scope.secrets))


async def resume(
    root: Path, project: Project, overrides: Overrides = NO_OVERRIDES, rules: RunRules = UNGOVERNED
) -> RunResult:
    """Resume a run, then continue with each restart, until a run waits, stops or ends."""
    result = await _continue(root, project, overrides, rules, is_restart=False)
    return await follow_restarts(
        result, partial(_continue, project=project, overrides=overrides, rules=rules)
    )


async def _continue(
    root: Path,
    project: Project,
    overrides: Overrides,
    rules: RunRules,
    *,
    secrets: Sequence[str] = (),
    is_restart: bool = True,
) -> RunResult:
    """Continue one run from the end of its journal; a run before it may know its `secrets`."""
    secrets = secrets or tuple(overrides.secrets(project.redactor))
    redactor = project.redactor_of(secrets)
    # Lock first: a run that another process holds is not even read.
    with open_observed(root, project, redactor, rules.before_end) as run, ExitStack() as stack:
        if run.state.status.is_final and run.state.is_restarting:
            return replace(result_of(run.manifest, root, run.state), is_restarting=True)
        origin = Resumed(run, overrides, secrets, is_restart)
        return await walk_plan(await begin(await plan_run(origin, project, rules), stack))
