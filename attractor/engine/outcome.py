"""The outcome of a stage, with status and usage, and the records of all three
(attractor-spec 5.2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import cast

from attractor.base.amounts import format_cost, number_of
from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.storage.json_files import Fields


class StageStatus(StrEnum):
    """The status of a stage that has ended."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    RETRY = "retry"
    FAIL = "fail"
    SKIPPED = "skipped"

    @property
    def is_success(self) -> bool:
        """Whether the stage succeeded, at least in part."""
        return self in (StageStatus.SUCCESS, StageStatus.PARTIAL_SUCCESS)


class FailureClass(StrEnum):
    """The class of a failure, which decides whether a retry can help."""

    RETRYABLE = "retryable"
    TERMINAL = "terminal"
    VERDICT = "verdict"
    PIPELINE = "pipeline"


class Culprit(StrEnum):
    """The cause of a failure."""

    CANDIDATE = "candidate"
    PIPELINE = "pipeline"
    MODEL = "model"
    TWIN = "twin"
    MACHINERY = "machinery"
    SUITE = "suite"


@dataclass(frozen=True)
class Usage:
    """The model usage of a stage.

    `estimated_tokens` are the tokens of answers that were cut before their usage, `unpriced_tokens`
    those of calls whose cost is unknown. Both are part of `input_tokens` and `output_tokens`.
    `subscription_usd` is the part of `cost_usd` that a subscription pays: the list price.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    estimated_tokens: int = 0
    unpriced_tokens: int = 0
    subscription_usd: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
            self.estimated_tokens + other.estimated_tokens,
            self.unpriced_tokens + other.unpriced_tokens,
            self.subscription_usd + other.subscription_usd,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.cost_usd - other.cost_usd,
            self.estimated_tokens - other.estimated_tokens,
            self.unpriced_tokens - other.unpriced_tokens,
            self.subscription_usd - other.subscription_usd,
        )

    def at_least(self, other: "Usage") -> "Usage":
        """Return the usage in which each amount is the higher amount of `self` and `other`."""
        return Usage(
            max(self.input_tokens, other.input_tokens),
            max(self.output_tokens, other.output_tokens),
            max(self.cost_usd, other.cost_usd),
            max(self.estimated_tokens, other.estimated_tokens),
            max(self.unpriced_tokens, other.unpriced_tokens),
            max(self.subscription_usd, other.subscription_usd),
        )

    @property
    def billed_usd(self) -> float:
        """The cost without what a subscription pays."""
        return self.cost_usd - self.subscription_usd

    @property
    def tokens(self) -> int:
        """The sum of input and output tokens."""
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
    """Return a success; the keyword arguments are context updates."""
    return Outcome(StageStatus.SUCCESS, notes=notes, context_updates=updates)


def failure(reason: str, kind: FailureClass = FailureClass.RETRYABLE) -> Outcome:
    """Return a failure with a reason."""
    return Outcome(StageStatus.FAIL, failure_reason=reason, failure_class=kind)


_TEXTS = ("preferred_label", "notes", "failure_reason")


def outcome_to_record(outcome: Outcome) -> dict[str, Json]:
    """Return the record of an outcome, as in status.json (attractor-spec, appendix C)."""
    return {
        "outcome": outcome.status.value,
        "preferred_label": outcome.preferred_label,
        "suggested_next_ids": list(outcome.suggested_next_ids),
        "context_updates": dict(outcome.context_updates),
        "notes": outcome.notes,
        "failure_reason": outcome.failure_reason,
        "failure_class": outcome.failure_class.value if outcome.failure_class else "",
        "usage": usage_to_record(outcome.usage),
    }


def fault_of(outcome: Outcome) -> str:
    """Return the fault of an outcome that a handler returned; an empty text for a valid outcome.

    Custom handlers can lack type checks, and an outcome with invalid types cannot be read back.
    """
    if not isinstance(cast("object", outcome.status), StageStatus):
        return f"its status {outcome.status!r} must be one of {', '.join(StageStatus)}"
    for name in _TEXTS:
        if not isinstance(getattr(outcome, name), str):
            return f"its {name} must be a text"
    if not _are_texts(outcome.suggested_next_ids):
        return "its suggested_next_ids must be texts"
    if not isinstance(cast("object", outcome.context_updates), Mapping):
        return "its context_updates must be a mapping"
    if not isinstance(cast("object", outcome.failure_class), FailureClass | None):
        return f"its failure_class must be one of {', '.join(FailureClass)}"
    return "" if _is_usage(outcome.usage) else "its usage must be a Usage, in numbers"


def _are_texts(named: object) -> bool:
    if not isinstance(named, tuple | list):
        return False
    return all(isinstance(text, str) for text in cast("Sequence[object]", named))


def _is_usage(usage: object) -> bool:
    if not isinstance(usage, Usage):
        return False
    counts = (usage.input_tokens, usage.output_tokens, usage.estimated_tokens)
    counts += (usage.unpriced_tokens,)
    return all(type(count) is int for count in counts) and type(usage.cost_usd) in (int, float)


def usage_to_record(usage: Usage) -> dict[str, Json]:
    """Return the JSON record of usage; the parts of amounts only if there are any."""
    estimated = {"estimated_tokens": usage.estimated_tokens} if usage.estimated_tokens else {}
    unpriced = {"unpriced_tokens": usage.unpriced_tokens} if usage.unpriced_tokens else {}
    paid = {"subscription_usd": usage.subscription_usd} if usage.subscription_usd else {}
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
        **estimated,
        **unpriced,
        **paid,
    }


def usage_from_record(fields: Fields) -> Usage:
    """Read usage from its record."""
    return Usage(
        fields.number("input_tokens"),
        fields.number("output_tokens"),
        fields.real("cost_usd"),
        fields.number("estimated_tokens") if fields.has("estimated_tokens") else 0,
        fields.number("unpriced_tokens") if fields.has("unpriced_tokens") else 0,
        fields.real("subscription_usd") if fields.has("subscription_usd") else 0.0,
    )


def usage_figures(usage: Usage) -> dict[str, Json]:
    """Return the figures of usage in JSON for people and programs."""
    return {
        "cost_usd": round(usage.cost_usd, 6),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "unpriced_tokens": usage.unpriced_tokens,
    }


def describe_usage(usage: Usage) -> str:
    """Return the cost and the tokens of usage as text for people."""
    tokens = number_of(usage.tokens, "token")
    if usage.estimated_tokens:
        tokens = f"{tokens} ({usage.estimated_tokens} estimated)"
    if usage.unpriced_tokens:
        return f"cost {format_usage_cost(usage)}, {tokens}"
    if usage.subscription_usd:
        return f"{format_usage_cost(usage)}, {tokens}"
    return f"${usage.cost_usd:.4f}, {tokens}" if usage.cost_usd else tokens


def format_usage_cost(usage: Usage) -> str:
    """Return the cost of usage as text for people, and whether it or a part of it is unknown."""
    # Earlier versions recorded an unknown cost as 0.
    is_zero = bool(usage.tokens) and not usage.cost_usd
    is_partial = is_zero or bool(usage.unpriced_tokens)
    if not round(usage.subscription_usd, 6):
        return format_cost(usage.cost_usd, is_partial=is_partial)
    billed = round(usage.billed_usd, 6)
    words = f"subscription (list price {format_cost(usage.subscription_usd)})"
    return f"{format_cost(billed, is_partial=is_partial)} + {words}" if billed else words
