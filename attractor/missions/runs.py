"""The runs of a mission: how each is planned, what it does at this moment, and how it ended."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

from attractor.base.errors import AttractorError, UsageError, words_of
from attractor.base.locks import FileLock
from attractor.engine.budgets import Budgets
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.journal.reader import events_of
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult, result_of
from attractor.engine.stage.command_output import STDERR, STDOUT
from attractor.engine.state.progress import StageRecord
from attractor.engine.state.run_state import AWAITING_ANSWER
from attractor.engine.truncation import one_line
from attractor.factory.evaluation.gate import gate
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.due import DueRun, is_over
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.start import plan_start
from attractor.factory.operations.submission import FILE as JUDGED, plan_submission
from attractor.factory.register import find_restarts
from attractor.factory.resources.versions import split_pin
from attractor.missions.landing import candidate_of, repository_of
from attractor.missions.orders import RunNow
from attractor.missions.plan import PLAN_FILE, find_faults, read_plan
from attractor.missions.records import (
    Begun,
    Ended,
    History,
    Mission,
    MissionFolder,
    Planned,
    PlannedTask,
    Role,
)
from attractor.pipeline.plan.run_plan import RunPlan
from attractor.records.request import MissionWork, RunRequest, Submission
from attractor.workspaces.git.object_store import ObjectStore
from attractor.workspaces.git.repository import find_prefix
from attractor.workspaces.run_store import open_store, store_for_a_moment

TRAIN = "train"
_TRAIN_PLAYED = "TrainScenarioPlayed"
CHECK, _CHECK_LIMIT = "check", "2m"
_MOST_WORDS = 600
_MOST_TRIES = 3
_LEAST_TIME = timedelta(seconds=1)


@cache
def _planner_prompt() -> str:
    return Path(__file__).with_name("planner.md").read_text("utf-8")


def due_run(begun: Begun, folder: MissionFolder, opened: OpenProject) -> DueRun:
    """Return a run of the mission, which begins once; a stopped mission begins none."""

    def withdrawn() -> str:
        return "the mission has ended" if folder.read().closed else ""

    async def plan() -> RunPlan:
        return await _plan(begun, folder.read(), opened)

    return DueRun(begun.run_id, plan, withdrawn)


async def _plan(begun: Begun, history: History, opened: OpenProject) -> RunPlan:
    mission = history.mission
    request = RunRequest(
        file=opened.project.root / f"mission_{begun.role}.dot",
        goal=mission.intent,
        backend=mission.backend,
        model=mission.model,
        provider=mission.provider,
        sandbox=mission.sandbox,
        budgets=Budgets(cost_usd=begun.reserved_usd, duration=_time_left(begun, mission)),
        evaluate=False,
        mission=MissionWork(mission.name, begun.role, begun.task),
    )
    if begun.role is Role.JUDGE:
        return await _plan_judge(begun, request, history, opened)
    request, text = _asked(begun, request, history, _train_suite(mission, opened))
    # No suite judges these runs, whatever the settings name.
    project = replace(opened.project, suite="")
    if text:
        project = project.with_texts({str(request.file): text})
    ready = OpenProject(project, opened.elsewhere)
    return await plan_start(request, ready, run_id=begun.run_id, commit=begun.commit)


def _time_left(begun: Begun, mission: Mission) -> timedelta | None:
    """Return how long a run may work: to the end of the hours; None for a last evaluation."""
    end = mission.created + timedelta(hours=mission.hours)
    return None if begun.role is Role.JUDGE else max(_LEAST_TIME, end - begun.at)


def _train_suite(mission: Mission, opened: OpenProject) -> str:
    """Return the suite of a mission, if it has train scenarios, or ""."""
    sealed = opened.suite(mission.suite) if mission.suite else None
    return split_pin(mission.suite)[0] if sealed and sealed.suite.of_split("train") else ""


def _asked(
    begun: Begun, request: RunRequest, history: History, suite: str
) -> tuple[RunRequest, str]:
    """Return the request of a run and the text of its pipeline; "" for one of the project.

    Trials and landings play the train scenarios of `suite`.
    """
    mission = history.mission
    if begun.role is Role.PLANNER:
        goal = _planner_goal(begun, history)
        return replace(request, goal=goal), _pipeline("plan", 'prompt="$goal"')
    if begun.role is Role.WORKER:
        task = history.tasks[begun.task]
        request = replace(request, goal=_worker_goal(task, begun, history))
        if mission.pipeline:
            file = request.file.with_name(mission.pipeline)
            return replace(request, file=file, inputs={CHECK: task.check}), ""
        return request, _task_pipeline(task)
    tasks = [history.tasks[id_] for id_ in begun.tasks]
    return request, checks_pipeline(tasks, suite)


async def _plan_judge(
    begun: Begun, request: RunRequest, history: History, opened: OpenProject
) -> RunPlan:
    """Plan the run that judges a tree of the branch, in the name of all runs that made it."""
    mission = history.mission
    landed = [one.run_id for one in history.landed.values()]
    submission = Submission("", mission.base, "", runs=landed, source=f"the mission {mission.name}")
    request = replace(
        request,
        file=request.file.with_name(JUDGED),
        suite=split_pin(mission.suite)[0],
        profile=split_pin(mission.profile)[0],
        evaluate=True,
    )
    files = _files_of(begun.commit, mission.base, opened)
    what = f"the mission {mission.name}"
    return await plan_submission(request, submission, files, opened, begun.run_id, what=what)


@asynccontextmanager
async def _files_of(
    commit: str, base: str, opened: OpenProject
) -> AsyncGenerator[tuple[ObjectStore, str, str]]:
    repository = await repository_of(opened)
    async with store_for_a_moment(repository, opened.project.machine.state_dir) as store:
        yield store, await candidate_of(commit, store, repository), base


def _pipeline(stage: str, attributes: str) -> str:
    return (
        f"digraph mission_{stage} {{\n"
        "  start [shape=Mdiamond]; done [shape=Msquare]\n"
        f"  {stage} [auto_status=true, {attributes}]\n"
        f"  start -> {stage} -> done\n"
        "}\n"
    )


def _task_pipeline(task: PlannedTask) -> str:
    """Return the pipeline of a task: an agent, and the check, after which it may work again."""
    check = json.dumps(task.check)
    return (
        "digraph mission_task {\n"
        "  start [shape=Mdiamond]; done [shape=Msquare]\n"
        f'  work [prompt="$goal", auto_status=true, max_visits={_MOST_TRIES}]\n'
        f"  {CHECK} [shape=parallelogram, tool_command={check}, timeout={_CHECK_LIMIT}]\n"
        f"  start -> work -> {CHECK}\n"
        f'  {CHECK} -> done [condition="outcome=success"]\n'
        f'  {CHECK} -> work [condition="outcome!=success"]\n'
        "}\n"
    )


def checks_pipeline(tasks: Sequence[PlannedTask], suite: str) -> str:
    """Return the pipeline that plays the checks of tasks, and the train scenarios of a suite.

    It goes on after a check that does not hold.
    """
    lines = ["digraph mission_checks {", "  start [shape=Mdiamond]; done [shape=Msquare]"]
    nodes = [_node(at) for at in range(len(tasks))]
    for node, task in zip(nodes, tasks, strict=True):
        command = json.dumps(task.check)
        lines.append(
            f"  {node} [shape=parallelogram, tool_command={command}, timeout={_CHECK_LIMIT}]"
        )
    if suite:
        lines.append(f"  {TRAIN} [type=scenarios, suite={json.dumps(suite)}]")
        nodes.append(TRAIN)
    lines.append(f"  start -> {nodes[0] if nodes else 'done'}")
    for node, following in zip(nodes, [*nodes[1:], "done"], strict=True):
        lines.append(f'  {node} -> {following} [condition="outcome=success"]')
        lines.append(f'  {node} -> {following} [condition="outcome!=success"]')
    return "\n".join([*lines, "}", ""])


def _node(at: int) -> str:
    return f"check_{at + 1}"


def _planner_goal(begun: Begun, history: History) -> str:
    mission = history.mission
    data = {
        "intent": mission.intent,
        "requirements": mission.requirements,
        "done": [{"id": one, "what": history.tasks[one].what} for one in history.landed],
        "before": begun.words,
    }
    more = (
        ""
        if mission.requirements
        else (
            "\nNo requirements are given. Read them out of the intent, and write them before the "
            "tasks as `[[requirement]]` tables with `id` and `sentence`.\n"
        )
    )
    text = json.dumps(data, indent=1, ensure_ascii=False)
    return f"{_planner_prompt()}{more}\n```json\n{text}\n```\n"


def _worker_goal(task: PlannedTask, begun: Begun, history: History) -> str:
    known = requirements_of(history)
    sentences = [f"- {known[id_]}" for id_ in task.requirements if id_ in known]
    parts = [
        task.what,
        "\n".join(["It proves these sentences:", *sentences]) if sentences else "",
        f"Change only these files: {', '.join(task.touches)}. Work on others is returned.",
        f"It is done when this command succeeds: {task.check}",
        f"Earlier work on it was returned:\n{begun.words}" if begun.words else "",
    ]
    return "\n\n".join(filter(None, parts))


def requirements_of(history: History) -> Mapping[str, str]:
    """Return the sentences to prove: those of the specification, or those of the last plan."""
    plan = history.plan
    return history.mission.requirements or (plan.requirements if plan else {})


def look(begun: Begun, folder: MissionFolder, opened: OpenProject) -> RunNow:
    """Return what an open run does at this moment."""
    if FileLock.is_held(folder.run_lock(begun.run_id)):
        return RunNow.WORKING
    if not (found := find_restarts(begun.run_id, opened)):
        return RunNow.GONE
    directory = RunDirectory(found[0])
    state = open_journal(directory.events, directory.checkpoint).state
    if state.status == AWAITING_ANSWER and state.questions:
        return RunNow.ASKS
    is_done = is_over(state) and not wants_evaluation(begun, found[0], opened)
    return RunNow.ENDED if is_done else RunNow.GONE


def wants_evaluation(begun: Begun, root: Path, opened: OpenProject) -> bool:
    """Return whether the suite wants another evaluation of a tree, and nothing else fails."""
    if begun.role is not Role.JUDGE:
        return False
    _, judged = ask_gate(root, opened)
    return [one.rule for one in gate(judged).reasons] == ["instability"]


def read_end(begun: Begun, history: History, opened: OpenProject) -> Ended:
    """Return how a run ended, and what it found."""
    root = find_restarts(begun.run_id, opened)[0]
    directory = RunDirectory(root)
    state = open_journal(directory.events, directory.checkpoint).state
    result = result_of(read_manifest(directory), root, state)
    ended = Ended(
        run_id=begun.run_id,
        at=opened.now(),
        succeeded=bool(result.outcome and result.outcome.is_success),
        reason=one_line(opened.project.redactor.text(result.reason), _MOST_WORDS),
        tree=result.tree,
        cost_usd=result.usage.cost_usd,
        unpriced_tokens=result.usage.unpriced_tokens,
    )
    if begun.role in (Role.TRIAL, Role.LANDING):
        return _with_checks(ended, begun, result, opened)
    if begun.role is Role.WORKER and not ended.succeeded:
        return replace(ended, said={begun.task: _output_of(directory.stage(CHECK), opened)})
    if begun.role is Role.JUDGE:
        _, judged = ask_gate(root, opened)
        return replace(ended, verdict=gate(judged).verdict if judged.evaluations else "")
    return ended


def _with_checks(ended: Ended, begun: Begun, result: RunResult, opened: OpenProject) -> Ended:
    directory = RunDirectory(result.directory)
    state = open_journal(directory.events, directory.checkpoint).state
    stages = state.progress.stages if state.progress else dict[str, StageRecord]()
    results, said = dict[str, bool](), dict[str, str]()
    for at, task in enumerate(begun.tasks):
        if record := stages.get(_node(at)):
            results[task] = record.outcome.is_success
            if not results[task]:
                said[task] = _output_of(directory.stage(_node(at)), opened)
    for event in events_of(directory.events, (_TRAIN_PLAYED,)):
        name = f"{TRAIN}:{event.data['scenario']}"
        results[name] = bool(event.data["satisfied"])
        if not results[name]:
            said[name] = "it does not hold"
    return replace(ended, results=results, said=said)


def _output_of(stage: Path, opened: OpenProject) -> str:
    """Return the end of what a check printed."""
    found = [stage / name for name in (STDOUT, STDERR)]
    text = "\n".join(file.read_text("utf-8", "replace") for file in found if file.exists())
    return opened.project.redactor.text(text.strip()[-_MOST_WORDS:]) or "no output"


async def read_planned(
    begun: Begun, ended: Ended, history: History, opened: OpenProject
) -> Planned:
    """Return the plan that a planner's run left, with what is wrong with it."""
    if not ended.succeeded:
        return Planned(opened.now(), begun.run_id, faults=[f"the planner failed: {ended.reason}"])
    machine = opened.project.machine
    store, _ = open_store(machine.state_dir, begun.run_id, search_path=machine.search_path)
    try:
        files = await store.files_of(ended.tree)
        prefix = await find_prefix(opened.project.root, search_path=machine.search_path)
        if (entry := files.get(f"{prefix}{PLAN_FILE}".encode())) is None:
            raise UsageError(f"the planner wrote no {PLAN_FILE}")
        [content] = await store.with_blobs([entry.id], list)
        return planned_by(begun.run_id, content.decode("utf-8", "replace"), history, opened)
    except AttractorError as cause:
        return Planned(opened.now(), begun.run_id, faults=[words_of(cause)])


def planned_by(by: str, text: str, history: History, opened: OpenProject) -> Planned:
    """Return a plan in the words of its file, with what is wrong with it."""
    plan = read_plan(text)
    known = history.mission.requirements or plan.requirements
    landed = {id_: history.tasks[id_] for id_ in history.landed}
    faults = [*find_faults(plan.tasks, known, landed)]
    return Planned(opened.now(), by, plan.tasks, faults, plan.requirements)
