"""Makes the simulations of a plan and keeps them beside it (ruling G10).

Depth `spec` builds nothing: it names the files, state and requests that the plan touches. A
rehearsal completes its report with a built app.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from attractor.base.errors import AttractorError
from attractor.base.files import file_error, write_whole
from attractor.base.json import canonical_json, content_hash
from attractor.engine.state.run_state import EVALUATING
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import sandbox_of
from attractor.growth.apps.skeleton import generate
from attractor.growth.building import build_plan, run_crew, work_tree
from attractor.growth.control_plane import ControlPlane
from attractor.growth.migration import Sequenced, State, unfit_records
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
    Traffic,
    save_simulation,
)
from attractor.growth.simulation.traffic import Recording, fits, read_recordings
from attractor.growth.specification.difference import ChangeKind, compare_specs
from attractor.workspaces.git.repository import open_repository


def simulate(plan: Plan, recordings: Sequence[Recording], depth: Depth) -> Simulation:
    """Return the report of a plan at depth `spec`, which a rehearsal completes."""
    pins = Pins(
        plan_hash=plan.hash,
        traffic_hash=_joined([recording.traffic_hash for recording in recordings]),
        state_hash=_joined([recording.state_hash for recording in recordings]),
        depth=depth,
    )
    impact = Impact(plan.base, plan.result)
    requests = [request for recording in recordings for request in recording.requests]
    changes = compare_specs(plan.base, plan.result)
    counts = {kind: sum(change.kind is kind for change in changes) for kind in ChangeKind}
    words = [f"{number} {kind.value}" for kind, number in counts.items() if number]
    summary = ", ".join(words) or "no change"
    return Simulation(
        simulation_id=f"gs-{content_hash(pins.model_dump_json().encode())[:8]}",
        plan_id=plan.id,
        pins=pins,
        diff=Difference(summary=summary, changes=tuple(change.describe() for change in changes)),
        files=tuple(_changed_files(plan)),
        risks=tuple(_risks(plan, recordings)),
        may_change=tuple(impact.may_change),
        traffic=Traffic(
            requests=len(requests), claimed=sum(impact.claims(request) for request in requests)
        ),
        migration=_migrated(plan.migration, [recording.state for recording in recordings]),
    )


def _joined(hashes: Sequence[str]) -> str:
    return content_hash(canonical_json(list(hashes)).encode())


def _changed_files(plan: Plan) -> Iterator[FileChange]:
    """Yield the generated files that differ; a body is named if a model has to write it."""
    before, after = generate(plan.base), generate(plan.result)
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old and new and old.text == new.text:
            continue
        change = "changed" if old and new else "added" if new else "removed"
        file = new or old
        assert file is not None
        yield FileChange(path=path, change=change, part=file.part.value, nodes=tuple(file.nodes))


def _migrated(migration: Sequenced, states: Sequence[State]) -> StateChange:
    """Migrate copies of recorded states forward and back; list the records that do not fit."""
    misfits = list(dict.fromkeys(one for state in states for one in migration.misfits(state)))
    refused = [str(one) for one in misfits if not one.instead]
    fault = unfit_records(refused) if refused else ""
    for state in states:
        migrated = migration.up(state)
        if migration.is_reversible:
            restored = migration.down(migrated.state, migrated.residue)
            if restored.state != state:
                fault = "the migration does not restore the recorded state"
    return StateChange(
        description=migration.describe(),
        is_reversible=migration.is_reversible,
        records=sum(len(records) for state in states for records in state.values()),
        fault=fault,
        misfits=tuple(map(str, misfits)),
    )


def _risks(plan: Plan, recordings: Sequence[Recording]) -> Iterator[str]:
    for step in plan.steps:
        if step.planned.risk is not Risk.LOW:
            yield f"{step.planned.risk.value}: {step.id} {type_of(step.planned.morph)}"
        if step.migration and not step.is_reversible:
            yield f"cannot be undone: {step.id} {step.migration.describe()}"
    if not recordings:
        yield (
            "no recorded traffic fits the app (record some: attractor grow record): "
            "nothing shows that other requests keep their responses"
        )


FOLDER = "simulation"


def simulate_plan(control_plane: ControlPlane, plan: Plan) -> Simulation:
    """Simulate a plan from its specification alone, with wireframes as pictures."""
    report = simulate(plan, _recordings_for(control_plane, plan), Depth.SPEC)
    folder = _begin(control_plane, report)
    report = report.model_copy(update={"screenshots": _draw_wireframes(plan, folder)})
    save_simulation(report, folder)
    return report


async def rehearse_plan(
    control_plane: ControlPlane, plan: Plan, *, branch: str, pipeline: Path, running: Path | None
) -> Simulation:
    """Build a plan by its crew, stop before the evaluation, and replay the recorded traffic.

    `running` is the tree of the app that runs. A deployment goes on with the same run.
    """
    project = control_plane.project
    recordings = _recordings_for(control_plane, plan)
    report = simulate(plan, recordings, Depth.REHEARSAL)
    folder = _begin(control_plane, report)
    build = await build_plan(project, control_plane.plans.folder_of(plan.id), plan, branch=branch)
    run = await run_crew(project, build, pipeline=pipeline, evaluate=False)
    if run.status != EVALUATING:
        hint = f"look: attractor status {run.run_id}"
        raise AttractorError(f"the run {run.run_id} {run.status}: nothing to rehearse", hint=hint)
    repository = await open_repository(project.root, search_path=project.machine.search_path)
    commit = await repository.commit(f"refs/heads/attractor/run/{run.run_id}")
    sandbox = await sandbox_of(project)
    async with work_tree(project, repository, commit) as tree:
        rehearsed = await rehearse(
            plan, recordings, before=running, after=tree, sandbox=sandbox, project=project.root
        )
    rehearsal = Rehearsal(run_id=run.run_id, tree=commit, will_change=rehearsed.will_change)
    pictures, note = await _take_pictures(control_plane, rehearsed.pages, folder, sandbox)
    said = (f"wireframes instead of screenshots: {note}",) if note else ()
    report = report.model_copy(
        update={
            "rehearsal": rehearsal,
            "screenshots": pictures or _draw_wireframes(plan, folder),
            "risks": (*report.risks, *said),
        }
    )
    save_simulation(report, folder)
    return report


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
    drawn = {"before.svg": plan.base, "after.svg": plan.result}
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
        with TemporaryDirectory(prefix="chromium-") as place:
            environment = sandbox.make(Path(place))
            try:
                await environment.initialize()
                note = await take_pictures(pages, folder, environment)
            except AttractorError as error:
                note = error.message
            finally:
                await environment.cleanup()
    return (() if note else tuple(f"{name}.png" for name in pages)), note
