"""Resumes a run from the end of its journal; walks until the run waits, stops or ends."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.errors import UsageError
from attractor.base.files import read_regular
from attractor.config.projects import AGENTS
from attractor.engine.errors import RunOver
from attractor.engine.run_folder.layout import CHILDREN
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.state.run_state import QUEUED
from attractor.environments.selection import require_promised
from attractor.pipeline.components.run_components import Evaluation, PreparedRun
from attractor.pipeline.fork.linked_run import follow_restarts, settle_parent
from attractor.pipeline.garbage import end_orphans
from attractor.pipeline.host.pinned_agents import are_agents_changed, with_pinned_agents
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.preflight import PreflightReport, preflight
from attractor.pipeline.preflight.requirements import report_common_secrets
from attractor.pipeline.source.accept_change import accept_change, plan_change
from attractor.pipeline.source.read import PipelineSource, read_saved_pipeline, replace_pipeline
from attractor.pipeline.walk import open_observed, walk_run
from attractor.pipeline.workspace.create import choose_sandbox, open_workspace
from attractor.pipeline.workspace.journal_notes import LeftOutPaths, record_paths, record_set_aside
from attractor.records.lookup import outermost_run_id
from attractor.records.request import NO_OVERRIDES, Overrides, RunRequest, current_request


async def resume(
    root: Path,
    host: RunHost,
    overrides: Overrides = NO_OVERRIDES,
    *,
    evaluation: Evaluation | None = None,
) -> RunResult:
    """Resume a run, then continue with each restart, until a run waits, stops or ends."""
    result = await continue_run(root, host, overrides, evaluation=evaluation)
    restart = partial(
        continue_run, host=host, overrides=overrides, evaluation=evaluation, is_restart=True
    )
    return await follow_restarts(result, restart)


async def continue_run(
    root: Path,
    host: RunHost,
    overrides: Overrides,
    *,
    evaluation: Evaluation | None = None,
    is_restart: bool = False,
) -> RunResult:
    """Continue one run from the end of its journal.

    With `is_restart`, the run continues another run.
    """
    host = host.with_secrets(overrides.secrets(host.redactor))
    # Lock first: a run that another process holds is not even read.
    with open_observed(root, host) as run:
        _require_whole(run)
        if run.state.status.is_final and run.state.is_restarting:
            return replace(result_of(run.manifest, root, run.state), is_restarting=True)
        _require_resumable(run)
        if run.manifest.restart and run.state.status == QUEUED:
            settle_parent(run.directory, run.manifest, host)
        request = current_request(run.manifest, run.state)
        if not is_restart:
            overrides.require_withheld(request)
        request = overrides.apply(request, host.environ)
        pipeline = _read_pipeline(run, request, host)
        host = host.with_secrets(pipeline.secrets.values())
        change = None
        if run.state.may_walk and not is_restart:
            change = plan_change(run, pipeline, request, host, by=overrides.accepts_graph)
            pipeline = change.pipeline if change else pipeline
        request = request.with_inputs(pipeline.secrets)
        if run.state.may_walk and run.manifest.agents:
            host = _with_agents(run, host)
        report = await _require_ready(run, pipeline, request, host)
        request, sandbox = report.request, report.require_ok()
        if not is_restart:
            report_common_secrets(host)
        host.tell(sandbox.sentence)
        # First end the processes of the killed runner, which may still write into the workspace.
        await end_orphans(run)
        left_out = LeftOutPaths(run, ours=record_paths(request))
        workspace = await open_workspace(
            request, host, run.manifest.run_id, sandbox, on_snapshot=left_out.record_new
        )
        record_set_aside(run, workspace, request.workspace)
        if change:
            accept_change(run, change, host)
        prepared = PreparedRun(pipeline, request, host, sandbox, workspace, report.providers)
        return await walk_run(
            run, prepared, evaluation=evaluation, restores_sessions=overrides.restores_sessions
        )


def _with_agents(run: OpenRun, host: RunHost) -> RunHost:
    """Return the host with the agents that the run began with, whatever the project has now."""
    agents = run.manifest.agents
    if are_agents_changed(host, agents):
        host.tell(
            f"The agents in {host.project / AGENTS} were changed since "
            f"{run.manifest.run_id} began; it keeps its own."
        )
    return with_pinned_agents(host, agents)


def _require_whole(run: OpenRun) -> None:
    """Refuse a child, because its parent resumes it."""
    root = run.directory.root
    if root.parent.name == CHILDREN:
        raise UsageError(
            f"{run.manifest.run_id} is part of run {outermost_run_id(root)}",
            hint=f"resume that run: attractor resume {outermost_run_id(root)}",
        )


def _require_resumable(run: OpenRun) -> None:
    """Refuse a run that has ended.

    The workspace of such a run is not opened, because the workspace may be removed already.
    """
    if run.state.status.is_final:
        raise RunOver(
            f"{run.manifest.run_id} is {run.state.status}, which is final",
            hint=(
                "go back to an earlier visit with attractor rewind, or start a new "
                "run: attractor run"
            ),
        )


def _read_pipeline(run: OpenRun, request: RunRequest, host: RunHost) -> PipelineSource:
    """Read the pipeline of a run; first complete an accepted change that was interrupted."""
    pipeline = read_saved_pipeline(
        run.directory,
        run.manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=host.custom_parts,
        environ=host.environ,
    )
    if read_regular(run.directory.graph) != pipeline.text.encode():
        replace_pipeline(run.directory, pipeline)
    return pipeline


async def _require_ready(
    run: OpenRun, pipeline: PipelineSource, request: RunRequest, host: RunHost
) -> PreflightReport:
    """Return the report of preflight, without faults.

    A run that only waits for its evaluation needs no preflight.
    """
    run_id = run.manifest.run_id
    if run.state.may_walk or run.state.is_restarting:
        report = await preflight(pipeline, request, host, run_id=run_id)
        for sentence in report.notices:
            host.tell(sentence)
    else:
        sandbox = await choose_sandbox(request, host, run_id=run_id)
        report = PreflightReport(run.manifest.pipeline, request, (), sandbox)
    require_promised(run.manifest.promises, report.require_ok())
    return report
