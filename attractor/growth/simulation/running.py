"""The state of the running app in a simulation (ruling G10).

Its true values are migrated by rule, and given to the built app only in a sandbox. Replays,
pictures and reports get pseudonyms in the place of flagged values, as a recording does.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.environments.selection import EnvironmentChoice
from attractor.growth.apps.process import export_state, import_state, sandbox_of
from attractor.growth.apps.routes import routes
from attractor.growth.control_plane import ControlPlane
from attractor.growth.errors import AppFailed
from attractor.growth.migration import State, state_text
from attractor.growth.plans.plan import Plan
from attractor.growth.simulation.recorded import with_pseudonyms
from attractor.growth.simulation.traffic import (
    Conditions,
    Exchange,
    Recording,
    Request,
    Response,
    hash_of_state,
)
from attractor.growth.specification.clarifications import adds_only_desires
from attractor.growth.specification.files import read_spec
from attractor.workspaces.folders import scratch_folder

NAME = "the state of the running app"
_OF_VERSION = ("/health", "/telemetry")


@dataclass(frozen=True)
class AppFolders:
    """The code and the state of the running app."""

    tree: Path
    state: Path


@dataclass(frozen=True)
class RunningState:
    """The state of the running app: true values, and the same with pseudonyms."""

    true: State
    shown: State

    @property
    def state_hash(self) -> str:
        """The hash of the shown values: one of true values would let a reader guess them."""
        return hash_of_state(self.shown)


async def read_running(
    control_plane: ControlPlane, plan: Plan, running: AppFolders | None
) -> tuple[RunningState | None, str]:
    """Return the state of the running app, or why the plan is not tried on it; neither without one.

    The app goes on running: its export sees one state.
    """
    if running is None:
        return (
            None,
            "" if plan.is_first else "no app runs here: the plan was tried on no state of it",
        )
    graph = read_spec(running.tree)
    if not adds_only_desires(graph, plan.base):
        return None, "the running app has another specification than the base of the plan: " + (
            f"the plan was not tried on its state (rebase it: attractor grow rebase {plan.id})"
        )
    project = control_plane.project
    sandbox = await sandbox_of(project)
    true = await export_state(running.tree, running.state, sandbox=sandbox)
    return RunningState(true, with_pseudonyms(true, graph, project.redactor.text)), ""


def requests_by_rule(plan: Plan) -> Sequence[Request]:
    """Return requests that read everything, run all pipelines, and read everything again."""
    graphs = [graph for graph in (plan.before, plan.result) if graph]
    found = dict.fromkeys(route for graph in graphs for route in routes(graph))
    reads = [
        Request(method="GET", path=one.path)
        for one in found
        if one.method == "GET" and one.path not in _OF_VERSION
    ]
    runs = [Request(method="POST", path=one.path) for one in found if one.path.startswith("/run/")]
    return [*reads, *runs, *reads]


def as_recording(plan: Plan, running: RunningState | None, clock: datetime) -> Recording:
    """Return the requests by rule on the running app, or on a first stage without records."""
    exchanges = [
        Exchange(request=one, response=Response(status=200)) for one in requests_by_rule(plan)
    ]
    state: State = running.shown if running else {}
    name = NAME if running else "the first stage"
    return Recording(name, Conditions(clock=clock), state, tuple(exchanges))


async def find_losses(
    plan: Plan, running: RunningState, tree: Path, sandbox: EnvironmentChoice
) -> Sequence[str]:
    """Give the built app the migrated true state in a sandbox; return what it does not keep.

    The words of the app are left out, because they may contain values.
    """
    moved = plan.migration.up(running.true).state
    with scratch_folder() as folder:
        try:
            await import_state(tree, folder, moved, sandbox=sandbox)
            written = await export_state(tree, folder, sandbox=sandbox)
        except AppFailed:
            return [f"the built app does not take {NAME} over"]
    return [
        f"the built app does not keep the records of {entity}"
        for entity in sorted({*moved, *written})
        if state_text(moved.get(entity, ())) != state_text(written.get(entity, ()))
    ]
