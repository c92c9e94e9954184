"""The events of the engine, one class an event type, and the log that writes them."""

from collections.abc import Callable
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path
from threading import RLock
from typing import TypeAlias

from attractor.base.broadcast import Broadcast, Missed, Subscription
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical
from attractor.base.events import Event
from attractor.base.hash_chain import GENESIS, Head, Link, seal
from attractor.base.journal import Journal, TornLine
from attractor.base.json import Json, JsonObject
from attractor.engine.state.identifiers import NO_PLACE, StageReference
from attractor.engine.storage.secrets import Redactor


@dataclass(frozen=True)
class PipelineStarted:
    """The walk begins, with this progress."""

    name: str
    id: str
    content_hash: str
    progress: dict[str, Json]


@dataclass(frozen=True)
class RunForked:
    """The run goes on from another one, as that stood before a visit of a node.

    `seq` and `hash` are those of the last event of the other one that counts; `begun` is how often
    each node was begun there, and `given` how many answers each interviewer gave.
    """

    parent: str
    node: str
    visit: int
    seq: int
    hash: str
    tree: str
    begun: dict[str, Json]
    given: dict[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True)
class RunRestarting:
    """Another run is to go on in place of this one, from a node (ruling R7)."""

    run_id: str
    node: str
    restart: int


@dataclass(frozen=True)
class RunRestarted:
    """The run goes on in place of another one, which came to an edge with `loop_restart`.

    `restart` is how many runs went before it. `seq` and `hash` are those of the last event of the
    other one that counts; `begun` is how often each node was begun in all of them, and `given` how
    many answers each interviewer gave.
    """

    parent: str
    restart: int
    node: str
    seq: int
    hash: str
    tree: str
    begun: dict[str, Json]
    given: dict[str, Json] = field(default_factory=dict[str, Json])


@dataclass(frozen=True)
class PipelineCompleted:
    """The walk reached its end."""

    outcome: str
    reason: str
    duration: float
    artifact_count: int = 0


@dataclass(frozen=True)
class PipelineFailed:
    """The walk ended with a failure, or was canceled."""

    error: str
    duration: float


@dataclass(frozen=True)
class RunResumed:
    """Another process goes on with the run, from the tree that the journal has.

    `heard` is when stages were heard of last before it: their process ended then.
    """

    next_node: str
    tree: str
    interrupted: bool
    heard: str = ""


@dataclass(frozen=True)
class RunInterrupted:
    """The process was told to stop; the run can be resumed."""

    reason: str


@dataclass(frozen=True)
class RunStatusChanged:
    """The run is somewhere else in the table of statuses."""

    status: str
    phase: str
    reason: str


class Action(StrEnum):
    """What somebody wants of a runner."""

    ANSWER = "answer"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    STEER = "steer"


@dataclass(frozen=True)
class OperatorAction:
    """A person did something to the run; `order` is the file it came in."""

    action: str
    by: str
    why: str
    order: str = ""
    question: str = ""
    value: str = ""
    is_accepted: bool = True


@dataclass(frozen=True)
class StageStarted:
    """An attempt at a node begins; one that may talk to a model is told of those before it."""

    name: str
    index: int
    fidelity: str = ""
    thread: str = ""


@dataclass(frozen=True)
class FidelityDegraded:
    """A stage gets less than it was to have of those before it: its conversation was lost."""

    wanted: str
    fidelity: str
    thread: str
    reason: str


@dataclass(frozen=True)
class ModelUsed:
    """A model answered a stage: it counts from here on, whatever becomes of the stage."""

    usage: dict[str, Json]


@dataclass(frozen=True)
class StageCompleted:
    """An attempt ended without failing; `usage` is what it used of models, if anything."""

    name: str
    index: int
    outcome: str
    duration: float
    notes: str
    usage: dict[str, Json] | None = None


@dataclass(frozen=True)
class StageFailed:
    """An attempt failed, or wants to be tried again; it may have used models all the same."""

    name: str
    index: int
    error: str
    failure_class: str
    duration: float
    will_retry: bool
    usage: dict[str, Json] | None = None


@dataclass(frozen=True)
class StageRetrying:
    """The stage is tried again after a wait."""

    name: str
    index: int
    attempt: int
    delay: float


@dataclass(frozen=True)
class QuestionAsked:
    """Somebody is asked; from here on anybody may answer."""

    question: dict[str, Json]


@dataclass(frozen=True)
class QuestionSettled:
    """A question is done with: it was answered, left out, or its time is up."""

    question: str
    answer: dict[str, Json]


@dataclass(frozen=True)
class StageParked:
    """A question waits for a person, and no process waits with it."""

    question: dict[str, Json]


@dataclass(frozen=True)
class EdgeSelected:
    """Where the walk goes, why, and what became of every edge it could have taken."""

    target: str
    reason: str
    label: str
    condition: str
    candidates: list[Json]


@dataclass(frozen=True)
class ParallelBranchStarted:
    """A branch leaves the walk that is its parent, with these values besides those it has there."""

    branch: str
    index: int
    parent: str
    start: str
    until: str
    isolated: bool
    updates: dict[str, Json]


@dataclass(frozen=True)
class ParallelBranchCompleted:
    """A branch came to its end, or was given up."""

    branch: str
    index: int
    duration: float
    success: bool
    outcome: str
    reason: str


@dataclass(frozen=True)
class BudgetWarning:
    """A budget is nearly used up."""

    budget: str
    spent: float
    limit: float


@dataclass(frozen=True)
class CheckpointSaved:
    """What a stage changed; `checkpoint` is the hash of checkpoint.json when it is rewritten."""

    node_id: str
    step: dict[str, Json] | None
    checkpoint: str


@dataclass(frozen=True)
class FilesLeftOut:
    """What lies in the workspace after a stage and is not in its tree, as far as it is new.

    Of many names the first ones are given; the counts are of all. `refused` says why, a name each.
    """

    ignored: list[Json]
    ignored_count: int
    refused: list[Json]
    refused_count: int


@dataclass(frozen=True)
class TornLineDropped:
    """A writer that died left half a line, which was cut off."""

    offset: int
    length: int


EngineEvent: TypeAlias = (
    PipelineStarted
    | RunForked
    | RunRestarting
    | RunRestarted
    | PipelineCompleted
    | PipelineFailed
    | RunResumed
    | RunInterrupted
    | RunStatusChanged
    | OperatorAction
    | StageStarted
    | FidelityDegraded
    | ModelUsed
    | StageCompleted
    | StageFailed
    | StageRetrying
    | QuestionAsked
    | QuestionSettled
    | StageParked
    | EdgeSelected
    | ParallelBranchStarted
    | ParallelBranchCompleted
    | BudgetWarning
    | CheckpointSaved
    | FilesLeftOut
    | TornLineDropped
)


PLAIN = (StageStarted, StageCompleted, EdgeSelected, CheckpointSaved)
"""What each stage brings: its data was checked where it came from, so it is plain JSON."""


OUTCOME_ASSUMED = "OutcomeAssumed"
"""The kind emitted when a stage ended without a report and is taken to have succeeded."""


REPORT_REFUSED = "ReportRefused"
"""The kind emitted when an agent's report was not taken."""


THREAD_CONTINUED = "ThreadContinued"
"""The kind emitted when a stage goes on with a conversation, after so many stages."""


THREAD_RESTORED = "ThreadRestored"
"""The kind emitted when a stage goes on with a conversation that was taken up from the disk."""


THREAD_SHORTENED = "ThreadShortened"
"""The kind emitted when the older part of a conversation gives way to a summary."""


ENGINE_KINDS = frozenset(kind.__name__ for kind in EngineEvent.__args__)
"""The kinds that only the engine writes: the state of a run is folded from them."""


def kind_of(happening: EngineEvent) -> str:
    """Return the event's type."""
    return type(happening).__name__


def data_of(happening: EngineEvent) -> dict[str, Json]:
    """Return the event's data."""
    return dict(vars(happening))


class EventLog:
    """The one writer of `events.jsonl`; threads may share it."""

    def __init__(self, path: Path, *, run_id: str, clock: Clock, redactor: Redactor) -> None:
        self._run_id = run_id
        self._clock = clock
        self._redactor = redactor
        self._broadcast = Broadcast[Event]()
        self._lock = RLock()
        self._journal = Journal.open(path)
        self._head = GENESIS

    @property
    def torn(self) -> TornLine | None:
        """What a writer that died left of a line; it was cut off on opening."""
        return self._journal.torn

    @property
    def head(self) -> Head:
        """Where the chain ends."""
        return self._head

    @property
    def offset(self) -> int:
        """The byte after the last line."""
        return self._journal.offset

    def go_on_from(self, head: Head) -> None:
        """Set where the chain ends: what the lines there were verified to."""
        self._head = head

    def append(
        self,
        kind: str,
        data: JsonObject,
        *,
        place: StageReference = NO_PLACE,
        sync: bool = False,
        is_plain: bool = False,
    ) -> Event:
        """Write one event; without `sync` a power failure may lose it until the next sync.

        Data that is known to be plain JSON is not checked for that.
        """
        with self._lock:
            event = Event(
                time=self._clock.now(),
                run_id=self._run_id,
                type=kind,
                node=place.node,
                visit=place.visit,
                attempt=place.attempt,
                branch=place.branch,
                data=dict(data),
            )
            event, link = self._sealed(event, is_plain=is_plain)
            self._journal.append(link.line, sync=sync)
            before, self._head = self._head, link.head
            sealed = event.sealed(link.head.seq, prev=before.hash, own=link.head.hash)
            self._broadcast.publish(sealed)
            return sealed

    def _sealed(self, event: Event, *, is_plain: bool) -> tuple[Event, Link]:
        """Chain an event; secrets are looked for in the line as it would be written."""
        try:
            link = seal(event.to_record(), self._head, is_plain=is_plain)
        except NotCanonical:
            link = None
        if link is None or self._redactor.finds_in(link.line):
            event = replace(event, data=self._redactor.members(event.data))
            link = seal(event.to_record(), self._head)
        return event, link

    def sync(self) -> None:
        """Make all events last through a power failure; others may be written meanwhile."""
        self._journal.sync()

    def subscribe(self, callback: Callable[[Event | Missed], None]) -> Subscription[Event]:
        """Call back for each event from now on."""
        return self._broadcast.subscribe(callback)

    def close(self) -> None:
        """Let another process write, and watchers have what is left."""
        self._journal.close()
        self._broadcast.close()
