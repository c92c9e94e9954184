"""Makes the simulations of a plan and keeps them beside it (ruling G10).

Depth `spec` builds nothing: it names the files, state and requests that the plan touches, and
migrates a copy of the running app's state. A rehearsal completes its report with a built app.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attractor.base.errors import AttractorError
from attractor.base.files import file_error, write_whole
from attractor.base.json import canonical_json, content_hash
from attractor.engine.state.run_state import EVALUATING
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.divergence import describe_skeleton_change, read_files
from attractor.growth.apps.process import sandbox_of
from attractor.growth.apps.skeleton import generate
from attractor.growth.apps.stack import GeneratedFile
from attractor.growth.building import build_plan, run_crew, work_tree
from attractor.growth.control_plane import ControlPlane
from attractor.growth.migration import KEY, Misfit, State, unfit_records
from attractor.growth.morph import Risk, type_of
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.impact import Impact
from attractor.growth.simulation.pictures import draw_wireframe, take_pictures, why_no_pictures
from attractor.growth.simulation.rehearse import rehearse
from attractor.growth.simulation.report import (
    Depth,
    Difference,
    FileChange,
    Pins,
    Rehearsal,
    Simulation,
    StateChange,
    StateSeen,
    Traffic,
    save_simulation,
)
from attractor.growth.simulation.running import AppFolders, RunningState, as_recording, read_running
from attractor.growth.simulation.traffic import Recording, fits, read_recordings
from attractor.growth.specification.difference import ChangeKind
from attractor.growth.specification.limits import broken_limits
from attractor.workspaces.folders import scratch_folder
from attractor.workspaces.git.repository import open_repository


def simulate(
    plan: Plan,
    recordings: Sequence[Recording],
    depth: Depth,
    running: RunningState | None = None,
    *,
    today: str = "",
    not_tried: str = "",
    skeleton: str = "",
) -> Simulation:
    """Return the report of a plan at depth `spec`, which a rehearsal completes.

    Limits compare with `today`; `not_tried` says why the running app's state is not tried,
    `skeleton` that another version of Attractor generated it.
    """
    states = [*recordings, *([running] if running else [])]
    pins = Pins(
        plan_hash=plan.hash,
        traffic_hash=_joined([recording.traffic_hash for recording in recordings]),
        state_hash=_joined([one.state_hash for one in states]),
        depth=depth,
    )
    impact = Impact(plan.before, plan.result)
    requests = [request for recording in recordings for request in recording.requests]
    return Simulation(
        simulation_id=f"gs-{content_hash(pins.model_dump_json().encode())[:8]}",
        plan_id=plan.id,
        pins=pins,
        diff=_difference(plan),
        is_first=plan.is_first,
        files=tuple(_changed_files(plan)),
        risks=(
            *_risks(plan, recordings),
            *(_broken(plan, running, today) if running else ()),
            *filter(None, (skeleton, not_tried)),
        ),
        may_change=tuple(impact.may_change),
        traffic=Traffic(
            requests=len(requests), claimed=sum(impact.claims(request) for request in requests)
        ),
        migration=_migrated(plan, [recording.state for recording in recordings], running),
    )


def _difference(plan: Plan) -> Difference:
    changes = plan.changes
    counts = {kind: sum(change.kind is kind for change in changes) for kind in ChangeKind}
    words = [f"{number} {kind.value}" for kind, number in counts.items() if number]
    summary = ", ".join(words) or "no change"
    if plan.is_first:
        summary = f"the first stage, everything is new: {summary}"
    return Difference(summary=summary, changes=tuple(change.describe() for change in changes))


def _joined(hashes: Sequence[str]) -> str:
    return content_hash(canonical_json(list(hashes)).encode())


def _changed_files(plan: Plan) -> Iterator[FileChange]:
    """Yield the generated files that differ; a body is named if a model has to write it."""
    before: Mapping[str, GeneratedFile] = generate(plan.before) if plan.before else {}
    after = generate(plan.result)
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old and new and old.text == new.text:
            continue
        change = "changed" if old and new else "added" if new else "removed"
        file = new or old
        assert file is not None
        yield FileChange(path=path, change=change, part=file.part.value, nodes=tuple(file.nodes))


def _migrated(plan: Plan, recorded: Sequence[State], running: RunningState | None) -> StateChange:
    """Migrate copies of the running app's state and of recorded ones forward and back.

    Records that do not fit are listed.
    """
    migration = plan.migration
    misfits = dict.fromkeys(one for state in recorded for one in migration.misfits(state))
    found = [*misfits, *(_unfit(plan, running) if running else ())]
    refused = [str(one) for one in found if not one.instead]
    fault = unfit_records(refused) if refused else ""
    for state in [*recorded, *([running.true] if running else [])]:
        migrated = migration.up(state)
        if migration.is_reversible:
            restored = migration.down(migrated.state, migrated.residue)
            if restored.state != state:
                whose = "running app's" if running and state is running.true else "recorded"
                fault = f"the migration does not restore the {whose} state"
    seen = [_seen(state) for state in recorded]
    return StateChange(
        description=_NO_RECORDS if plan.is_first else migration.describe(),
        is_reversible=migration.is_reversible,
        records=sum(one.records for one in seen),
        entities=sum(one.entities for one in seen),
        running=_seen(running.true) if running else None,
        fault=fault,
        misfits=tuple(map(str, found)),
    )


def _unfit(plan: Plan, running: RunningState) -> Iterator[Misfit]:
    """Yield the records of the running app that do not fit."""
    name = _naming(running)
    for one in plan.migration.misfits(running.true):
        yield replace(one, record=name(one.record))


def _naming(running: RunningState) -> Callable[[str], str]:
    """Return a function of the words for a record; an id of a person is not shown."""
    shown = {f"{entity}/{one[KEY]}" for entity, all_ in running.shown.items() for one in all_}
    return lambda record: record if record in shown else f"a record of {record.partition('/')[0]}"


def _broken(plan: Plan, running: RunningState, today: str) -> Iterator[str]:
    """Return which new limits records of the running app break."""
    state = plan.migration.up(running.true).state
    return broken_limits(plan.before, plan.result, state, today, name=_naming(running))


_NO_RECORDS = "a first stage begins with the records that its app makes itself"


def _seen(state: State) -> StateSeen:
    counts = [len(records) for records in state.values() if records]
    return StateSeen(records=sum(counts), entities=len(counts))


def _risks(plan: Plan, recordings: Sequence[Recording]) -> Iterator[str]:
    if plan.is_first:
        yield f"{Risk.MEDIUM.value}: the first stage, everything is new"
    for step in plan.steps:
        if step.planned.risk is not Risk.LOW:
            yield f"{step.planned.risk.value}: {step.id} {type_of(step.planned.morph)}"
        if step.migration and not step.is_reversible:
            yield f"cannot be undone: {step.id} {step.migration.describe()}"
    if not recordings and not plan.is_first:
        yield (
            "no recorded traffic fits the app (record some: attractor grow record): "
            "nothing shows that other requests keep their responses"
        )


FOLDER = "simulation"


async def simulate_plan(
    control_plane: ControlPlane, plan: Plan, *, running: AppFolders | None
) -> Simulation:
    """Simulate a plan on the state of the running app, with wireframes as pictures."""
    state, why = await read_running(control_plane, plan, running)
    recordings = _recordings_for(control_plane, plan)
    today, skeleton = _today(control_plane), _changed_skeleton(running)
    report = simulate(
        plan, recordings, Depth.SPEC, state, today=today, not_tried=why, skeleton=skeleton
    )
    folder = _begin(control_plane, report)
    report = report.model_copy(update={"screenshots": _draw_wireframes(plan, folder)})
    save_simulation(report, folder)
    return report


async def rehearse_plan(
    control_plane: ControlPlane,
    plan: Plan,
    *,
    branch: str,
    pipeline: Path,
    running: AppFolders | None,
) -> Simulation:
    """Build a plan by its crew, stop before the evaluation, and try the built app.

    It gets the recorded traffic, and the state of the running app. A deployment goes on with the
    same run.
    """
    project = control_plane.project
    state, why = await read_running(control_plane, plan, running)
    recordings = _recordings_for(control_plane, plan)
    today, skeleton = _today(control_plane), _changed_skeleton(running)
    report = simulate(
        plan, recordings, Depth.REHEARSAL, state, today=today, not_tried=why, skeleton=skeleton
    )
    build = await build_plan(project, control_plane.plans.folder_of(plan.id), plan, branch=branch)
    run = await run_crew(project, build, pipeline=pipeline, evaluate=False)
    if run.status != EVALUATING:
        hint = f"look: attractor status {run.run_id}"
        raise AttractorError(f"the run {run.run_id} {run.status}: nothing to rehearse", hint=hint)
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    commit = await repository.commit(f"refs/heads/attractor/run/{run.run_id}")
    sandbox = await sandbox_of(project)
    if state or plan.is_first:
        recordings = [*recordings, as_recording(plan, state, project.machine.clock.now())]
    async with work_tree(project, repository, commit) as tree:
        rehearsed = await rehearse(
            plan,
            recordings,
            before=running.tree if running else None,
            after=tree,
            sandbox=sandbox,
            project=project.root,
            running=state,
        )
    rehearsal = Rehearsal(
        run_id=run.run_id,
        tree=commit,
        will_change=rehearsed.will_change,
        faults=rehearsed.faults,
    )
    folder = _begin(control_plane, report)
    pictures, note = await _take_pictures(control_plane, rehearsed.pages, folder, sandbox)
    drawn = [f"wireframes instead of screenshots: {note}"] if note else []
    report = report.model_copy(
        update={
            "rehearsal": rehearsal,
            "screenshots": pictures or _draw_wireframes(plan, folder),
            "risks": (*report.risks, *rehearsed.notes, *drawn),
        }
    )
    save_simulation(report, folder)
    return report


def _changed_skeleton(running: AppFolders | None) -> str:
    """Return the risk of a build whose skeleton another version generated, or ""."""
    change = describe_skeleton_change(read_files(running.tree)) if running else ""
    return (
        f"the skeleton is generated anew by this version of Attractor: {change}" if change else ""
    )


def _today(control_plane: ControlPlane) -> str:
    return control_plane.project.machine.clock.now().date().isoformat()


def _recordings_for(control_plane: ControlPlane, plan: Plan) -> Sequence[Recording]:
    """Return the recordings that the app can still replay: its entities may have changed."""
    return [one for one in read_recordings(control_plane.recordings) if fits(one, plan.base)]


def _begin(control_plane: ControlPlane, report: Simulation) -> Path:
    folder = control_plane.plans.folder_of(report.plan_id) / FOLDER / report.simulation_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise file_error("create", folder, cause) from cause
    return folder


def _draw_wireframes(plan: Plan, folder: Path) -> tuple[str, ...]:
    before = {"before.svg": plan.before} if plan.before else {}
    drawn = {**before, "after.svg": plan.result}
    for name, graph in drawn.items():
        write_whole(folder / name, draw_wireframe(graph))
    return tuple(drawn)


async def _take_pictures(
    control_plane: ControlPlane, pages: Mapping[str, str], folder: Path, sandbox: EnvironmentChoice
) -> tuple[tuple[str, ...], str]:
    """Return the names of the pictures, or why there are none."""
    note = why_no_pictures(control_plane.project.machine.environ)
    if not pages:
        note = "no traffic was recorded"
    if not note:
        with scratch_folder() as place:
            environment = sandbox.make(place)
            try:
                await environment.initialize()
                note = await take_pictures(pages, folder, environment)
            except AttractorError as error:
                note = error.message
            finally:
                await environment.cleanup()
    return (() if note else tuple(f"{name}.png" for name in pages)), note
