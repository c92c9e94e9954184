"""Plans a run: reads, chooses and checks all that the run needs, and writes nothing of the run."""

from dataclasses import replace

from attractor.base.ids import new_run_id
from attractor.environments.selection import require_promised
from attractor.pipeline.host.pinned_agents import with_pinned_agents
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.plan.origins import New, Origin, Resumed
from attractor.pipeline.plan.run_plan import UNGOVERNED, RunPlan, RunRules
from attractor.pipeline.preflight.preflight import PreflightReport, preflight
from attractor.pipeline.workspace.create import choose_sandbox, choose_workspace_kind


async def plan_run(origin: Origin, host: RunHost, rules: RunRules = UNGOVERNED) -> RunPlan:
    """Plan a run, in the one order for new, resumed, restarted, re-evaluated and forked runs.

    A step relies on the steps before it. Above all, what is secret is known before anything is
    checked, shown or written.
    """
    host = host.with_secrets(origin.secrets(host.redactor))
    request = origin.ask(host)
    policy = await rules.find_policy(origin, request)
    request = replace(request, suite=policy.suite, profile=policy.profile)
    host = policy.within(host)
    pipeline, change = origin.read(request, host)
    policy.admit(pipeline, request.file)
    before = change.before.secrets.values() if change else ()
    host = host.with_secrets((*pipeline.secrets.values(), *before))
    request = request.with_inputs(pipeline.secrets)
    if isinstance(origin, New):
        request = await choose_workspace_kind(request, host)
    host = with_pinned_agents(host, origin.agents) if origin.agents else host
    is_resumed = isinstance(origin, Resumed)
    run_id = (
        origin.run.manifest.run_id if is_resumed else new_run_id(host.clock.now(), host.randomness)
    )
    if origin.walks:
        report = await preflight(
            pipeline,
            request,
            host,
            run_id=run_id,
            is_new=isinstance(origin, New),
        )
    else:
        sandbox = await choose_sandbox(request, host, run_id=run_id)
        report = PreflightReport(origin.pipeline_name, request, (), sandbox)
    if report.sandbox and not report.faults:
        require_promised(origin.promises, report.sandbox)
    return RunPlan(
        origin=origin,
        run_id=run_id,
        host=host,
        rules=rules,
        policy=policy,
        request=report.request,
        pipeline=pipeline,
        change=change,
        report=report,
    )
