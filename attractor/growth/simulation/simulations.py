"""Makes the simulations of a plan and keeps them beside it (ruling G10)."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from attractor.base.errors import AttractorError
from attractor.base.files import file_error, write_whole
from attractor.engine.state.run_state import EVALUATING
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import app_sandbox
from attractor.growth.building.crew_run import CrewRun, build_plan, run_crew
from attractor.growth.building.plan_commit import work_tree
from attractor.growth.control_plane import ControlPlane
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.rehearse import rehearse
from attractor.growth.simulation.report import Depth, Rehearsal, Simulation, save_simulation
from attractor.growth.simulation.screenshots import take_pictures, why_no_pictures
from attractor.growth.simulation.simulate import simulate
from attractor.growth.simulation.traffic import read_recordings
from attractor.growth.simulation.wireframe import draw_wireframe
from attractor.workspaces.git.repository import open_repository

FOLDER = "simulation"


def simulate_plan(control_plane: ControlPlane, plan: Plan) -> Simulation:
    """Simulate a plan from its specification alone, with wireframes as pictures."""
    report = simulate(plan, read_recordings(control_plane.recordings), Depth.SPEC)
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
    host = control_plane.host
    recordings = read_recordings(control_plane.recordings)
    report = simulate(plan, recordings, Depth.REHEARSAL)
    folder = _begin(control_plane, report)
    build = await build_plan(host, control_plane.plans.folder_of(plan.id), plan, branch=branch)
    run = await run_crew(host, build, pipeline=pipeline, evaluate=False)
    _require_built(run)
    repository = await open_repository(host.project, search_path=host.search_path)
    commit = await repository.commit(f"refs/heads/attractor/run/{run.run_id}")
    hidden = [one for one in (host.project, host.runs_dir, host.state_dir) if one.exists()]
    sandbox = await app_sandbox(host.variables_of_tools, hide=hidden)
    async with work_tree(host, repository, commit) as tree:
        rehearsed = await rehearse(plan, recordings, before=running, after=tree, sandbox=sandbox)
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


def _require_built(run: CrewRun) -> None:
    if run.status != EVALUATING:
        hint = f"look: attractor status {run.run_id}"
        raise AttractorError(f"the run {run.run_id} {run.status}: nothing to rehearse", hint=hint)


async def _take_pictures(
    control_plane: ControlPlane, pages: Mapping[str, str], folder: Path, sandbox: EnvironmentChoice
) -> tuple[tuple[str, ...], str]:
    """Return the names of the pictures, or why there are none."""
    note = why_no_pictures(control_plane.host.environ)
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
