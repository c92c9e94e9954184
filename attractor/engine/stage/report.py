"""The report of a stage, and the record in status.json."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, suggest
from attractor.base.json import Json, JsonObject, parse_json
from attractor.base.records import write_fields, write_record
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import FailureClass, Outcome, StageStatus, outcome_to_record
from attractor.engine.receipts import Receipt

REPORT_OUTCOME = "report_outcome"
"""The tool with which an agent reports its outcome."""

_STATUSES = ("success", "partial_success", "retry", "fail")
_CLASSES = ("", "retryable", "terminal", "verdict")
_FIELDS = (
    "outcome",
    "preferred_label",
    "suggested_next_ids",
    "context_updates",
    "notes",
    "failure_reason",
    "failure_class",
)

_RESERVED_KEYS = frozenset({"outcome", "current_node"})
_RESERVED_PREFIXES = ("graph.", "internal.", "human.", "parallel.", "stack.", "work.", "growth.")


@dataclass(frozen=True)
class AttemptTimes:
    """The attempt that a status file describes, and the times of the attempt."""

    visit: int
    attempt: int
    started: datetime
    ended: datetime


def status_record(
    outcome: Outcome, times: AttemptTimes, receipt: Receipt | None = None
) -> dict[str, Json]:
    """Return the content of status.json for an attempt (attractor-spec, appendix C; ruling R8)."""
    taken: dict[str, Json] = {"receipt": write_record(receipt)} if receipt else {}
    return {**outcome_to_record(outcome), **write_fields(times), **taken}


def parse_report(text: str | bytes) -> Outcome:
    """Parse the report of an agent, or raise InvalidReport with a hint for the agent."""
    try:
        report = parse_json(text)
    except NotCanonical as cause:
        raise InvalidReport(f"the report is {cause}", hint="write one JSON object") from cause
    if not isinstance(report, dict):
        raise InvalidReport("the report is not a JSON object", hint=_EXAMPLE)
    return check_report(report)


def check_report(report: JsonObject) -> Outcome:
    """Return the outcome in a report, or raise InvalidReport."""
    for name in report:
        if name not in _FIELDS:
            near = suggest(name, _FIELDS)
            hint = f"did you mean {near}?" if near else f"known: {', '.join(_FIELDS)}"
            raise InvalidReport(f"the report has an unknown field {name!r}", hint=hint)
    if "outcome" not in report:
        raise InvalidReport("the report has no 'outcome'", hint=_EXAMPLE)
    updates = report.get("context_updates") or {}
    if not isinstance(updates, dict):
        raise InvalidReport("'context_updates' is not an object", hint=_EXAMPLE)
    if forbidden := forbidden_keys(updates):
        raise InvalidReport(
            f"a report must not set {', '.join(forbidden)}",
            hint="these keys are reserved: choose other names",
        )
    failure_class = _choice(report, "failure_class", _CLASSES)
    return Outcome(
        StageStatus(_choice(report, "outcome", _STATUSES)),
        preferred_label=_text(report, "preferred_label"),
        suggested_next_ids=_texts(report, "suggested_next_ids"),
        context_updates=updates,
        notes=_text(report, "notes"),
        failure_reason=_text(report, "failure_reason"),
        failure_class=FailureClass(failure_class) if failure_class else None,
    )


def forbidden_keys(updates: Mapping[str, Json]) -> Sequence[str]:
    """Return the context keys in a report that the report must not set, in order."""
    return [key for key in updates if _is_forbidden(key)]


_EXAMPLE = 'write for example {"outcome": "success", "notes": "what was done"}'


def _is_forbidden(key: str) -> bool:
    # Conditions find `context.X` under X too, so both are the same key.
    bare = key
    while bare.startswith("context."):
        bare = bare.removeprefix("context.")
    return bare in _RESERVED_KEYS or bare.startswith(_RESERVED_PREFIXES)


def _text(report: JsonObject, name: str) -> str:
    value = report.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidReport(f"{name!r} is not a text", hint=_EXAMPLE)
    return value


def _texts(report: JsonObject, name: str) -> tuple[str, ...]:
    value = report.get(name) or []
    if not isinstance(value, list):
        raise InvalidReport(f"{name!r} is not a list", hint='write ["node_id"]')
    texts = tuple(text for text in value if isinstance(text, str))
    if len(texts) < len(value):
        raise InvalidReport(f"{name!r} contains items that are not texts", hint='write ["node_id"]')
    return texts


def _choice(report: JsonObject, name: str, known: Sequence[str]) -> str:
    word = _text(report, name)
    if word not in known:
        near = suggest(word, known)
        words = ", ".join(filter(None, known))
        hint = f"did you mean {near}?" if near else f"write one of: {words}"
        raise InvalidReport(f"{name!r} cannot be {word!r}", hint=hint)
    return word
