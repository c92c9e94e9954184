"""Plans a run: reads, chooses and checks all that the run needs, and writes nothing of the run."""

from dataclasses import replace

from attractor.environments.environment import Promises
from attractor.environments.selection import require_promised
from attractor.pipeline.plan.origins import Origin
from attractor.pipeline.plan.run_plan import UNGOVERNED, RunPlan, RunRules
from attractor.pipeline.preflight.preflight import PreflightReport, preflight
from attractor.pipeline.project.pinned_agents import find_pinned_agents
from attractor.pipeline.project.project import Project
from attractor.pipeline.workspace.create import choose_sandbox, choose_workspace_kind


async def plan_run(origin: Origin, project: Project, rules: RunRules = UNGOVERNED) -> RunPlan:
    """Plan a run, in the one order for new, resumed, restarted, re-evaluated and forked runs.

    A step relies on the steps before it. Above all, secrets are known before anything is checked,
    shown or written.
    """
    machine, passed = project.machine, tuple(origin.secrets(project.redactor))
    request = origin.ask(project)
    policy = await rules.find_policy(origin, request)
    request = replace(request, suite=policy.suite, profile=policy.profile)
    pipeline, change = origin.read(request, policy.scope_in(project, passed))
    policy.admit(pipeline, request.file)
    before = change.before.secrets.values() if change else ()
    scope = policy.scope_in(project, (*passed, *pipeline.secrets.values(), *before))
    request = request.with_inputs(pipeline.secrets)
    if origin.is_new:
        request = await choose_workspace_kind(request, project)
    if origin.agents:
        scope = replace(scope, agents_folder=find_pinned_agents(machine, origin.agents))
    run_id = origin.run_id or machine.new_run_id()
    if origin.walks:
        report = await preflight(
            pipeline,
            request,
            scope,
            run_id=run_id,
            is_new=origin.is_new,
            budgets=policy.budgets,
            is_model_asked=bool(
                origin.overrides.model or (origin.is_new and (request.model or request.provider))
            ),
        )
    else:
        sandbox = await choose_sandbox(request, scope, run_id=run_id)
        promises = Promises() if request.place else sandbox.promises
        report = PreflightReport(origin.pipeline_name, request, (), sandbox, promises=promises)
    if report.sandbox and not report.faults:
        # Those of a place are known if stages work there.
        if not request.place or origin.walks:
            require_promised(origin.promises, replace(report.sandbox, promises=report.promises))
        if policy.needs_ports:
            report.sandbox.require_ports()
    return RunPlan(
        origin=origin,
        run_id=run_id,
        scope=scope,
        rules=rules,
        policy=policy,
        request=report.request,
        pipeline=pipeline,
        change=change,
        report=report,
    )
