"""The breaker: after several task runs stopped for one cause, no further one begins by itself.

All of it is read from the runs: only a person's `go on` is stored.
"""

from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import write_whole
from attractor.base.ids import time_of
from attractor.base.json import canonical_json, content_hash
from attractor.base.locks import FileLock
from attractor.base.records import read_object, write_fields
from attractor.factory.history.index import PastRun, RunIndex
from attractor.factory.open_project import OpenProject
from attractor.factory.project import ProjectFolder, project_folder
from attractor.records.diagnosis.causes import Cause
from attractor.worlds.actors import Actor, ActorFolder, list_actors

WITHIN = timedelta(hours=1)
"""The runs of one cause that stop in this time open the breaker."""

_ANSWERS, _BEGIN = "went_on.json", "begin.lock"
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Peers:
    """The actors whose runs count together for an actor: `same` have the same pipeline.

    Runs of the shipped agent have one pipeline and different work, so those of other actors only
    count for a cause of the machine.
    """

    name: str
    same: frozenset[str]
    pipeline: str

    def of(self, cause: Cause) -> frozenset[str]:
        """Return the actors whose runs count for a cause."""
        return self.same if self.pipeline or cause.is_of_machine else frozenset({self.name})


@dataclass(frozen=True)
class Hold:
    """The reason why no further run of an actor begins.

    `runs` are the runs that stopped for the cause. With `is_tried`, a person let one run go on,
    which has not ended yet, and nobody is asked.
    """

    cause: Cause
    runs: Sequence[PastRun]
    actors: frozenset[str]
    is_tried: bool = False

    @property
    def words(self) -> str:
        """The hold in words, for people."""
        return f"{len(self.runs)} runs stopped for one cause: {self.cause.reason}"

    @property
    def id(self) -> str:
        """The id of what the person is asked, the same for all actors that are held."""
        key = canonical_json([write_fields(self.cause), *sorted(self.actors)])
        return content_hash(key.encode())


def find_hold(
    runs: Sequence[PastRun],
    peers: Peers,
    most: int,
    went_on: Mapping[str, datetime],
    at_work: Mapping[str, str],
) -> Hold | None:
    """Return why no further run of an actor begins by itself; None if one may begin.

    `runs` are the runs of the project that ended, the oldest first. `most` is the setting
    `max_same_cause`; 0 is off. `went_on` has the times of the answers `go on` by the ids of holds,
    `at_work` the runs in work by their actors.
    """
    causes = dict.fromkeys(run.cause for run in reversed(runs) if run.actor in peers.same)
    for cause in causes if most else ():
        if cause and (hold := _hold_for(cause, runs, peers.of(cause), most, went_on, at_work)):
            return hold
    return None


def _hold_for(
    cause: Cause,
    runs: Sequence[PastRun],
    actors: frozenset[str],
    most: int,
    went_on: Mapping[str, datetime],
    at_work: Mapping[str, str],
) -> Hold | None:
    """Return the hold of actors for a cause, if there is one."""
    hold = Hold(cause, _stopped(runs, cause, actors), actors)
    answered = went_on.get(hold.id)
    if answered is None:
        return hold if _is_full(hold.runs, most) else None
    first = next((one for one in _begun_after(runs, actors, answered)), None)
    if first:
        # If the run that went on ended otherwise, earlier runs count no more.
        after = _begun_after(hold.runs, actors, answered)
        is_back = first.cause == cause and bool(after)
        return hold if is_back or _is_full(after, most) else None
    if not _is_full(hold.runs, most):
        return None
    working = [at_work[name] for name in sorted(actors) if name in at_work]
    is_tried = any(time_of(run_id) > answered for run_id in working)
    return Hold(cause, hold.runs, actors, is_tried=True) if is_tried else None


def _stopped(runs: Sequence[PastRun], cause: Cause, actors: frozenset[str]) -> Sequence[PastRun]:
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


def _is_full(stopped: Sequence[PastRun], most: int) -> bool:
    return len(stopped) >= most and stopped[-1].ended - stopped[-most].ended <= WITHIN


def _begun_after(
    runs: Sequence[PastRun], actors: frozenset[str], when: datetime
) -> Sequence[PastRun]:
    return [run for run in runs if run.actor in actors and time_of(run.run_id) > when]


def hold_of(folder: ActorFolder, opened: OpenProject) -> Hold | None:
    """Return why no further run of an actor begins by itself; None if one may begin."""
    most, state = opened.project.max_same_cause, opened.project.machine.state_dir
    folders = [
        other
        for other in list_actors(state)
        if other.project.project_id == folder.project.project_id
    ]
    has_answers = bool(read_answers(state, folder.project))
    # The index takes a second for an actor that is woken; the journals of actors take none.
    if not most or (sum(one.count_failures() for one in folders) < most and not has_answers):
        return None
    with RunIndex(state).opened() as index:
        runs = index.past_runs(folder.project.runs_dir)
    stopped = Counter(run.cause for run in runs if run.actor and run.cause)
    if not any(count >= most for count in stopped.values()):
        return None
    return find_hold(
        runs,
        peers_of(folder.read().actor, [other.read().actor for other in folders]),
        most,
        read_answers(state, folder.project),
        {other.name: task.run_id for other in folders if (task := other.read_task())},
    )


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
