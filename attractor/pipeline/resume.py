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
from attractor.pipeline.accept_graph import accept_graph, plan_acceptance, put_in_place, read_again
from attractor.pipeline.children.folders import whole_of
from attractor.pipeline.components import choose_place
from attractor.pipeline.host import RunHost
from attractor.pipeline.options import RunOptions, options_from_record
from attractor.pipeline.preflight.programs import Required
from attractor.pipeline.preflight.requirements import require_fit, require_inside
from attractor.pipeline.preflight.secrets import (
    NOTHING_GIVEN,
    GivenSecrets,
    require_withheld,
    restored,
    secrets_of,
    tell_unkept,
)
from attractor.pipeline.restart import Round, next_root, round_of, settle_parent
from attractor.pipeline.session import NOBODY, Judge, RunSession, open_watched
from attractor.pipeline.source import PipelineSource
from attractor.pipeline.workspace.boot import end_left_running
from attractor.pipeline.workspace.create import leave_out_secrets, open_tree
from attractor.pipeline.workspace.journal_notes import LeftOut, ours_in, tell_set_aside


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
    root: Path, world: RunHost, *, asked: ResumeOptions, is_restart: bool = False
) -> Round:
    """Go on with a run where its journal ends; as a restart, in place of another one."""
    world = world.keeping(secrets_of(asked.given, world.redactor))
    # First of all: what somebody else has in hand is not even looked at.
    with open_watched(root, world) as run:
        manifest = run.manifest
        if root.parent.name == CHILDREN:
            raise UsageError(
                f"{manifest.run_id} is part of run {whole_of(root)}",
                hint="go on with that one: it takes this one up",
            )
        if run.state.standing.is_final and run.state.is_restarting:
            return Round(result_of(manifest, root, run.state), next_root(run, world))
        _require_not_over(run)
        if manifest.restart and run.state.standing == QUEUED:
            settle_parent(manifest, world)
        options = _options_now(manifest, asked.interviewer, asked.budgets)
        if not is_restart:
            require_withheld(options, asked.given)
        options = restored(options, asked.given, world.environ)
        pipeline = _read(run, options, world)
        world = world.keeping(pipeline.secrets.values())
        needs: Sequence[Required] = ()
        acceptance = None
        if run.state.may_walk and not is_restart:
            acceptance = plan_acceptance(run, pipeline, options, world, by=asked.accepts_graph)
            pipeline = acceptance.pipeline if acceptance else pipeline
        options = replace(options, inputs={**options.inputs, **pipeline.secrets})
        if run.state.may_walk or run.state.is_restarting:
            needs = await require_fit(pipeline, options, world)
        place = await choose_place(options, world, run_id=manifest.run_id)
        require_promised(manifest.promises, place)
        await require_inside(needs, place, world, what=pipeline.graph.name)
        _tell_terms(place, world, is_restart=is_restart)
        # Before the tree is looked at: nobody else is to change it from here on.
        await end_left_running(run)
        left_out = LeftOut(run, ours=ours_in(options))
        workspace = await open_tree(
            options, world, manifest.run_id, place, on_snapshot=left_out.hear
        )
        leave_out_secrets(workspace, world)
        tell_set_aside(run, workspace, options.workspace)
        if acceptance:
            accept_graph(run, acceptance, world)
        walk = RunSession(
            pipeline,
            options,
            world,
            workspace,
            place,
            asked.judge,
            restores_sessions=asked.restores_sessions,
        )
        return round_of(await walk.go(run), run, world)


def _read(run: OpenRun, options: RunOptions, world: RunHost) -> PipelineSource:
    """Read the pipeline that a run goes on with; one that was accepted comes to its place."""
    pipeline = read_again(
        run.directory,
        run.manifest,
        goal=options.goal,
        inputs=None if options.withheld else options.inputs,
        brought=world.brought,
        environ=world.environ,
    )
    if run.directory.graph.read_bytes() != pipeline.text.encode():
        put_in_place(run.directory, pipeline)
    return pipeline


def _tell_terms(place: Choice, world: RunHost, *, is_restart: bool) -> None:
    """Say where tools run and, once for all rounds, what is not kept secret."""
    if not is_restart:
        tell_unkept(world)
    world.tell(place.sentence)


def _require_not_over(run: OpenRun) -> None:
    """Refuse before a workspace is looked for: that of a run that is over may have been freed."""
    if run.state.standing.is_final:
        raise RunOver(
            f"{run.manifest.run_id} is {run.state.standing} for good",
            hint="go back in it with attractor rewind, or start a new run: attractor run",
        )


def _options_now(manifest: Manifest, interviewer: str, budgets: Budgets) -> RunOptions:
    """Return what a run was asked to be, with what is different from here on."""
    options = options_from_record(manifest.options, suite=manifest.suite, profile=manifest.profile)
    return replace(
        options,
        interviewer=interviewer or options.interviewer,
        budgets=budgets.over(options.budgets),
    )
