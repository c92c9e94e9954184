"""Takes up a run that stopped: what is different from here on, and what must be there for it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.engine.budgets import NO_BUDGETS, Budgets
from attractor.engine.errors import RunOver
from attractor.engine.run_folder.layout import CHILDREN, Manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.run_folder.result import result_of
from attractor.engine.state.run_state import QUEUED
from attractor.environments.selection import Choice, require_promised
from attractor.pipeline.children.folders import whole_of
from attractor.pipeline.host.run_host import RunHost
from attractor.pipeline.preflight.programs import Required
from attractor.pipeline.preflight.requirements import require_fit, require_inside
from attractor.pipeline.preflight.secrets import tell_unkept
from attractor.pipeline.request import (
    NOTHING_GIVEN,
    GivenSecrets,
    RunRequest,
    request_from_record,
    require_withheld,
    restored,
    secrets_of,
)
from attractor.pipeline.restart import Round, next_root, round_of, settle_parent
from attractor.pipeline.source.accept_change import accept_change, plan_change
from attractor.pipeline.source.read import PipelineSource
from attractor.pipeline.source.saved import read_saved_pipeline, replace_pipeline
from attractor.pipeline.walk import NOBODY, Judge, RunSession, open_watched
from attractor.pipeline.workspace.boot import end_left_running
from attractor.pipeline.workspace.create import open_workspace, redact_set_aside
from attractor.pipeline.workspace.journal_notes import LeftOut, ours_in, tell_set_aside
from attractor.pipeline.workspace.sandbox import choose_sandbox


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """What is to be different from here on in a run that goes on."""

    interviewer: str = ""
    budgets: Budgets = NO_BUDGETS
    restores_sessions: bool = False
    given: GivenSecrets = NOTHING_GIVEN
    accepts_graph: str = ""
    judge: Judge = NOBODY


async def go_on(
    root: Path, host: RunHost, *, asked: ResumeOptions, is_restart: bool = False
) -> Round:
    """Go on with a run where its journal ends; as a restart, in place of another one."""
    host = host.keeping(secrets_of(asked.given, host.redactor))
    # First of all: what somebody else has in hand is not even looked at.
    with open_watched(root, host) as run:
        manifest = run.manifest
        if root.parent.name == CHILDREN:
            raise UsageError(
                f"{manifest.run_id} is part of run {whole_of(root)}",
                hint="go on with that one: it takes this one up",
            )
        if run.state.status.is_final and run.state.is_restarting:
            return Round(result_of(manifest, root, run.state), next_root(run, host))
        _require_not_over(run)
        if manifest.restart and run.state.status == QUEUED:
            settle_parent(manifest, host)
        request = _options_now(manifest, asked.interviewer, asked.budgets)
        if not is_restart:
            require_withheld(request, asked.given)
        request = restored(request, asked.given, host.environ)
        pipeline = _read(run, request, host)
        host = host.keeping(pipeline.secrets.values())
        needs: Sequence[Required] = ()
        acceptance = None
        if run.state.may_walk and not is_restart:
            acceptance = plan_change(run, pipeline, request, host, by=asked.accepts_graph)
            pipeline = acceptance.pipeline if acceptance else pipeline
        request = replace(request, inputs={**request.inputs, **pipeline.secrets})
        if run.state.may_walk or run.state.is_restarting:
            needs = await require_fit(pipeline, request, host)
        place = await choose_sandbox(request, host, run_id=manifest.run_id)
        require_promised(manifest.promises, place)
        await require_inside(needs, place, host, what=pipeline.graph.name)
        _tell_terms(place, host, is_restart=is_restart)
        # Before the tree is looked at: nobody else is to change it from here on.
        await end_left_running(run)
        left_out = LeftOut(run, ours=ours_in(request))
        workspace = await open_workspace(
            request, host, manifest.run_id, place, on_snapshot=left_out.hear
        )
        redact_set_aside(workspace, host)
        tell_set_aside(run, workspace, request.workspace)
        if acceptance:
            accept_change(run, acceptance, host)
        walk = RunSession(
            pipeline,
            request,
            host,
            workspace,
            place,
            asked.judge,
            restores_sessions=asked.restores_sessions,
        )
        return round_of(await walk.go(run), run, host)


def _read(run: OpenRun, request: RunRequest, host: RunHost) -> PipelineSource:
    """Read the pipeline that a run goes on with; one that was accepted comes to its place."""
    pipeline = read_saved_pipeline(
        run.directory,
        run.manifest,
        goal=request.goal,
        inputs=None if request.withheld else request.inputs,
        custom_parts=host.custom_parts,
        environ=host.environ,
    )
    if run.directory.graph.read_bytes() != pipeline.text.encode():
        replace_pipeline(run.directory, pipeline)
    return pipeline


def _tell_terms(place: Choice, host: RunHost, *, is_restart: bool) -> None:
    """Say where tools run and, once for all rounds, what is not kept secret."""
    if not is_restart:
        tell_unkept(host)
    host.tell(place.sentence)


def _require_not_over(run: OpenRun) -> None:
    """Refuse before a workspace is looked for: that of a run that is over may have been freed."""
    if run.state.status.is_final:
        raise RunOver(
            f"{run.manifest.run_id} is {run.state.status} for good",
            hint="go back in it with attractor rewind, or start a new run: attractor run",
        )


def _options_now(manifest: Manifest, interviewer: str, budgets: Budgets) -> RunRequest:
    """Return what a run was asked to be, with what is different from here on."""
    request = request_from_record(manifest.options, suite=manifest.suite, profile=manifest.profile)
    return replace(
        request,
        interviewer=interviewer or request.interviewer,
        budgets=budgets.over(request.budgets),
    )
