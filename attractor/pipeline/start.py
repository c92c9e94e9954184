"""Runs one pipeline: starts it in a directory of its own, or takes up one that stopped."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from attractor.base.ids import new_run_id
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.run_folder.layout import Manifest, create_run_directory, require_free
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import Workspace
from attractor.environments.selection import Choice
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.requirements import require_fit, require_inside
from attractor.pipeline.preflight.secrets import tell_unkept
from attractor.pipeline.preflight.workspace import find_workspace_faults
from attractor.pipeline.request import (
    NOTHING_GIVEN,
    GivenSecrets,
    RunRequest,
    kept_record,
    withheld_of,
)
from attractor.pipeline.restart import round_of, to_the_end
from attractor.pipeline.resume import ResumeOptions, go_on
from attractor.pipeline.runs.lookup import run_root
from attractor.pipeline.source.read import PipelineSource, open_pipeline, project_of
from attractor.pipeline.walk import NOBODY, Judge, RunSession, open_watched
from attractor.pipeline.workspace.create import (
    choose_workspace_kind,
    create_workspace,
    redact_set_aside,
)
from attractor.pipeline.workspace.journal_notes import LeftOut, ours_in
from attractor.pipeline.workspace.sandbox import choose_sandbox


async def start(
    request: RunRequest, host: RunHost, *, root: Path | None = None, judge: Judge = NOBODY
) -> RunResult:
    """Run a pipeline from its start, in a run directory of its own."""
    pipeline = open_pipeline(
        str(request.file), goal=request.goal, inputs=request.inputs, known=project_of(host)
    )
    request = await choose_workspace_kind(request, host)
    host = host.keeping(pipeline.secrets.values())
    request = replace(request, inputs={**request.inputs, **pipeline.secrets})
    # Before anything is made: what can't be run must leave nothing behind.
    faults = await find_workspace_faults(request, host)
    needs = await require_fit(pipeline, request, host, more=faults)
    if root is not None:
        require_free(root)
    run_id = new_run_id(host.clock.now(), host.randomness)
    place = await choose_sandbox(request, host, run_id=run_id)
    await require_inside(needs, place, host, what=pipeline.graph.name)
    tell_unkept(host)
    host.tell(place.sentence)
    # What was found once is asked for by name when the run goes on.
    request = replace(request, sandbox=place.kind)
    left_out = LeftOut(ours=ours_in(request))
    workspace = await create_workspace(request, host, run_id, place, on_snapshot=left_out.hear)
    redact_set_aside(workspace, host)
    root = root or run_root(run_id, host)
    manifest = _manifest(run_id, pipeline, request, host, workspace, place)
    create_run_directory(
        root, manifest, pipeline.text, files=pipeline.files, redactor=host.redactor
    )
    host.tell(f"run {run_id} in {root}")
    with open_watched(root, host) as run:
        left_out.run = run
        result = await RunSession(pipeline, request, host, workspace, place, judge).go(run)
        done = round_of(result, run, host)
    asked = ResumeOptions(given=withheld_of(request, host.redactor), judge=judge)
    return await to_the_end(done, partial(go_on, host=host, asked=asked, is_restart=True))


async def resume(
    root: Path,
    host: RunHost,
    *,
    interviewer: str = "",
    budgets: Budgets = NO_BUDGETS,
    restores_sessions: bool = False,
    given: GivenSecrets = NOTHING_GIVEN,
    accepts_graph: str = "",
    judge: Judge = NOBODY,
) -> RunResult:
    """Go on with a run where its journal ends; somebody else may answer from here on.

    Budgets that are given stand for those the run began with. Conversations that ended with their
    process are lost, unless sessions are to be restored. What its directory does not keep is given
    again. A pipeline that changed is refused, unless somebody accepts it, by their name.
    """
    asked = ResumeOptions(
        interviewer=interviewer,
        budgets=budgets,
        restores_sessions=restores_sessions,
        given=given,
        accepts_graph=accepts_graph,
        judge=judge,
    )
    again = partial(go_on, host=host, asked=asked)
    return await to_the_end(await again(root), partial(again, is_restart=True))


def _manifest(
    run_id: str,
    pipeline: PipelineSource,
    request: RunRequest,
    host: RunHost,
    workspace: Workspace,
    place: Choice,
) -> Manifest:
    return Manifest(
        run_id=run_id,
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=host.clock.now(),
        content_hash=pipeline.content_hash,
        base=workspace.base,
        suite=request.suite,
        profile=request.profile,
        options=kept_record(request, host.redactor),
        versions={"attractor": host.version},
        promises=place.promises,
    )
