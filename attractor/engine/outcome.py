"""How a stage ended: what a handler returns, and what routing decides by (attractor-spec 5.2)."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json


class StageStatus(StrEnum):
    """How a stage ended, in one word."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    RETRY = "retry"
    FAIL = "fail"
    SKIPPED = "skipped"

    @property
    def is_success(self) -> bool:
        """Whether the stage did its work, if with caveats."""
        return self in (StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS)


class FailureClass(StrEnum):
    """What kind of failure it was, which decides whether trying again can help."""

    RETRYABLE = "retryable"
    TERMINAL = "terminal"
    VERDICT = "verdict"
    PIPELINE = "pipeline"


@dataclass(frozen=True)
class Usage:
    """What a stage used of models."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
        )

    def at_least(self, other: "Usage") -> "Usage":
        """Return the greater one of each two amounts."""
        return Usage(
            max(self.input_tokens, other.input_tokens),
            max(self.output_tokens, other.output_tokens),
            max(self.cost_usd, other.cost_usd),
        )

    @property
    def tokens(self) -> int:
        """What was used, in tokens of any kind."""
        return self.input_tokens + self.output_tokens


NOTHING_USED = Usage()


@dataclass(frozen=True)
class Outcome:
    """The result of one attempt at a node."""

    status: StageStatus
    preferred_label: str = ""
    suggested_next_ids: tuple[str, ...] = ()
    context_updates: Mapping[str, Json] = field(default_factory=dict[str, Json])
    notes: str = ""
    failure_reason: str = ""
    failure_class: FailureClass | None = None
    usage: Usage = NOTHING_USED


def success(notes: str = "", **updates: Json) -> Outcome:
    """Return a success, with updates of the context under names without dots."""
    return Outcome(StageStatus.SUCCESS, notes=notes, context_updates=updates)


def failure(reason: str, kind: FailureClass = FailureClass.RETRYABLE) -> Outcome:
    """Return a failure with its reason."""
    return Outcome(StageStatus.FAIL, failure_reason=reason, failure_class=kind)
