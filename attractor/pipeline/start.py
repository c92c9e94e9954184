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
from attractor.pipeline.components import choose_place
from attractor.pipeline.host import RunHost, in_runs_folder
from attractor.pipeline.options import RunOptions
from attractor.pipeline.preflight.requirements import require_fit, require_inside
from attractor.pipeline.preflight.secrets import (
    NOTHING_GIVEN,
    GivenSecrets,
    kept_record,
    tell_unkept,
    withheld_of,
)
from attractor.pipeline.restart import round_of, to_the_end
from attractor.pipeline.resume import ResumeOptions, go_on
from attractor.pipeline.session import NOBODY, Judge, RunSession, open_watched
from attractor.pipeline.source import PipelineSource, known_in, open_pipeline
from attractor.pipeline.workspace.create import (
    find_workspace_faults,
    leave_out_secrets,
    make_tree,
    place_of_work,
)
from attractor.pipeline.workspace.journal_notes import LeftOut, ours_in


async def start(
    options: RunOptions, world: RunHost, *, root: Path | None = None, judge: Judge = NOBODY
) -> RunResult:
    """Run a pipeline from its start, in a run directory of its own."""
    pipeline = open_pipeline(
        str(options.file), goal=options.goal, inputs=options.inputs, known=known_in(world)
    )
    options = await place_of_work(options, world)
    world = world.keeping(pipeline.secrets.values())
    options = replace(options, inputs={**options.inputs, **pipeline.secrets})
    # Before anything is made: what can't be run must leave nothing behind.
    faults = await find_workspace_faults(options, world)
    needs = await require_fit(pipeline, options, world, more=faults)
    if root is not None:
        require_free(root)
    run_id = new_run_id(world.clock.now(), world.randomness)
    place = await choose_place(options, world, run_id=run_id)
    await require_inside(needs, place, world, what=pipeline.graph.name)
    tell_unkept(world)
    world.tell(place.sentence)
    # What was found once is asked for by name when the run goes on.
    options = replace(options, sandbox=place.kind)
    left_out = LeftOut(ours=ours_in(options))
    workspace = await make_tree(options, world, run_id, place, on_snapshot=left_out.hear)
    leave_out_secrets(workspace, world)
    root = root or in_runs_folder(run_id, world)
    manifest = _manifest(run_id, pipeline, options, world, workspace, place)
    create_run_directory(
        root, manifest, pipeline.text, files=pipeline.files, redactor=world.redactor
    )
    world.tell(f"run {run_id} in {root}")
    with open_watched(root, world) as run:
        left_out.run = run
        result = await RunSession(pipeline, options, world, workspace, place, judge).go(run)
        done = round_of(result, run, world)
    asked = ResumeOptions(given=withheld_of(options, world.redactor), judge=judge)
    return await to_the_end(done, partial(go_on, world=world, asked=asked, is_restart=True))


async def resume(
    root: Path,
    world: RunHost,
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
    again = partial(go_on, world=world, asked=asked)
    return await to_the_end(await again(root), partial(again, is_restart=True))


def _manifest(
    run_id: str,
    pipeline: PipelineSource,
    options: RunOptions,
    world: RunHost,
    workspace: Workspace,
    place: Choice,
) -> Manifest:
    return Manifest(
        run_id=run_id,
        pipeline=pipeline.graph.name,
        goal=pipeline.graph.goal,
        started=world.clock.now(),
        content_hash=pipeline.content_hash,
        base=workspace.base,
        suite=options.suite,
        profile=options.profile,
        options=kept_record(options, world.redactor),
        versions={"attractor": world.version},
        promises=place.promises,
    )
