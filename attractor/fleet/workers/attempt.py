"""The process of one attempt: executes a run in its place, and commits by its worker.

It has no address of the fleet and no ledger. It sends no notice, and delivers only into its own
place: the server does the rest from the committed head. It has holdouts only if its worker serves
the pool of evaluations: then it plays trials, and the server evaluates the gate. A run in a
dimension of this machine works as one of its project does; only its directory is in the place.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Any

from attractor.base.callables import do_nothing
from attractor.base.clock import SystemClock
from attractor.base.errors import AttractorError, Refused, UnknownName, UsageError, first_sentence
from attractor.base.events import Event
from attractor.base.files import read_regular
from attractor.base.interrupts import interruptible
from attractor.base.json import Json, JsonObject, parse_object
from attractor.base.records import read_record
from attractor.config.load import load_configuration
from attractor.config.tables import read_section
from attractor.config.user_folders import user_config_file
from attractor.engine.errors import FenceLost
from attractor.engine.journal.events import RunStatusChanged
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.engine.seams import PlayedTrain, PlayTrain, TrainChoice, Workspace
from attractor.engine.state.attempts import TreeId
from attractor.engine.state.run_state import StatusWord, Wait
from attractor.factory.dimensions import with_dimension
from attractor.factory.open_project import OpenProject
from attractor.factory.project import list_project_ids
from attractor.factory.register import record_guard
from attractor.factory.resources.effective import policy_of_profile
from attractor.factory.resources.profiles import Profile
from attractor.fleet.store.places import AGENTS, EVALUATION, WHY_STOPPED, MachinePlace
from attractor.fleet.workers.fence import USED, WorkerChannel, WorkerFence, used_record
from attractor.fleet.workers.trials import Finish, TrialsLeft, find_trials
from attractor.pipeline.execute import resume
from attractor.pipeline.plan.origins import Origin
from attractor.pipeline.plan.run_plan import BegunRun, Policy, RunRules
from attractor.pipeline.project.console import Console, Observer
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.pinned_agents import keep_agents
from attractor.pipeline.project.project import Notify, Project, project_from
from attractor.records.request import NO_OVERRIDES, Overrides, RunRequest, read_request
from attractor.records.tracing.begin import begin_tracing
from attractor.records.tracing.settings import Traced
from attractor.workspaces.create.registry import workspace_registry
from attractor.workspaces.folders import require_folder

if TYPE_CHECKING:
    from attractor.records.tracing.export import Tracing

PROFILE = "fleet-profile.json"
"""The file beside the settings of the project with the profile of its runs."""

TRAIN = "train"
"""The folder beside it with the train scenarios that a run may play, of each suite by its seal."""

FOLDER, WHY = "folder", "why"

_RESULT = ("status", "phase", "reason", "outcome")


def open_project(
    place: MachinePlace, environ: Mapping[str, str], channel: WorkerChannel, observer: Observer
) -> tuple[Project, "Tracing | None"]:
    """Open the project of a place, with its settings and those of this machine.

    Also return the tracing of the run, if it is enabled.
    """
    where = {
        "ATTRACTOR_STATE_DIR": str(place.state),
        "ATTRACTOR_RUNS_DIR": str(place.runs),
    }
    environ = {**environ, **where}
    configuration = load_configuration(
        start=place.project, cwd=place.project, environ=environ, user_file=user_config_file()
    )
    tracing = begin_tracing(Traced(configuration.settings.tracing.enabled), environ, _tell)
    machine = Machine(
        state_dir=place.state,
        environ=environ,
        adopts_orphans=True,
        fences=partial(WorkerFence, channel=channel),
    )
    console = Console(
        input=StringIO(),
        output=sys.stderr,
        observer=_both(tracing, observer) if tracing else observer,
        tell=_tell,
    )
    project = project_from(configuration, machine=machine, console=console)
    return replace(project, notify=Notify()), tracing


def _both(first: Observer, second: Observer) -> Observer:
    def observe(event: Event) -> None:
        first(event)
        second(event)

    return observe


def _tell(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def _record(project: Path) -> dict[str, Any]:
    return dict(parse_object(read_regular(project / PROFILE)) or {})


class LongWait:
    """Ends this process when its run waits for long: a run that waits takes no process."""

    def __init__(self) -> None:
        self.words, self.reason, self.seconds = "", "", 0.0
        self._end: Callable[[], object] = do_nothing

    def begin(self, task: "asyncio.Task[Any]") -> None:
        """End a task at a long wait from now on."""
        loop = asyncio.get_running_loop()
        self._end = lambda: loop.call_soon_threadsafe(task.cancel)

    def __call__(self, event: Event) -> None:
        """Look whether the run began to wait."""
        if event.type != RunStatusChanged.__name__:
            return
        wait = event.data.get("wait")
        if event.data["status"] != StatusWord.WAITING or not isinstance(wait, dict):
            return
        found = read_record(Wait, wait)
        seconds = (found.until - SystemClock().now()).total_seconds() if found.until else 0
        if seconds > _LONG_S:
            self.words, self.reason = str(event.data["reason"]), found.reason.value
            self.seconds = seconds
            self._end()

    def report(self) -> JsonObject:
        """Return the report of a process that ended because of the wait."""
        return {"status": "waiting", "phase": "", "reason": self.words, "outcome": ""} | {
            "wait": self.reason,
            "wait_s": self.seconds,
        }


_LONG_S = 10.0


def find_dimension(request: RunRequest, project: Project, project_id: str) -> Overrides:
    """Return the kind and the folder of the dimension of a run, in the project of its worker.

    `project_id` is the project of the run; a clone on another machine has another id.
    """
    name, opened = request.dimension, OpenProject(project)
    others = {*list_project_ids(project.machine.state_dir)} - {opened.identity.project_id()}
    if project_id in others:
        raise Refused(
            f"the run is of another project than {project.root}",
            hint="start a worker in that project with a label of its own",
        )
    wanted = replace(request, workspace=name, dimension="")
    try:
        placed = with_dimension(wanted, opened)
    except UnknownName:
        placed = wanted
    if not placed.folder:
        raise Refused(
            f"there is no dimension {name} with a folder in {project.root} on {gethostname()}",
            hint=f"make it there: attractor dimension add {name}",
        )
    require_folder(Path(placed.folder))
    return Overrides(workspace=placed.workspace, folder=placed.folder)


def _train(folder: Path, sent: Mapping[str, Mapping[str, str]], begun: BegunRun) -> PlayTrain:
    """Return the function that plays train scenarios which were sent with a run."""

    def play(workspace: Workspace, tree: TreeId, choice: TrainChoice) -> AsyncIterator[PlayedTrain]:
        # Suites are slow to import.
        from attractor.factory.evaluation.train import play_train
        from attractor.scenarios.train_part import read_train_part

        sealed = None
        if name := choice.suite or begun.plan.request.suite:
            part = sent.get(name, {WHY: f"no train scenarios of {name} were sent with this run"})
            if why := part.get(WHY):
                raise UsageError(why)
            sealed = read_train_part(folder / part[FOLDER])
        return play_train(sealed, begun.plan, workspace, tree, choice)

    return play


async def execute(
    run_id: str,
    place: MachinePlace,
    project: Project,
    record: Mapping[str, Any],
    wait: LongWait,
    own: Overrides,
    finish: Finish | None,
) -> RunResult:
    """Execute a run until it waits, stops or ends; `finish` plays the trials of an evaluation."""

    async def find_policy(origin: Origin, request: RunRequest) -> Policy:
        """Return the policy of the profile with which the run began."""
        policy = policy_of_profile(read_section(Profile, record["profile"]), project)
        note = record["task_note"]
        pinned = {"suite": request.suite, "profile": request.profile}
        train = partial(_train, place.project, record.get(TRAIN, {}))
        policy = replace(policy, **pinned, task_note=note, delivers=False, begin=record_guard)
        return replace(policy, train=train, finish=finish)

    task = asyncio.current_task()
    assert task
    wait.begin(task)
    work = resume(place.runs / run_id, project, own, RunRules(find_policy))
    return await interruptible(work)


def _report(result: RunResult) -> JsonObject:
    outcome: Json = result.outcome.value if result.outcome else ""
    status = result.status
    values = (status.word.value, status.phase.value, result.reason, outcome)
    return {**dict(zip(_RESULT, values, strict=True)), USED: used_record(result.usage)}


def _words_of(error: AttractorError, place: MachinePlace) -> str:
    """Return what the row says of an error; of an evaluation, only the head has its words."""
    folder = place.state / EVALUATION
    if not folder.exists():
        return error.in_one_line
    # It may name files of the suite, and all workers read the row.
    (folder / WHY_STOPPED).write_text(error.in_one_line)
    return f"{first_sentence(type(error))}, which attractor resume describes"


def _require_home(home: MachinePlace | None) -> MachinePlace:
    if home is None:
        raise Refused(
            "a run in a dimension needs a worker of its machine",
            hint="begin another one with the label of such a worker: attractor run --label LABEL",
        )
    return home


def main(
    root: Path,
    run_id: str,
    end: socket.socket,
    home: MachinePlace | None = None,
    project_id: str = "",
) -> int:
    """Execute a run in its place, and tell the worker how it ended.

    `home` is the project of the worker, for a run of its label, and `project_id` that of the run.
    """
    # No command of a stage may speak with the worker.
    end.set_inheritable(False)
    channel, place, wait = WorkerChannel(end), MachinePlace.below(root), LongWait()
    # An empty folder of agents has no files that a head could name.
    record = _record(place.project)
    agents = place.state / AGENTS / record["agents"]
    agents.mkdir(parents=True, exist_ok=True)
    try:
        request = read_request(read_manifest(RunDirectory(place.runs / run_id)))
        is_here = workspace_registry()[request.workspace].needs_folder
        opened = _require_home(home) if is_here else place
        project, tracing = open_project(opened, os.environ, channel, wait)
        try:
            own = NO_OVERRIDES
            if is_here:
                own = find_dimension(request, project, project_id)
                keep_agents(agents, project.machine)
                project = replace(project, runs_dir=place.runs)
            finish = find_trials(place, channel)
            result = asyncio.run(execute(run_id, place, project, record, wait, own, finish))
        finally:
            # Not for a lost run: its worker kills a process that takes long to end.
            if tracing and not channel.lost:
                tracing.end()
    except asyncio.CancelledError:
        if not wait.reason or channel.lost:
            return 130
        channel.tell_end(wait.report())
        return 0
    except FenceLost:
        return 1
    except TrialsLeft as left:
        # As a run that its worker stopped between two stages.
        stopped = (StatusWord.EXECUTING.value, "", left.message, "")
        channel.tell_end(dict(zip(_RESULT, stopped, strict=True)))
        return 0
    except AttractorError as error:
        channel.tell_end({"error": _words_of(error, place), "exit_code": int(error.exit_code)})
        return 0
    channel.tell_end(_report(result))
    return 0


if __name__ == "__main__":
    root, run_id, number, *of_label = sys.argv[1:]
    end = socket.socket(fileno=int(number))
    if of_label:
        *folders, project_id = of_label
        sys.exit(main(Path(root), run_id, end, MachinePlace(*map(Path, folders)), project_id))
    sys.exit(main(Path(root), run_id, end))
