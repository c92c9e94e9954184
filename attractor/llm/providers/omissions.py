"""Fallbacks for what an answer omits: ids, the reason of its end, token usage.

Some gateways omit them. Every provider's answers are read with the same fallbacks.
"""

from collections.abc import Iterator, Mapping, Sequence

from attractor.llm.messages import ContentPart
from attractor.llm.response import FinishReason, Reason, Warning
from attractor.llm.transport.fields import Fields


def response_id(given: str | None, seed: str) -> str:
    """Return the id of an answer; the seed determines a missing id."""
    return given or f"response_{seed}"


def call_id(seed: str, index: int) -> str:
    """Return an id for a tool call that arrived without an id."""
    return f"call_{seed}_{index}"


def finish_reason(
    raw: str | None, reasons: Mapping[str, Reason], content: Sequence[ContentPart]
) -> FinishReason:
    """Return why an answer ended; an answer without a reason is complete too."""
    reason = reasons.get(raw, "other") if raw else "stop"
    if reason == "stop" and any(part.tool_call for part in content):
        reason = "tool_calls"
    return FinishReason(reason, raw)


def usage_warnings(usage: Fields) -> Iterator[Warning]:
    """Warn about an answer without token usage."""
    if not usage.raw:
        yield Warning("the server does not report token usage", "usage_missing")
