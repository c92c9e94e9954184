"""Which settings for thinking Anthropic's models take, and which they refuse."""

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d)(?:-(\d)(?!\d))?")
# Of a model that is nobody's everything is taken.
_UNKNOWN = (9, 9)
_MINIMUM = 1024
_NEARLY_ALL = 0.95
_FORCED = ("any", "tool")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THOUGHTS = ("thinking", "redacted_thinking")


class Settings(Protocol):
    """What a request says beside its words."""

    model: str
    max_tokens: int
    temperature: float | None
    top_p: float | None
    thinking: dict[str, object] | None
    output_config: dict[str, object] | None
    tool_choice: dict[str, object] | None


def find_setting_fault(asked: Settings, begun_with: str) -> str:
    """Return what the provider would say of the settings, nothing when they are good.

    `begun_with` is what the block is that the turn of the model began with, if tools answer it now.
    """
    version = _version(asked.model)
    faults = [*_effort(asked, version), *_sampling(asked, version)]
    thinking = asked.thinking or {}
    if thinking.get("type") == "adaptive" and version < (4, 6):
        faults.append("adaptive thinking is not supported on this model")
    if thinking.get("type") == "enabled":
        faults += _budget(asked, version, begun_with)
    if _thinks(asked) and (asked.tool_choice or {}).get("type") in _FORCED:
        faults.append("Thinking may not be enabled when tool_choice forces tool use.")
    return next(iter(faults), "")


def begun_with(turns: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Return the sort of block that a turn began with in which tools were called up to the end."""
    begun = ""
    for role, kinds in reversed(turns):
        if role == "assistant":
            begun = kinds[0] if kinds else ""
        elif "tool_result" not in kinds:
            break
    return begun


def _version(model: str) -> tuple[int, int]:
    found = _VERSION.match(model)
    return (int(found[1]), int(found[2] or 0)) if found else _UNKNOWN


def _thinks(asked: Settings) -> bool:
    return (asked.thinking or {}).get("type") in ("adaptive", "enabled")


def _effort(asked: Settings, version: tuple[int, int]) -> Iterator[str]:
    effort = (asked.output_config or {}).get("effort")
    if effort is None:
        return
    if effort not in _EFFORTS:
        known = ", ".join(repr(one) for one in _EFFORTS)
        yield f"output_config.effort: Input should be {known}"
    if version < (4, 5) or (version < (4, 6) and "opus" not in asked.model):
        yield "This model does not support the effort parameter."
    elif (effort == "xhigh" and version < (4, 7)) or (effort == "max" and version < (4, 6)):
        yield f"This model does not support effort level {effort!r}."


def _budget(asked: Settings, version: tuple[int, int], begun: str) -> Iterator[str]:
    budget = (asked.thinking or {}).get("budget_tokens")
    if (4, 7) <= version < _UNKNOWN:
        yield (
            '"thinking.type.enabled" is not supported for this model. Use '
            '"thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        )
    if not isinstance(budget, int) or budget < _MINIMUM:
        yield f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MINIMUM}"
    elif budget >= asked.max_tokens:
        yield "`max_tokens` must be greater than `thinking.budget_tokens`."
    if begun not in ("", *_THOUGHTS):
        yield (
            f"Expected `thinking` or `redacted_thinking`, but found `{begun}`. When `thinking` is "
            "enabled, a final `assistant` message must start with a thinking block."
        )


def _sampling(asked: Settings, version: tuple[int, int]) -> Iterator[str]:
    if (4, 7) <= version < _UNKNOWN:
        for name, value in (("temperature", asked.temperature), ("top_p", asked.top_p)):
            if value not in (None, 1):
                yield f"`{name}` is deprecated for this model."
    elif _thinks(asked) and asked.temperature not in (None, 1):
        yield "`temperature` may only be set to 1 when thinking is enabled."
    elif _thinks(asked) and asked.top_p is not None and asked.top_p < _NEARLY_ALL:
        yield "`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled."
