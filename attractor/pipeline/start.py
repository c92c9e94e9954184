"""Starts a run: reads, checks, prepares and walks its pipeline."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.ids import new_run_id
from attractor.engine.run_folder.layout import Manifest, create_run_directory, require_free
from attractor.engine.run_folder.result import RunResult
from attractor.pipeline.components.run_components import Evaluation, PreparedRun
from attractor.pipeline.fork.linked_run import follow_restarts
from attractor.pipeline.host.pinned_agents import pin_agents, with_pinned_agents
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.preflight import preflight
from attractor.pipeline.preflight.requirements import report_common_secrets
from attractor.pipeline.resume import continue_run
from attractor.pipeline.source.read import open_pipeline, pipeline_name, project_of
from attractor.pipeline.walk import open_observed, walk_run
from attractor.pipeline.workspace.create import choose_workspace_kind, create_workspace
from attractor.pipeline.workspace.journal_notes import LeftOutPaths, record_paths
from attractor.records.lookup import run_root
from attractor.records.request import RunRequest, secret_overrides


async def start(
    request: RunRequest,
    host: RunHost,
    *,
    root: Path | None = None,
    suite_pipeline: str = "",
    evaluation: Evaluation | None = None,
) -> RunResult:
    """Start a run.

    `suite_pipeline` is the name of the pipeline that the suite of the run is for.
    """
    pipeline = open_pipeline(
        str(request.file), goal=request.goal, inputs=request.inputs, project=project_of(host)
    )
    if evaluation and evaluation.admit:
        evaluation.admit(pipeline, request.file)
    host = host.with_secrets(pipeline.secrets.values())
    request = (await choose_workspace_kind(request, host)).with_inputs(pipeline.secrets)
    if root is not None:
        require_free(root)
    run_id = new_run_id(host.clock.now(), host.randomness)
    report = await preflight(
        pipeline, request, host, run_id=run_id, suite_pipeline=suite_pipeline, is_new=True
    )
    sandbox = report.require_ok()
    report_common_secrets(host)
    for sentence in (sandbox.sentence, *report.notices):
        host.tell(sentence)
    # Store the sandbox and the model that were chosen, because a resume must use the same ones.
    request = replace(report.request, sandbox=sandbox.kind)
    agents = pin_agents(host)
    host = with_pinned_agents(host, agents)
    left_out = LeftOutPaths(ours=record_paths(request))
    workspace = await create_workspace(
        request, host, run_id, sandbox, on_snapshot=left_out.record_new
    )
    prepared = PreparedRun(pipeline, request, host, sandbox, workspace, report.providers)
    root = root or run_root(run_id, host.runs_dir)
    create_run_directory(
        root,
        _manifest(run_id, prepared, agents),
        pipeline.text,
        files=pipeline.files,
        redactor=host.redactor,
    )
    host.tell(f"run {run_id} in {root}")
    with open_observed(root, host) as run:
        left_out.run = run
        result = await walk_run(run, prepared, evaluation=evaluation)
    overrides = secret_overrides(request, host.redactor)
    restart = partial(
        continue_run, host=host, overrides=overrides, evaluation=evaluation, is_restart=True
    )
    return await follow_restarts(result, restart)


def _manifest(run_id: str, prepared: PreparedRun, agents: str) -> Manifest:
    pipeline, request, host = prepared.pipeline, prepared.request, prepared.host
    return Manifest(
        run_id=run_id,
        pipeline=pipeline_name(pipeline.graph, request.file),
        goal=pipeline.graph.goal,
        started=host.clock.now(),
        content_hash=pipeline.content_hash,
        base=prepared.workspace.base,
        suite=request.suite,
        profile=request.profile,
        agents=agents,
        options=request.redacted_record(host.redactor),
        versions={"attractor": host.version},
        promises=prepared.sandbox.promises,
    )
