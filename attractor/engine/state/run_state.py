"""The state of a run, the statuses, and the table of transitions between statuses."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.records import write_record
from attractor.engine.errors import IllegalTransition
from attractor.engine.outcome import NOTHING_USED, StageStatus, Usage
from attractor.engine.questions.question import (
    Answer,
    Question,
    answer_from_record,
    answer_to_record,
)
from attractor.engine.state.attempts import MAIN, InFlight
from attractor.engine.state.progress import Progress, progress_from_record, progress_to_record
from attractor.engine.state.walks import (
    Walks,
    WalkState,
    branches_from_records,
    branches_to_records,
    walk_from_record,
    walk_to_record,
    with_branch_counts,
)
from attractor.engine.storage.json_files import Fields

RESTARTED = "restarted"
"""The reason of a run that ended with `loop_restart`: another run continues it."""


class StatusWord(StrEnum):
    """The status of a run in one word."""

    QUEUED = "queued"
    BOOTING = "booting"
    EXECUTING = "executing"
    WAITING = "waiting"
    AWAITING_HUMAN = "awaiting_human"
    EVALUATING = "evaluating"
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELED = "canceled"


class Phase(StrEnum):
    """The part of a run in which a person is asked."""

    NONE = ""
    STAGE = "stage"
    DECISION = "decision"


class WaitReason(StrEnum):
    """What a run with the status `waiting` waits for; no person is asked."""

    MESSAGE = "message"
    LIMIT = "limit"
    SLOTS = "slots"
    HOST = "host"
    TIMER = "timer"
    OVERLAP = "overlap"


@dataclass(frozen=True)
class Wait:
    """A wait for something other than a person, and the time when the run tries to continue."""

    reason: WaitReason
    until: datetime | None = None


@dataclass(frozen=True)
class RunStatus:
    """The status of a run: a word, and, for the word `awaiting_human`, a phase."""

    word: StatusWord
    phase: Phase = Phase.NONE

    def __str__(self) -> str:
        return f"{self.word} ({self.phase})" if self.phase else self.word

    @property
    def is_final(self) -> bool:
        """Whether the status is final."""
        return not TRANSITIONS[self]

    @property
    def is_active(self) -> bool:
        """Whether the run is running, or waits inside a stage."""
        return self in _ACTIVE


QUEUED = RunStatus(StatusWord.QUEUED)

BOOTING = RunStatus(StatusWord.BOOTING)

EXECUTING = RunStatus(StatusWord.EXECUTING)

WAITING = RunStatus(StatusWord.WAITING)

AWAITING_ANSWER = RunStatus(StatusWord.AWAITING_HUMAN, Phase.STAGE)

AWAITING_DECISION = RunStatus(StatusWord.AWAITING_HUMAN, Phase.DECISION)

EVALUATING = RunStatus(StatusWord.EVALUATING)

APPROVED = RunStatus(StatusWord.APPROVED)

REJECTED = RunStatus(StatusWord.REJECTED)

FAILED = RunStatus(StatusWord.FAILED)

CANCELED = RunStatus(StatusWord.CANCELED)

TRANSITIONS: Mapping[RunStatus, tuple[RunStatus, ...]] = {
    QUEUED: (BOOTING, CANCELED),
    BOOTING: (EXECUTING, FAILED, CANCELED),
    EXECUTING: (WAITING, AWAITING_ANSWER, EVALUATING, FAILED, CANCELED),
    WAITING: (EXECUTING, FAILED, CANCELED),
    AWAITING_ANSWER: (EXECUTING, CANCELED, FAILED),
    EVALUATING: (AWAITING_DECISION, FAILED, CANCELED),
    AWAITING_DECISION: (APPROVED, REJECTED, CANCELED, EVALUATING),
    APPROVED: (),
    REJECTED: (),
    FAILED: (),
    CANCELED: (),
}
"""The transitions between statuses that are allowed."""

_ACTIVE = frozenset({QUEUED, BOOTING, EXECUTING, WAITING, EVALUATING, AWAITING_ANSWER})


def require_transition(now: RunStatus, then: RunStatus) -> None:
    """Raise IllegalTransition for a transition that is not in the table."""
    allowed = TRANSITIONS[now]
    if then not in allowed:
        known = ", ".join(map(str, allowed)) or "none, it is final"
        raise IllegalTransition(
            f"a run that is {now} cannot become {then}", hint=f"allowed: {known}"
        )


@dataclass(frozen=True)
class RunState:
    """The state of a run: everything that a process needs to continue the run.

    `wait` is the reason of the status `waiting`. `stopped` is the reason why the last process
    stopped, `warned` names the budgets that are nearly exhausted. `walks` has the walks that are
    not joined yet. `begun` counts the visits of each node. `restarted_as` is the run that continues
    this run (ruling R7). `answer_counts` counts the answers of each interviewer. `budgets` is the
    record of the budgets that the caller of the last process set; attributes, profile and suite can
    set others. `call_rules` allow tool calls for the rest of the run, as people said.
    """

    status: RunStatus = QUEUED
    reason: str = ""
    wait: Wait | None = None
    walks: Walks = field(default_factory=dict[str, WalkState])
    begun: Mapping[str, int] = field(default_factory=dict[str, int])
    answers: Mapping[str, Answer] = field(default_factory=dict[str, Answer])
    answer_counts: Mapping[str, int] = field(default_factory=dict[str, int])
    warned: tuple[str, ...] = ()
    budgets: Mapping[str, Json] = field(default_factory=dict[str, Json])
    stopped: str = ""
    is_paused: bool = False
    canceled: str = ""
    last_order: str = ""
    restarted_as: str = ""
    is_ended: bool = False
    call_rules: tuple[str, ...] = ()

    @property
    def is_restarting(self) -> bool:
        """Whether another run will continue this run."""
        is_walked = self.progress is not None and self.progress.is_restarting
        return is_walked and not self.canceled

    @property
    def why_canceled(self) -> str:
        """The reason why no further stage can begin (a cancellation or a restart), or an empty
        text.
        """
        return self.canceled or (RESTARTED if self.restarted_as else "")

    @property
    def used(self) -> Usage:
        """The usage so far, including visits in flight."""
        walks = self.walks.values()
        in_flight = (walk.in_flight.spent for walk in walks if walk.in_flight)
        return sum(in_flight, sum((walk.progress.usage for walk in walks), NOTHING_USED))

    def seconds(self, now: datetime) -> float:
        """Return the seconds that stages took so far, including the current stage.

        The time of branches is included in the stage at which they began.
        """
        taken = self.progress.seconds if self.progress else 0.0
        return taken + (self.in_flight.seconds(now) if self.in_flight else 0.0)

    @property
    def progress(self) -> Progress | None:
        """The progress of the walk from the start, if it has begun."""
        return self.walks[MAIN].progress if MAIN in self.walks else None

    @property
    def in_flight(self) -> InFlight | None:
        """The attempt in flight in the walk from the start."""
        return self.walks[MAIN].in_flight if MAIN in self.walks else None

    @property
    def asked(self) -> Sequence[Question]:
        """The questions of stages in flight, answered or not."""
        return [question for walk in self.walks.values() for question in walk.questions]

    @property
    def questions(self) -> Sequence[Question]:
        """The questions without an answer; a finished run asks nothing."""
        if self.canceled or self.status.is_final:
            return []
        return [question for question in self.asked if question.id not in self.answers]

    @property
    def question(self) -> Question | None:
        """The first question without an answer."""
        return next(iter(self.questions), None)

    @property
    def may_walk(self) -> bool:
        """Whether further stages can be executed, because the walk has not ended."""
        has_end = self.progress is not None and self.progress.is_over
        return not (has_end or self.canceled or self.status.is_final)

    def is_aside(self, key: str, node: str, visit: int) -> bool:
        """Return whether a visit needs its own folder, because another walk uses the folder of the
        node.
        """
        own = self.walks[key].in_flight
        if own and (own.node, own.visit) == (node, visit):
            return own.is_aside
        for walk in self.walks.values():
            flight = walk.in_flight
            if flight is not None and flight.node == node and not flight.is_aside:
                return True
        return False


def state_to_record(state: RunState) -> dict[str, Json]:
    """Return the record of a state, for the checkpoint; the progress comes first."""
    main = state.walks.get(MAIN)
    return {
        **(progress_to_record(main.progress) if main else {"current_node": ""}),
        "run": {
            "status": state.status.word.value,
            "phase": state.status.phase.value,
            "reason": state.reason,
            **({"wait": write_record(state.wait)} if state.wait else {}),
            "strand": walk_to_record(main) if main else None,
            "branches": branches_to_records(state.walks),
            "begun": dict(state.begun),
            "answers": {key: answer_to_record(answer) for key, answer in state.answers.items()},
            "given": dict(state.answer_counts),
            "warned": list(state.warned),
            "budgets": dict(state.budgets),
            "stopped": state.stopped,
            "is_paused": state.is_paused,
            "canceled": state.canceled,
            "last_order": state.last_order,
            "restarted_as": state.restarted_as,
            "is_ended": state.is_ended,
            **({"call_rules": list(state.call_rules)} if state.call_rules else {}),
        },
    }


def state_from_record(fields: Fields) -> RunState:
    """Read a state from its record."""
    run = fields.inner("run")
    answers, begun = run.inner("answers"), run.inner("begun")
    return RunState(
        status=status_from_record(run),
        reason=run.text("reason"),
        wait=wait_from_record(run),
        walks=_walks(fields, run),
        begun={node: begun.number(node) for node in begun.all()},
        answers={key: answer_from_record(answers.inner(key)) for key in answers.all()},
        answer_counts=counts_from(run, "given"),
        warned=run.texts("warned"),
        budgets=run.members("budgets") if run.has("budgets") else {},
        stopped=run.text("stopped"),
        is_paused=run.flag("is_paused"),
        canceled=run.text("canceled"),
        last_order=run.text("last_order"),
        restarted_as=run.text("restarted_as"),
        is_ended=run.flag("is_ended"),
        call_rules=run.texts("call_rules") if run.has("call_rules") else (),
    )


def outcome_of(state: RunState) -> StageStatus | None:
    """Return the outcome of the walk, or None if the walk has not ended."""
    end = state.progress.end if state.progress else None
    return end.status if end else None


def status_from_record(fields: Fields) -> RunStatus:
    """Read a run status from its record."""
    return RunStatus(fields.word("status", StatusWord), fields.word("phase", Phase))


def wait_from_record(fields: Fields) -> Wait | None:
    """Read what a run waits for, or None; earlier versions write no such field."""
    return fields.inner("wait").record(Wait) if fields.has("wait") else None


def counts_from(fields: Fields, name: str) -> dict[str, int]:
    """Read counts by name from a record."""
    counts = fields.inner(name)
    return {key: counts.number(key) for key in counts.all()}


def _walks(fields: Fields, run: Fields) -> Walks:
    if not run.has("strand"):
        return {}
    main = walk_from_record(run.inner("strand"), progress_from_record(fields))
    return with_branch_counts({MAIN: main, **branches_from_records(run.inners("branches"))})
