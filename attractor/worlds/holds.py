"""The hold: after several task runs stopped for one cause, no further one begins by itself.

All of it is read from the runs: only a person's `go on` is stored.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, VerificationError
from attractor.base.files import write_whole
from attractor.base.ids import time_of
from attractor.base.json import canonical_json, content_hash
from attractor.base.locks import FileLock
from attractor.base.records import read_object, write_fields
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import RunDirectory
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder, project_folder
from attractor.records.diagnosis.causes import Cause
from attractor.records.lookup import is_run, run_root
from attractor.worlds.actors import Actor, ActorFolder, list_actors

if TYPE_CHECKING:
    from attractor.factory.history.index import PastRun

WITHIN = timedelta(hours=1)
"""The runs of one cause that stop in this time begin the hold."""

_ANSWERS, _BEGIN = "went_on.json", "begin.lock"
_PATIENCE_S = 10.0

HasPassed = Callable[[str, str], bool]
"""Type of a function that returns whether the last visit of a node in a run succeeded."""


@dataclass(frozen=True)
class Peers:
    """The actors whose runs count together for an actor.

    `same` are the actors with the same pipeline, also the actor itself. Actors of the shipped agent
    have one pipeline (`pipeline` is "") and different work, so only a cause of the machine counts
    their runs together.
    """

    name: str
    same: frozenset[str]
    pipeline: str

    def of(self, cause: Cause) -> frozenset[str]:
        """Return the actors whose runs count for a cause."""
        return self.same if self.pipeline or cause.is_of_machine else frozenset({self.name})

    def scope_of(self, cause: Cause) -> str:
        """Return a text that is the same for all these actors, also after one more is spawned."""
        return self.pipeline or ("" if cause.is_of_machine else self.name)


@dataclass(frozen=True)
class Hold:
    """The reason why no further run of an actor begins.

    `runs` are the runs that stopped for the cause. `tried` is the run that a person let go on; as
    long as it has not ended or passed the stage of the cause, the others wait, and nobody is asked.
    """

    cause: Cause
    runs: "Sequence[PastRun]"
    actors: frozenset[str]
    scope: str
    tried: str = ""

    @property
    def words(self) -> str:
        """The hold in words, for people."""
        return f"{number_of(len(self.runs), 'run')} stopped for one cause: {self.cause.reason}"

    @property
    def id(self) -> str:
        """The id of what the person is asked, the same for all actors that are held."""
        return content_hash(canonical_json([write_fields(self.cause), self.scope]).encode())


def find_hold(
    runs: "Sequence[PastRun]",
    peers: Peers,
    *,
    max_same_cause: int,
    went_on: Mapping[str, datetime],
    at_work: Mapping[str, str],
    has_passed: HasPassed,
) -> Hold | None:
    """Return why no further run of an actor begins by itself; None if one may begin.

    `runs` are the runs of the project that ended, in the order of their ends. `max_same_cause` is
    the setting; 0 is off. `went_on` has the times of the answers `go on` by the ids of holds,
    `at_work` the runs in work by their actors.
    """
    causes = dict.fromkeys(run.cause for run in reversed(runs) if run.actor in peers.same)
    for cause in causes if max_same_cause else ():
        if not cause:
            continue
        actors = peers.of(cause)
        hold = Hold(cause, _stopped(runs, cause, actors), actors, peers.scope_of(cause))
        answered = went_on.get(hold.id)
        if answered is None and _is_full(hold.runs, max_same_cause):
            return hold
        if answered and (
            left := _after_answer(hold, answered, runs, max_same_cause, at_work, has_passed)
        ):
            return left
    return None


def _after_answer(
    hold: Hold,
    answered: datetime,
    runs: "Sequence[PastRun]",
    max_same_cause: int,
    at_work: Mapping[str, str],
    has_passed: HasPassed,
) -> Hold | None:
    """Return what is left of a hold after a person let one run go on: the first that began then."""
    ended = [run.run_id for run in _begun_after(runs, hold.actors, answered)]
    working = [at_work[name] for name in hold.actors if name in at_work]
    begun = [*ended, *(run_id for run_id in working if _is_after(run_id, answered))]
    if not begun:
        return None
    first = min(begun)
    after = _begun_after(hold.runs, hold.actors, answered)
    if first in ended or has_passed(first, hold.cause.node):
        # If the run that went on did not stop for the cause, earlier runs count no more.
        is_back = any(run.run_id == first for run in after)
        return hold if is_back or _is_full(after, max_same_cause) else None
    return replace(hold, tried=first) if _is_full(hold.runs, max_same_cause) else None


def _stopped(
    runs: "Sequence[PastRun]", cause: Cause, actors: frozenset[str]
) -> "Sequence[PastRun]":
    """Return the runs of actors that stopped for a cause since the last success."""
    own = [run for run in runs if run.actor in actors]
    pipelines = {run.pipeline for run in own}
    found: list[PastRun] = []
    for run in runs:
        # A person may have begun the run that succeeded.
        if run.succeeded and (run.actor in actors or (not run.actor and run.pipeline in pipelines)):
            found.clear()
        elif run.actor in actors and run.cause == cause:
            found.append(run)
    return found


def _is_full(stopped: "Sequence[PastRun]", max_same_cause: int) -> bool:
    """Return whether the last runs of so many stopped within an hour."""
    if len(stopped) < max_same_cause:
        return False
    return stopped[-1].ended - stopped[-max_same_cause].ended <= WITHIN


def _begun_after(
    runs: "Sequence[PastRun]", actors: frozenset[str], when: datetime
) -> "Sequence[PastRun]":
    return [run for run in runs if run.actor in actors and _is_after(run.run_id, when)]


def _is_after(run_id: str, when: datetime) -> bool:
    # The id of a run has the time to the millisecond.
    return time_of(run_id) > when - timedelta(milliseconds=1)


@dataclass(frozen=True)
class ProjectHolds:
    """What decides about the holds of all actors of a project, read once.

    `actors` is empty if too few runs stopped for one cause.
    """

    runs_dir: Path
    max_same_cause: int
    actors: Mapping[str, Actor] = field(default_factory=dict[str, Actor])
    runs: "Sequence[PastRun]" = ()
    went_on: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    at_work: Mapping[str, str] = field(default_factory=dict[str, str])

    def of(self, name: str) -> Hold | None:
        """Return why no further run of an actor begins by itself; None if one may begin."""
        if name not in self.actors:
            return None
        peers = peers_of(self.actors[name], self.actors.values())
        return find_hold(
            self.runs,
            peers,
            max_same_cause=self.max_same_cause,
            went_on=self.went_on,
            at_work=self.at_work,
            has_passed=lambda run_id, node: _has_passed(run_root(run_id, self.runs_dir), node),
        )


def read_holds(project: ProjectFolder, opened: OpenProject) -> ProjectHolds:
    """Read what decides about the holds of the actors of a project."""
    most, state = opened.project.max_same_cause, opened.project.machine.state_dir
    none = ProjectHolds(project.runs_dir, most)
    folders = [one for one in list_actors(state) if one.project.project_id == project.project_id]
    went_on = read_answers(state, project)
    # The index takes a second for an actor that is woken; the journals of actors take none.
    if not most or (sum(one.count_failures() for one in folders) < most and not went_on):
        return none
    # Imported here, because few actors failed, and it imports a database.
    from attractor.factory.history.index import RunIndex

    with RunIndex(state).opened() as index:
        runs = index.past_runs(project.runs_dir)
    stopped = Counter(run.cause for run in runs if run.actor and run.cause)
    if not any(count >= most for count in stopped.values()):
        return none
    return replace(
        none,
        actors={folder.name: folder.read().actor for folder in folders},
        runs=runs,
        went_on=went_on,
        at_work={folder.name: task.run_id for folder in folders if (task := folder.read_task())},
    )


def hold_of(folder: ActorFolder, opened: OpenProject) -> Hold | None:
    """Return why no further run of an actor begins by itself; None if one may begin."""
    return read_holds(folder.project, opened).of(folder.name)


def _has_passed(root: Path, node: str) -> bool:
    """Return whether the last visit of a node in a run succeeded."""
    if not is_run(directory := RunDirectory(root)):
        return False
    try:
        walks = open_journal(directory.events, directory.checkpoint).state.walks.values()
    except AttractorError:
        # The run is reported as corrupt where it is listed.
        return False
    records = [walk.progress.stages.get(node) for walk in walks]
    return any(record and record.outcome.is_success for record in records)


def hold_of_pipeline(pipeline: str, opened: OpenProject) -> Hold | None:
    """Return why no further task run of the pipeline in a file begins by itself."""
    state, own = opened.project.machine.state_dir, opened.identity.project_id()
    for folder in list_actors(state):
        if folder.project.project_id == own and folder.read().actor.pipeline == pipeline:
            return hold_of(folder, opened)
    return None


def peers_of(actor: Actor, actors: Iterable[Actor]) -> Peers:
    """Return the actors whose runs count together with those of an actor."""
    same = frozenset(other.name for other in actors if other.pipeline == actor.pipeline)
    return Peers(actor.name, same, actor.pipeline)


@contextmanager
def beginning(folder: ActorFolder, state: Path) -> Generator[None]:
    """Hold the lock under which an actor looks for a hold, and takes a message."""
    place = project_folder(state, folder.project.project_id) / _BEGIN
    with FileLock(place).acquire(wait=_PATIENCE_S):
        yield


def read_answers(state: Path, project: ProjectFolder) -> Mapping[str, datetime]:
    """Return the times of the answers `go on`, by the ids of holds."""
    file = project_folder(state, project.project_id) / _ANSWERS
    if not file.exists():
        return {}
    found = read_object(file, VerificationError)
    return {id_: datetime.fromisoformat(str(when)) for id_, when in found.items()}


def record_answer(state: Path, project: ProjectFolder, hold: Hold, now: datetime) -> None:
    """Record that one run may begin despite a hold."""
    folder = project_folder(state, project.project_id)
    with FileLock((folder / _ANSWERS).with_suffix(".lock")).acquire(wait=_PATIENCE_S):
        known = {id_: when.isoformat() for id_, when in read_answers(state, project).items()}
        write_whole(folder / _ANSWERS, canonical_json({**known, hold.id: now.isoformat()}))
