"""Missions: their records, and the journal from which their state is read.

A mission is a name for runs with an aim and a plan. Its journal contains what people recorded, and
what its processes began and saw; everything else is computed from it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UsageError, VerificationError
from attractor.base.files import StoredFile, make_private_folder, store_private_folder
from attractor.base.journal import Journal, read_lines
from attractor.base.json import canonical_json, parse_object
from attractor.base.locks import FileLock
from attractor.base.names import find_named
from attractor.base.records import read_record, write_record
from attractor.config.checks import require_new_name
from attractor.engine.outcome import NOTHING_USED, Usage
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder, list_project_folders, project_folder

MISSIONS = "missions"
BRANCHES = "attractor/mission/"
_JOURNAL = "journal.jsonl"
_PATIENCE_S = 10.0


class Role(StrEnum):
    """What a run does for a mission."""

    PLANNER = "planner"
    TRIAL = "trial"
    """It plays the checks of a plan before any work."""
    WORKER = "worker"
    LANDING = "landing"
    """It plays the checks on the tree that the branch is to get."""
    JUDGE = "judge"


@dataclass(frozen=True)
class PlannedTask:
    """A part of the work: what is to be done, in which files, and the command that shows it.

    With `keep`, the check holds before the work, and has to hold after it.
    """

    id: str
    what: str
    requirements: Sequence[str] = ()
    touches: Sequence[str] = ()
    needs: Sequence[str] = ()
    check: str = ""
    keep: bool = False


@dataclass(frozen=True, kw_only=True)
class Mission:
    """A mission as a person started it; the last record counts, since the limits may change.

    `requirements` are the sentences to prove, by their ids. Work begins at the commit `base`.
    `pipeline` executes the tasks (default: one agent, then the check), here or, with a `pool`, by
    workers of the fleet.
    """

    name: str
    intent: str
    by: str
    created: datetime
    base: str
    spec: str = ""
    requirements: Mapping[str, str] = field(default_factory=dict[str, str])
    suite: str = ""
    profile: str = ""
    hours: float = 8.0
    max_cost_usd: float | None = None
    workers: int = 3
    hands_off: bool = False
    pipeline: str = ""
    backend: str = "agent"
    model: str = ""
    provider: str = ""
    sandbox: str = "auto"
    pool: str = ""
    rules: Mapping[str, str] = field(default_factory=dict[str, str])
    """What rules of the governor do, by their names, where it is not the default."""

    @property
    def branch(self) -> str:
        """The branch of the mission; no other one is moved."""
        return f"{BRANCHES}{self.name}"


@dataclass(frozen=True)
class Begun:
    """A run is due: it begins once, at a commit, whatever is killed.

    `tasks` are those whose checks it plays. `reserved_usd` is its share of the budget.
    """

    run_id: str
    role: Role
    at: datetime
    commit: str
    task: str = ""
    tasks: Sequence[str] = ()
    reserved_usd: float | None = None
    words: str = ""
    """What its agent is told besides the task."""
    worker: str = ""
    """The run whose work is landed."""


@dataclass(frozen=True)
class Ended:
    """A run has ended. `results` are the checks and train scenarios that it played, by name."""

    run_id: str
    at: datetime
    succeeded: bool
    reason: str = ""
    tree: str = ""
    cost_usd: float = 0.0
    unpriced_tokens: int = 0
    results: Mapping[str, bool] = field(default_factory=dict[str, bool])
    said: Mapping[str, str] = field(default_factory=dict[str, str])
    """The last words of what did not hold."""
    verdict: str = ""

    @property
    def usage(self) -> Usage:
        """The cost, and the tokens whose cost is unknown."""
        return Usage(cost_usd=self.cost_usd, unpriced_tokens=self.unpriced_tokens)


@dataclass(frozen=True)
class Planned:
    """A plan, and what is wrong with it; `by` is the planner's run, or a person."""

    at: datetime
    by: str
    tasks: Sequence[PlannedTask] = ()
    faults: Sequence[str] = ()
    requirements: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the planner read out of the intent."""


@dataclass(frozen=True)
class Accepted:
    """The last plan is carried out."""

    at: datetime
    by: str


class Cause(StrEnum):
    """Why the work on a task was returned."""

    FAILED = "failed"
    EMPTY = "empty"
    FOREIGN = "foreign"
    """It changed files that the task does not name."""
    CONFLICT = "conflict"
    CHECK = "check"
    BROKEN = "broken"
    """A check or a train scenario that held before does not hold with it."""


@dataclass(frozen=True)
class Returned:
    """The work of a run is not landed; the next worker is told why."""

    task: str
    run_id: str
    cause: Cause
    words: str
    at: datetime


@dataclass(frozen=True)
class Landed:
    """The work of a run is in the branch, which moved from one commit to another."""

    task: str
    run_id: str
    tree: str
    before: str
    after: str
    at: datetime
    results: Mapping[str, bool] = field(default_factory=dict[str, bool])


class Act(StrEnum):
    """What a rule of the governor does about a task."""

    GIVE_UP = "give_up"
    ASK = "ask"
    """Leave the task until a person resumes the mission, and go on with others."""
    STOP = "stop"


@dataclass(frozen=True)
class Acted:
    """A rule of the governor acted on a task, for an evidence."""

    rule: str
    act: Act
    task: str
    evidence: str
    at: datetime


class Said(StrEnum):
    """What a person said about a mission."""

    PAUSED = "paused"
    RESUMED = "resumed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Word:
    """A person paused, resumed or stopped the mission; `now` cancels what runs in a pause."""

    said: Said
    by: str
    at: datetime
    now: bool = False


@dataclass(frozen=True)
class Canceled:
    """A pause canceled a run, whose work the mission does anew."""

    run_id: str
    at: datetime


@dataclass(frozen=True)
class Closed:
    """The mission has ended; `run_id` is the run whose verdict counts, if one was judged."""

    why: str
    at: datetime
    verdict: str = ""
    run_id: str = ""


Line = (
    Mission
    | Begun
    | Ended
    | Planned
    | Accepted
    | Returned
    | Landed
    | Acted
    | Word
    | Canceled
    | Closed
)
L = TypeVar("L")
_KINDS: Mapping[str, type[Line]] = {
    "mission": Mission,
    "begun": Begun,
    "ended": Ended,
    "planned": Planned,
    "accepted": Accepted,
    "returned": Returned,
    "landed": Landed,
    "acted": Acted,
    "word": Word,
    "canceled": Canceled,
    "closed": Closed,
}
_NAMES = {type_: name for name, type_ in _KINDS.items()}


@dataclass(frozen=True)
class History:
    """The lines of the journal of a mission, oldest first."""

    lines: Sequence[Line]

    @cached_property
    def mission(self) -> Mission:
        """The mission, with its limits now."""
        return self.all(Mission)[-1]

    def all(self, kind: type[L]) -> list[L]:
        """Return the lines of a kind."""
        return [line for line in self.lines if isinstance(line, kind)]

    def since(self, *kinds: type[Line]) -> Sequence[Line]:
        """Return the lines after the last one of some kinds."""
        found = [at for at, line in enumerate(self.lines) if isinstance(line, kinds)]
        return self.lines[found[-1] + 1 if found else 0 :]

    @cached_property
    def ended(self) -> Mapping[str, Ended]:
        """The runs that have ended, by id."""
        return {line.run_id: line for line in self.all(Ended)}

    @cached_property
    def begun(self) -> Mapping[str, Begun]:
        """All runs, by id."""
        return {line.run_id: line for line in self.all(Begun)}

    @cached_property
    def open_runs(self) -> Sequence[Begun]:
        """The runs that began and have not ended."""
        return [line for line in self.all(Begun) if line.run_id not in self.ended]

    def runs_of(self, role: Role) -> Iterator[tuple[Begun, Ended]]:
        """Yield the ended runs of a role, without those that a pause canceled."""
        for line in self.all(Begun):
            is_known = line.run_id in self.ended and line.run_id not in self.canceled
            if line.role is role and is_known:
                yield line, self.ended[line.run_id]

    @cached_property
    def canceled(self) -> frozenset[str]:
        """The runs that a pause canceled before they had a result."""
        found = {line.run_id for line in self.all(Canceled)} & self.ended.keys()
        return frozenset(run_id for run_id in found if not self._has_result(run_id))

    def _has_result(self, run_id: str) -> bool:
        begun, ended = self.begun[run_id], self.ended[run_id]
        return bool(ended.verdict) if begun.role is Role.JUDGE else ended.succeeded

    @cached_property
    def plan(self) -> Planned | None:
        """The last plan, if there is one."""
        return next(iter(reversed(self.all(Planned))), None)

    @cached_property
    def is_accepted(self) -> bool:
        """Whether the last plan is carried out."""
        return any(isinstance(line, Accepted) for line in self.since(Planned))

    @cached_property
    def tasks(self) -> Mapping[str, PlannedTask]:
        """The tasks of the last plan by their ids, and the landed ones of plans before."""
        landed = {line.task for line in self.all(Landed)}
        before = [task for plan in self.all(Planned) for task in plan.tasks if task.id in landed]
        plan = self.plan
        return {task.id: task for task in (*before, *(plan.tasks if plan else ()))}

    @cached_property
    def landed(self) -> Mapping[str, Landed]:
        """The landed tasks."""
        return {line.task: line for line in self.all(Landed)}

    @cached_property
    def given_up(self) -> Mapping[str, Acted]:
        """The tasks that were given up since the last plan."""
        found = [line for line in self.since(Planned) if isinstance(line, Acted)]
        return {line.task: line for line in found if line.act is Act.GIVE_UP}

    @cached_property
    def lost(self) -> Mapping[str, Acted]:
        """The tasks of all plans that were given up, and that no later plan has."""
        plan = self.plan
        again = {task.id for task in (plan.tasks if plan else ())} - self.given_up.keys()
        found = {line.task: line for line in self.all(Acted) if line.act is Act.GIVE_UP}
        return {id_: one for id_, one in found.items() if id_ not in (again | self.landed.keys())}

    @cached_property
    def all_tasks(self) -> Mapping[str, PlannedTask]:
        """The tasks of all plans by their ids, as last planned."""
        return {task.id: task for plan in self.all(Planned) for task in plan.tasks}

    @cached_property
    def held(self) -> Mapping[str, Acted]:
        """The tasks that are left until a person resumes the mission."""
        found = [line for line in self.since(Planned, Word) if isinstance(line, Acted)]
        return {line.task: line for line in found if line.act is Act.ASK}

    def returns_of(self, task: str) -> list[Returned]:
        """Return how often work on a task of the last plan was returned, and why."""
        lines = self.since(Planned)
        return [line for line in lines if isinstance(line, Returned) and line.task == task]

    @cached_property
    def tip(self) -> str:
        """The commit of the branch, as the mission left it."""
        landed = self.all(Landed)
        return landed[-1].after if landed else self.mission.base

    @cached_property
    def usage(self) -> Usage:
        """What all runs used that ended."""
        return sum((line.usage for line in self.all(Ended)), NOTHING_USED)

    @cached_property
    def closed(self) -> Closed | None:
        """How the mission ended, if it has."""
        return next(iter(reversed(self.all(Closed))), None)

    @cached_property
    def last_at(self) -> datetime:
        """The time of the last line."""
        last = self.lines[-1]
        return last.created if isinstance(last, Mission) else last.at

    @cached_property
    def last_word(self) -> Word | None:
        """What a person said last."""
        return next(iter(reversed(self.all(Word))), None)


@dataclass(frozen=True)
class MissionFolder:
    """The folder of a mission in the state folder, and the project to which it belongs."""

    root: Path
    project: ProjectFolder

    @property
    def name(self) -> str:
        """The name of the mission."""
        return self.root.name

    @property
    def lock(self) -> Path:
        """The lock that the process of the mission holds."""
        return self.root / "lock"

    @property
    def log(self) -> Path:
        """The output of the processes of the mission."""
        return self.root / "process.log"

    def run_lock(self, run_id: str) -> Path:
        """Return the lock that the process of a run holds."""
        return self.root / f"{run_id}.lock"

    def read(self) -> History:
        """Read the journal; a line that a killed writer left incomplete is skipped."""
        place = self.root / _JOURNAL
        lines = [self._parse(line.content) for line in read_lines(place)]
        if not (lines and isinstance(lines[0], Mission)):
            raise VerificationError(
                f"{place} does not record a mission", hint="restore it from a backup"
            )
        return History(lines)

    def has_ended(self) -> bool:
        """Return whether the mission has ended, by its last line."""
        last = [line.content for line in read_lines(self.root / _JOURNAL)][-1:]
        return bool(last) and isinstance(self._parse(last[0]), Closed)

    def record(self, line: Line) -> None:
        """Append a line to the journal, and sync it."""
        with Journal.open(self.root / _JOURNAL, wait=_PATIENCE_S) as journal:
            journal.append(_to_line(line))

    def _parse(self, content: bytes) -> Line:
        record = parse_object(content) or {}
        data = record.get("data")
        kind = _KINDS.get(str(record.get("kind")))
        if kind is None or not isinstance(data, dict):
            hint = "restore it from a backup"
            raise VerificationError(f"invalid line in {self.root / _JOURNAL}", hint=hint)
        return read_record(kind, data)


def _to_line(line: Line) -> str:
    return canonical_json({"kind": _NAMES[type(line)], "data": write_record(line)})


def require_mission_name(name: str) -> None:
    """Refuse a name that could be no folder, branch or word of a command."""
    try:
        require_new_name(name)
    except ValueError as cause:
        raise UsageError(f"invalid name of a mission {name!r}", hint=str(cause)) from cause


def create_mission(mission: Mission, opened: OpenProject) -> MissionFolder:
    """Create the folder of a new mission at once, or refuse a name that is taken."""
    state = opened.project.machine.state_dir
    own = opened.identity.create_id()
    place = project_folder(state, own) / MISSIONS
    make_private_folder(place)
    with FileLock(place.with_suffix(".lock")).acquire(
        wait=_PATIENCE_S, purpose="attractor: missions"
    ):
        root = place / mission.name
        if root.exists():
            raise Refused(
                f"the mission {mission.name} exists already",
                hint=f"see: attractor mission show {mission.name}; or choose: --name NAME",
            )
        store_private_folder(root, [StoredFile(_JOURNAL, f"{_to_line(mission)}\n".encode())])
    project = opened.project
    return MissionFolder(root, ProjectFolder(own, project.root, project.runs_dir))


def list_missions(state: Path) -> Sequence[MissionFolder]:
    """Return the missions of all projects of a state folder, by project and name."""
    return [
        MissionFolder(root, project)
        for project in list_project_folders(state)
        for root in sorted((project_folder(state, project.project_id) / MISSIONS).glob("[!.]*"))
    ]


def missions_of_project(opened: OpenProject) -> list[MissionFolder]:
    """Return the missions of a project."""
    own = opened.identity.project_id()
    found = list_missions(opened.project.machine.state_dir)
    return [one for one in found if one.project.project_id == own]


def find_mission(reference: str, opened: OpenProject) -> MissionFolder:
    """Return the mission of a project with a name, or with the unique beginning of one."""
    return find_named("mission", reference, missions_of_project(opened), lambda one: [one.name])
