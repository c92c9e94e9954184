"""Where a run is, and what may come next: the one table of statuses and transitions."""

from collections.abc import Mapping
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.engine.errors import IllegalTransition


class RunStatus(StrEnum):
    """Where a run is, in one word."""

    QUEUED = "queued"
    BOOTING = "booting"
    EXECUTING = "executing"
    AWAITING_HUMAN = "awaiting_human"
    EVALUATING = "evaluating"
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELED = "canceled"


class Phase(StrEnum):
    """What a run waits for a person for."""

    NONE = ""
    STAGE = "stage"
    DECISION = "decision"


@dataclass(frozen=True)
class Standing:
    """A status, with the phase when it is `awaiting_human`."""

    status: RunStatus
    phase: Phase = Phase.NONE

    def __str__(self) -> str:
        return f"{self.status} ({self.phase})" if self.phase else self.status

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return not TRANSITIONS[self]

    @property
    def is_active(self) -> bool:
        """Whether the run is at work, or waits in a stage."""
        return self in _ACTIVE


QUEUED = Standing(RunStatus.QUEUED)
BOOTING = Standing(RunStatus.BOOTING)
EXECUTING = Standing(RunStatus.EXECUTING)
AWAITING_ANSWER = Standing(RunStatus.AWAITING_HUMAN, Phase.STAGE)
AWAITING_DECISION = Standing(RunStatus.AWAITING_HUMAN, Phase.DECISION)
EVALUATING = Standing(RunStatus.EVALUATING)
APPROVED = Standing(RunStatus.APPROVED)
REJECTED = Standing(RunStatus.REJECTED)
FAILED = Standing(RunStatus.FAILED)
CANCELED = Standing(RunStatus.CANCELED)

TRANSITIONS: Mapping[Standing, tuple[Standing, ...]] = {
    QUEUED: (BOOTING, CANCELED),
    BOOTING: (EXECUTING, FAILED, CANCELED),
    EXECUTING: (AWAITING_ANSWER, EVALUATING, FAILED, CANCELED),
    AWAITING_ANSWER: (EXECUTING, CANCELED, FAILED),
    EVALUATING: (AWAITING_DECISION, FAILED, CANCELED),
    AWAITING_DECISION: (APPROVED, REJECTED, CANCELED, EVALUATING),
    APPROVED: (),
    REJECTED: (),
    FAILED: (),
    CANCELED: (),
}
"""What may follow what; anything else is refused."""

_ACTIVE = frozenset({QUEUED, BOOTING, EXECUTING, EVALUATING, AWAITING_ANSWER})


def require_transition(now: Standing, then: Standing) -> None:
    """Refuse a transition that is not in the table."""
    allowed = TRANSITIONS[now]
    if then not in allowed:
        known = ", ".join(map(str, allowed)) or "nothing: it is final"
        raise IllegalTransition(
            f"a run that is {now} cannot become {then}", hint=f"what may follow: {known}"
        )
