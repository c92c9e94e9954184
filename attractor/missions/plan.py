"""Plans: the file that the planner writes, or a person, and what is wrong with one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import combinations

from pydantic import Field

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError, suggest
from attractor.base.toml import parse_toml
from attractor.config.tables import Name, StrictTable, ValidationError, read_table
from attractor.language.declarations.touches import shared_touches
from attractor.missions.records import PlannedTask

PLAN_FILE = "plan.toml"
MOST_TASKS = 50
_LARGEST = 1 << 20
_HOLDS_ALWAYS = re.compile(r"\s*(true|:|exit 0|exit|echo\b[^;&|]*)\s*;?\s*")


class _Requirement(StrictTable):
    """A sentence that the planner read out of the intent."""

    id: Name
    sentence: str = Field(min_length=1, max_length=2000)


class _Task(StrictTable):
    """A task of a plan."""

    id: Name
    what: str = Field(min_length=1, max_length=10_000)
    requirements: tuple[Name, ...] = ()
    touches: tuple[str, ...] = ()
    needs: tuple[Name, ...] = ()
    check: str = Field(default="", max_length=2000)
    keep: bool = False


class _Plan(StrictTable):
    """The content of `plan.toml`."""

    requirement: tuple[_Requirement, ...] = ()
    task: tuple[_Task, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A plan as it was written: its tasks, and the requirements of an intent."""

    tasks: Sequence[PlannedTask]
    requirements: Mapping[str, str]


def read_plan(text: str) -> Plan:
    """Read a plan; raise a UsageError for one that no program understands."""
    if len(text.encode()) > _LARGEST:
        raise UsageError(f"{PLAN_FILE} exceeds 1 MiB", hint="write shorter tasks")
    try:
        plan = read_table(_Plan, parse_toml(text))
    except ValidationError as cause:
        [error, *_] = cause.errors(include_url=False)
        where = ".".join(map(str, error["loc"]))
        raise UsageError(f"{PLAN_FILE}: {where}: {error['msg']}") from cause
    tasks = [PlannedTask(**one.model_dump()) for one in plan.task]
    return Plan(tasks, {one.id: one.sentence for one in plan.requirement})


def plan_text(tasks: Sequence[PlannedTask], requirements: Mapping[str, str]) -> str:
    """Return the text of a plan, as a person edits it."""
    lines: list[str] = []
    for id_, sentence in requirements.items():
        lines += ["[[requirement]]", f"id = {_quoted(id_)}", f"sentence = {_quoted(sentence)}", ""]
    for task in tasks:
        lines += ["[[task]]", f"id = {_quoted(task.id)}", f"what = {_quoted(task.what)}"]
        for name in ("requirements", "touches", "needs"):
            if values := getattr(task, name):
                lines.append(f"{name} = [{', '.join(map(_quoted, values))}]")
        lines += [f"check = {_quoted(task.check)}"] * bool(task.check)
        lines += ["keep = true"] * task.keep + [""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")


def find_faults(
    tasks: Sequence[PlannedTask], requirements: Mapping[str, str], landed: Mapping[str, PlannedTask]
) -> Iterator[str]:
    """Yield what is wrong with a plan whose checks were not played yet.

    `landed` are the tasks of earlier plans that are done.
    """
    if not tasks:
        yield "the plan has no task"
        return
    yield from _faults_of_ids([task.id for task in tasks], landed)
    for task in tasks:
        yield from _faults_of(task, requirements, {*landed, *(one.id for one in tasks)})
    yield from _faults_of_order(tasks)
    planned = {id_ for task in (*tasks, *landed.values()) for id_ in task.requirements}
    yield from (f"no task has the requirement {id_}" for id_ in requirements if id_ not in planned)
    if not landed:
        yield from _faults_of_cut(tasks, requirements)


def _faults_of_ids(ids: Sequence[str], landed: Mapping[str, PlannedTask]) -> Iterator[str]:
    if len(ids) > MOST_TASKS:
        yield f"the plan has {len(ids)} tasks, and at most {MOST_TASKS} are possible"
    for id_ in sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        yield f"two tasks have the id {id_}"
    for id_ in sorted(landed.keys() & {*ids}):
        yield f"the task {id_} is done: give new work another id"


def _faults_of_cut(tasks: Sequence[PlannedTask], requirements: Mapping[str, str]) -> Iterator[str]:
    """Yield why tasks are no cut of the work."""
    if all(task.keep for task in tasks):
        yield "all checks hold before the work: no task shows anything new"
    if len(tasks) == 1 and len(requirements) > 3:
        yield f"one task for {len(requirements)} requirements is no plan"
    if len(tasks) > 1 and all("**" in task.touches for task in tasks):
        yield "all tasks touch **: name the files of each"


def _faults_of(
    task: PlannedTask, requirements: Mapping[str, str], known: set[str]
) -> Iterator[str]:
    if not task.touches:
        yield f"{task.id}: it names no files in `touches`"
    if not task.check.strip():
        yield f"{task.id}: it has no check"
    elif _HOLDS_ALWAYS.fullmatch(task.check):
        yield f"{task.id}: its check holds whatever was done: {task.check.strip()}"
    for id_ in task.requirements:
        if id_ not in requirements:
            near = suggest(id_, requirements)
            yield f"{task.id}: unknown requirement {id_}" + (f"; {near}?" if near else "")
    for id_ in task.needs:
        if id_ not in known:
            yield f"{task.id}: it needs the unknown task {id_}"


def _faults_of_order(tasks: Sequence[PlannedTask]) -> Iterator[str]:
    """Yield the cycles of needs, and tasks side by side that touch the same files."""
    needs = {task.id: list(task.needs) for task in tasks}
    try:
        order = [*TopologicalSorter(needs).static_order()]
    except CycleError as cause:
        yield f"tasks need each other: {' -> '.join(cause.args[1])}"
        return
    before: dict[str, set[str]] = {}
    for id_ in order:
        own = needs.get(id_, [])
        before[id_] = {*own, *(other for one in own for other in before[one])}
    for one, other in combinations(tasks, 2):
        is_ordered = one.id in before[other.id] or other.id in before[one.id]
        if not is_ordered and (shared := shared_touches(one.touches, other.touches)):
            yield (
                f"{one.id} and {other.id} touch the same files ({', '.join(shared)}): let one "
                "need the other"
            )


def trial_faults(tasks: Sequence[PlannedTask], results: Mapping[str, bool]) -> Iterator[str]:
    """Yield what is wrong with a plan whose checks were played before any work."""
    for task in tasks:
        held = results.get(task.id)
        if held is None:
            yield f"{task.id}: its check was not played before the work"
        elif held and not task.keep:
            yield (
                f"{task.id}: its check holds before the work, so it shows nothing; write one that "
                "fails now, or say keep = true"
            )
        elif task.keep and not held:
            yield f"{task.id}: its check does not hold before the work, so nothing can be kept"
