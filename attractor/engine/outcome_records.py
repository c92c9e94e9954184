"""Writes an outcome as a JSON record and reads it back: in the journal and in status.json."""

from attractor.base.canonical import Json
from attractor.engine.fields import Fields
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, Usage


def outcome_to_record(outcome: Outcome) -> dict[str, Json]:
    """Return an outcome under the names of the status file (attractor-spec, appendix C)."""
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


def outcome_from_record(fields: Fields) -> Outcome:
    """Read an outcome back."""
    has_class = bool(fields.text("failure_class"))
    return Outcome(
        status=fields.word("outcome", StageStatus),
        preferred_label=fields.text("preferred_label"),
        suggested_next_ids=fields.texts("suggested_next_ids"),
        context_updates=fields.members("context_updates"),
        notes=fields.text("notes"),
        failure_reason=fields.text("failure_reason"),
        failure_class=fields.word("failure_class", FailureClass) if has_class else None,
        usage=usage_from_record(fields.inner("usage")),
    )


def usage_to_record(usage: Usage) -> dict[str, Json]:
    """Return what was used of models."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
    }


def usage_from_record(fields: Fields) -> Usage:
    """Read back what was used of models."""
    return Usage(
        fields.number("input_tokens"), fields.number("output_tokens"), fields.real("cost_usd")
    )
