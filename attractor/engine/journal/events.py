"""The event types of the engine, one class each, and the log that writes events.

The name of a class is the event type; the fields of the class are the data of the event. Node,
visit and attempt are in the envelope of the event. Handlers emit events of other types.
"""

from collections.abc import Callable, Mapping
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
from attractor.base.hash_chain import GENESIS, ChainHead, ChainLink, seal
from attractor.base.journal import Journal, TornLine
from attractor.base.json import Json, JsonObject
from attractor.engine.state.attempts import NO_PLACE, StageReference
from attractor.engine.state.progress import Step, step_from_record
from attractor.engine.storage.json_files import Fields, read_known
from attractor.engine.storage.secrets import Redactor


@dataclass(frozen=True)
class PipelineStarted:
    """The walk begins with this progress."""

    name: str
    id: str
    content_hash: str
    progress: dict[str, Json]


@dataclass(frozen=True)
class RunForked:
    """The run continues another run from the state before a visit of a node.

    `seq` and `hash` identify the last event of the other run that also belongs to this run. `begun`
    is the number of visits of each node up to this event, `given` the number of answers of each
    interviewer.
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
    """Another run will continue this run at a node (ruling R7)."""

    run_id: str
    node: str
    restart: int


@dataclass(frozen=True)
class RunRestarted:
    """The run continues another run that followed an edge with `loop_restart`.

    `restart` is the number of runs before this one. `seq` and `hash` identify the last event of the
    other run that also belongs to this run. `begun` has the number of visits of each node in all
    these runs, `given` the number of answers of each interviewer.
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
    """The walk failed, or was canceled."""

    error: str
    duration: float


@dataclass(frozen=True)
class RunResumed:
    """Another process resumes the run, from the tree in the journal.

    `heard` is the time of the last stage event; the earlier process counts as ended at this time.
    """

    next_node: str
    tree: str
    interrupted: bool
    heard: str = ""


@dataclass(frozen=True)
class RunInterrupted:
    """The process was stopped; the run can be resumed."""

    reason: str


@dataclass(frozen=True)
class RunStatusChanged:
    """The run has another status; `wait` is what a waiting run waits for, and until when."""

    status: str
    phase: str
    reason: str
    wait: dict[str, Json] | None = None


class Action(StrEnum):
    """An action that a person orders for a run."""

    ANSWER = "answer"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    STEER = "steer"


@dataclass(frozen=True)
class OperatorAction:
    """A person's order for the run; `order` is the file name of the order in the inbox.

    `proof` says how the person was identified.
    """

    action: str
    by: str
    why: str
    order: str = ""
    question: str = ""
    value: str = ""
    is_accepted: bool = True
    proof: str = ""


@dataclass(frozen=True)
class StageStarted:
    """An attempt begins. The event of a stage that may use a model contains the fidelity."""

    name: str
    index: int
    fidelity: str = ""
    thread: str = ""


@dataclass(frozen=True)
class FidelityDegraded:
    """A stage gets a lower fidelity, because the conversation of its thread was lost."""

    wanted: str
    fidelity: str
    thread: str
    reason: str


@dataclass(frozen=True)
class ModelCalled:
    """A model call of a stage began or ended; `usage` estimates the calls that have not ended.

    A resume counts the estimate, because the usage of these calls is lost.
    """

    usage: dict[str, Json]


@dataclass(frozen=True)
class ModelUsed:
    """A model answered a stage. The usage counts even if the stage fails."""

    usage: dict[str, Json]


@dataclass(frozen=True)
class StageCompleted:
    """An attempt ended without a failure; `usage` is its model usage, if any.

    With `assumed`, no outcome was reported.
    """

    name: str
    index: int
    outcome: str
    duration: float
    notes: str
    usage: dict[str, Json] | None = None
    assumed: bool = False


@dataclass(frozen=True)
class StageFailed:
    """An attempt failed, or asked for a retry; `usage` is its model usage, if any."""

    name: str
    index: int
    error: str
    failure_class: str
    duration: float
    will_retry: bool
    usage: dict[str, Json] | None = None


@dataclass(frozen=True)
class StageRetrying:
    """The stage is retried after a delay; `tree` is given if the next attempt starts from it.

    `ended` says how the last attempt ended, for the prompt of the next attempt.
    """

    name: str
    index: int
    attempt: int
    delay: float
    tree: str = ""
    ended: str = ""


@dataclass(frozen=True)
class StageWaiting:
    """The stage waits for something other than a person, such as the `limit` of an account.

    If the process is killed meanwhile, the stage is repeated from `tree`, with its files so far.
    """

    reason: str
    until: str
    words: str
    tree: str = ""


@dataclass(frozen=True)
class QuestionAsked:
    """A question is asked; from now on, any terminal can answer it."""

    question: dict[str, Json]


@dataclass(frozen=True)
class QuestionSettled:
    """A question is settled: answered, skipped, or timed out."""

    question: str
    answer: dict[str, Json]


@dataclass(frozen=True)
class StageParked:
    """A stage stopped to wait for an answer; no process needs to run meanwhile."""

    question: dict[str, Json]


@dataclass(frozen=True)
class AgentParked:
    """An agent waits for the answer about a tool call: its conversation is kept, and its files."""

    tree: str


@dataclass(frozen=True)
class ApprovalUsed:
    """The answer about a tool call took effect, or was not used; it does not count again.

    `rule` allows further calls of the run.
    """

    question: str
    choice: str
    rule: str = ""


@dataclass(frozen=True)
class EdgeSelected:
    """An edge was selected; the event contains the reason, and the fate of each candidate edge."""

    target: str
    reason: str
    label: str
    condition: str
    candidates: list[Json]


@dataclass(frozen=True)
class ParallelBranchStarted:
    """A branch begins; its context is the context of the parent walk, with these updates."""

    branch: str
    index: int
    parent: str
    start: str
    until: str
    isolated: bool
    updates: dict[str, Json]


@dataclass(frozen=True)
class ParallelBranchCompleted:
    """A branch ended, or was canceled."""

    branch: str
    index: int
    duration: float
    success: bool
    outcome: str
    reason: str


@dataclass(frozen=True)
class BudgetsSet:
    """A walk begins or continues with these budgets.

    `set_by_caller` has those of the caller, with which the next process continues.
    """

    cost_usd: float | None
    tokens: int | None
    seconds: float | None
    set_by_caller: dict[str, Json]


@dataclass(frozen=True)
class BudgetWarning:
    """A budget is nearly exhausted."""

    budget: str
    spent: float
    limit: float


@dataclass(frozen=True)
class CheckpointSaved:
    """A stage was recorded: `step` is the change of the progress, without default values.

    `checkpoint` is the hash of checkpoint.json, if the file was rewritten.
    """

    node_id: str
    step: dict[str, Json] | None
    checkpoint: str

    def read_step(self) -> Step | None:
        """Return the step; None if the event only records a checkpoint."""
        return step_from_record(Fields(self.step, "step")) if self.step else None


@dataclass(frozen=True)
class FilesLeftOut:
    """New files in the workspace that a snapshot left out of the tree.

    Long lists are truncated; the counts include all files. `refused` has a reason for each file.
    """

    ignored: list[Json]
    ignored_count: int
    refused: list[Json]
    refused_count: int


@dataclass(frozen=True)
class FilesChangedByOthers:
    """Files were changed after the last snapshot of the run and before an attempt, not by the run.

    `since` and `until` are the trees before and after.
    """

    since: str
    until: str
    count: int


@dataclass(frozen=True)
class TornLineDropped:
    """The incomplete last line of the journal, left by a process that died, was removed."""

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
    | ModelCalled
    | ModelUsed
    | StageCompleted
    | StageFailed
    | StageRetrying
    | StageWaiting
    | QuestionAsked
    | QuestionSettled
    | StageParked
    | AgentParked
    | ApprovalUsed
    | EdgeSelected
    | ParallelBranchStarted
    | ParallelBranchCompleted
    | BudgetsSet
    | BudgetWarning
    | CheckpointSaved
    | FilesLeftOut
    | FilesChangedByOthers
    | TornLineDropped
)

PLAIN = (StageStarted, StageCompleted, EdgeSelected, CheckpointSaved)
"""The events of every stage. Their data is always plain JSON, so the data is not checked again."""

INPUT_SOUGHT = "InputSought"
"""The event type of a process in the sandbox that connected to the input of an agent's program."""

OUTCOME_ASSUMED = "OutcomeAssumed"
"""The event type of a stage that succeeds without a report."""

AGENT_CHOSEN = "AgentChosen"
"""The event type of a stage that names an agent, with the agent's permissions and tools."""

REPORT_REFUSED = "ReportRefused"
"""The event type of a report that was refused."""

SESSION_SAVED = "SessionSaved"
"""The event type of a saved session of an agent's program, with the hash of the file."""

STAGE_CONTINUED = "StageContinued"
"""The event type of a stage that continues after it waited for something other than a person."""

ACTOR_MESSAGED = "ActorMessaged"
"""The event type of a message that an agent sent to another actor."""

ACTOR_SPAWNED = "ActorSpawned"
"""The event type of an actor that an agent started."""

TEAM_REFUSED = "TeamRefused"
"""The event type of an agent that was refused to write to another actor, or to start one."""

LESSONS_GIVEN = "LessonsGiven"
"""The event type of a stage whose prompt quotes lessons: their ids, and the text."""

LESSON_PROPOSED = "LessonProposed"
"""The event type of an agent that proposed a lesson."""

LESSON_REFUSED = "LessonRefused"
"""The event type of an agent that was refused to propose a lesson."""

THREAD_CONTINUED = "ThreadContinued"
"""The event type of a stage that continues a conversation."""

THREAD_RESTORED = "ThreadRestored"
"""The event type of a stage that continues a conversation rebuilt from saved files."""

THREAD_SHORTENED = "ThreadShortened"
"""The event type of a conversation whose older part is replaced by a summary."""

_CLASSES: Mapping[str, type[EngineEvent]] = {kind.__name__: kind for kind in EngineEvent.__args__}

ENGINE_KINDS = frozenset(_CLASSES)
"""The event types that only the engine may write, because they determine the state of a run."""


def read_event(event: Event) -> EngineEvent | None:
    """Return the data of an event of the engine as its class; None for events of other types.

    Another version may have written the event: unknown fields are ignored, missing ones are empty.
    """
    kind = _CLASSES.get(event.type)
    return read_known(kind, event.data) if kind else None


def kind_of(happening: EngineEvent) -> str:
    """Return the type of an event."""
    return type(happening).__name__


def data_of(happening: EngineEvent) -> dict[str, Json]:
    """Return the data of an event."""
    return dict(vars(happening))


class EventLog:
    """The only writer of `events.jsonl`; safe for threads."""

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
        """The incomplete last line of a process that died; opening the journal removed the line."""
        return self._journal.torn

    @property
    def head(self) -> ChainHead:
        """The head of the hash chain."""
        return self._head

    @property
    def offset(self) -> int:
        """The offset at which the next line will be written."""
        return self._journal.offset

    def continue_from(self, head: ChainHead) -> None:
        """Set the head of the hash chain, after the existing lines were verified."""
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
        """Write one event.

        Without `sync`, a power failure may lose the event until the next sync. `is_plain` skips the
        check for valid JSON.
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

    def _sealed(self, event: Event, *, is_plain: bool) -> tuple[Event, ChainLink]:
        """Add an event to the hash chain; redact an event that contains a secret first."""
        try:
            link = seal(event.to_record(), self._head, is_plain=is_plain)
        except NotCanonical:
            link = None
        if link is None or self._redactor.finds_in(link.line):
            event = replace(event, data=self._redactor.members(event.data))
            link = seal(event.to_record(), self._head)
        return event, link

    def sync(self) -> None:
        """Sync all events to the disk; other threads may write meanwhile."""
        self._journal.sync()

    def subscribe(self, callback: Callable[[Event | Missed], None]) -> Subscription[Event]:
        """Call a function for each event that is written from now on."""
        return self._broadcast.subscribe(callback)

    def close(self) -> None:
        """Release the journal, and deliver the remaining events to subscribers."""
        self._journal.close()
        self._broadcast.close()
