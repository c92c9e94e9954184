"""What a mission did, counted from its journal: the report of the morning."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.locks import FileLock
from attractor.base.records import write_fields
from attractor.factory.open_project import OpenProject
from attractor.missions.governor import spent_on
from attractor.missions.orders import GO, Do, Facts, Order, next_orders, reason_of, verdict_on
from attractor.missions.process import ThisMachine
from attractor.missions.records import Begun, History, MissionFolder, Returned, Role
from attractor.missions.runs import requirements_of


@dataclass(frozen=True)
class TaskReport:
    """The result of a task."""

    id: str
    status: str
    what: str
    requirements: Sequence[str]
    touches: Sequence[str]
    needs: Sequence[str]
    check: str
    runs: int
    returned: Sequence[str]
    cost_usd: float
    commit: str = ""
    why: str = ""


@dataclass(frozen=True)
class MissionReport:
    """What was asked, landed, given up and spent, and what waits for a person."""

    name: str
    status: str
    intent: str
    branch: str
    suite: str
    verdict: str
    judged_run: str
    waits_for: str
    command: str
    tasks: Sequence[TaskReport]
    requirements: Mapping[str, Sequence[str]]
    """The tasks that landed for each requirement, by its id."""
    cost_usd: float
    unpriced_tokens: int
    max_cost_usd: float | None
    cost_by_role: Mapping[str, float]
    runs: int
    evaluations: Sequence[str]
    hands_off: bool
    started: str
    ended: str

    @property
    def is_good(self) -> bool:
        """Whether the suite says go, or all tasks are landed and no suite was named."""
        is_landed = bool(self.tasks) and all(task.status == "landed" for task in self.tasks)
        return self.verdict == GO if self.suite else is_landed

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record."""
        return write_fields(self)


def report_on(
    history: History, facts: Facts, *, has_process: bool, log: Path | None = None
) -> MissionReport:
    """Return the report on a mission at this moment; `log` is the output of its process."""
    mission, closed = history.mission, history.closed
    waits = _waits(history, facts, log, has_process=has_process)
    verdict, judged = verdict_on(history, history.tip)
    return MissionReport(
        name=mission.name,
        status="ended" if closed else "waiting" if waits else "working",
        intent=mission.intent,
        branch=mission.branch,
        suite=mission.suite,
        verdict=verdict,
        judged_run=judged,
        waits_for=closed.why if closed else waits.words if waits else "",
        command=_after(history) if closed else waits.command if waits else "",
        tasks=[_task_report(id_, history) for id_ in {**history.tasks, **history.lost}],
        requirements={
            id_: [one for one in history.landed if id_ in history.tasks[one].requirements]
            for id_ in requirements_of(history)
        },
        cost_usd=history.usage.cost_usd,
        unpriced_tokens=history.usage.unpriced_tokens,
        max_cost_usd=mission.max_cost_usd,
        cost_by_role={role.value: _cost_of(role, history) for role in Role},
        runs=len(history.begun),
        evaluations=[
            f"{begun.run_id}: {ended.verdict or 'not judged'}"
            for begun, ended in history.runs_of(Role.JUDGE)
        ],
        hands_off=mission.hands_off,
        started=mission.created.isoformat(),
        ended=closed.at.isoformat() if closed else "",
    )


def _waits(history: History, facts: Facts, log: Path | None, *, has_process: bool) -> Order | None:
    resume = f"attractor mission resume {history.mission.name}"
    waits = reason_of(history, facts)
    if waits is None and not has_process and any(next_orders(history, facts)):
        words = f"its process has ended early{f'; its output: {log}' if log else ''}"
        return Order(Do.WAIT, words=words, command=resume)
    return waits


def _after(history: History) -> str:
    """Return the command that follows the end of a mission."""
    closed = history.closed
    if closed and closed.verdict:
        return f"attractor decide {closed.run_id}"
    return f"git diff {history.mission.base[:12]}..{history.mission.branch}"


def _cost_of(role: Role, history: History) -> float:
    ended = history.ended.values()
    return sum(one.cost_usd for one in ended if history.begun[one.run_id].role is role)


def _task_report(id_: str, history: History) -> TaskReport:
    task, landed = history.all_tasks[id_], history.landed.get(id_)
    acted = history.lost.get(id_) or history.held.get(id_)
    begun = [one for one in history.begun.values() if one.task == id_]
    return TaskReport(
        id=id_,
        status=_status(id_, begun, history),
        what=task.what,
        requirements=task.requirements,
        touches=task.touches,
        needs=task.needs,
        check=task.check,
        runs=sum(one.role is Role.WORKER for one in begun),
        returned=[f"{one.cause}: {one.words}" for one in history.all(Returned) if one.task == id_],
        cost_usd=spent_on(history, id_),
        commit=landed.after if landed else "",
        why=f"{acted.rule}: {acted.evidence}" if acted else "",
    )


def _status(id_: str, begun: Sequence[Begun], history: History) -> str:
    if id_ in history.landed:
        return "landed"
    if id_ in history.lost:
        return "given up"
    if id_ in history.held:
        return "left to a person"
    if any(one.run_id not in history.ended for one in begun):
        return "in work"
    return "returned" if history.returns_of(id_) else "waiting"


def lines_of(report: MissionReport) -> list[str]:
    """Return the report for a person, who reads it in the morning."""
    most = f" of ${report.max_cost_usd:.2f}" if report.max_cost_usd is not None else ""
    unknown = f" and {report.unpriced_tokens} tokens" if report.unpriced_tokens else ""
    verdict = report.verdict or ("not judged yet" if report.suite else "no suite judges it")
    lines = [
        f"{report.name}: {report.status}{f', {report.waits_for}' if report.waits_for else ''}",
        f"  verdict:  {verdict}{f' (run {report.judged_run})' if report.judged_run else ''}",
        f"  asked:    {report.intent.splitlines()[0] if report.intent else ''}",
        f"  branch:   {report.branch}",
        f"  cost:     ${report.cost_usd:.2f}{most}{unknown} in {report.runs} runs",
    ]
    for task in report.tasks:
        returned = f", returned {len(task.returned)} times" if task.returned else ""
        lines.append(f"  {task.status:<16} {task.id}{returned}, ${task.cost_usd:.2f}")
        lines += [f"    {task.why}"] * bool(task.why)
    bare = [id_ for id_, tasks in report.requirements.items() if not tasks]
    if report.requirements:
        done = len(report.requirements) - len(bare)
        lines.append(f"  requirements with landed work: {done} of {len(report.requirements)}")
        lines += [f"    without: {', '.join(bare)}"] * bool(bare)
    lines += [f"  next:     {report.command}"] * bool(report.command)
    return lines


def report_of(folder: MissionFolder, opened: OpenProject) -> MissionReport:
    """Read the records of a mission, and return the report at this moment."""
    # First, because a process that ends meanwhile records its last line before.
    has_process = FileLock.is_held(folder.lock)
    history = folder.read()
    facts = ThisMachine(folder, opened, {}).facts(history)
    return report_on(history, facts, has_process=has_process, log=folder.log)


def plan_dot(report: MissionReport) -> str:
    """Return the plan of a mission as a graph: the node `task_N` is the task number N."""
    nodes = {task.id: f"task_{at}" for at, task in enumerate(report.tasks)}
    lines = [f"  {nodes[task.id]} [label={json.dumps(task.id)}]" for task in report.tasks]
    lines += [
        f"  {nodes[before]} -> {nodes[task.id]}"
        for task in report.tasks
        for before in task.needs
        if before in nodes
    ]
    return "\n".join(["digraph plan {", "  rankdir=LR", *lines, "}", ""])
