"""Writes how hard a model is to think, as Anthropic's Messages API takes it (3.6, decision 0148).

Newer models decide themselves how long they think and are told an effort; older ones are given a
number of tokens; the oldest do not think.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from attractor.base.json import Json, JsonObject
from attractor.llm.providers.reasoning import may_reason
from attractor.llm.request import Request

_VERSION = re.compile(r"(?<!\d)([1-9]\d?)(?!\d)(?:[.-](\d{1,2})(?![\da-z]))?")
_THINKING, _ADAPTIVE, _XHIGH, _ALWAYS = (3, 7), (4, 6), (4, 7), (5, 0)
# The one model that takes an effort and yet a number of tokens.
_BOTH, _BOTH_FAMILY = (4, 5), "opus"
_LEVELS = ("low", "medium", "high")
# Tokens for thoughts. What a model has for its answer comes on top, for the provider counts both.
_ROOM = {"low": 1024, "medium": 8192, "high": 24576, "xhigh": 49152, "max": 49152}
# No fewer may be given, and so many at least are left for the answer.
_LEAST = 1024
_THOUGHTS = ("thinking", "redacted_thinking")


class Abilities(NamedTuple):
    """What a model takes: whether it decides itself, which efforts, and a number of tokens.

    The newest think whether they are asked to or not.
    """

    is_adaptive: bool = False
    always: bool = False
    levels: Sequence[str] = ()
    has_budget: bool = False


class Thinking(NamedTuple):
    """What to send, how many tokens more that may take, and what did not fit."""

    fields: JsonObject = {}
    room: int = 0
    ignored: Sequence[str] = ()


def model_version(model: str) -> tuple[int, int] | None:
    """Return the version in a model's name, if there is one."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def abilities(model: str) -> Abilities:
    """Return what a model takes; one whose name tells no version is taken for a new one."""
    version = model_version(model)
    if version is None or version >= _XHIGH:
        always = version is None or version >= _ALWAYS
        return Abilities(is_adaptive=True, always=always, levels=(*_LEVELS, "xhigh", "max"))
    if version >= _ADAPTIVE:
        return Abilities(is_adaptive=True, levels=(*_LEVELS, "max"))
    if version == _BOTH and _BOTH_FAMILY in model:
        return Abilities(levels=_LEVELS, has_budget=True)
    return Abilities(has_budget=version >= _THINKING)


def write_thinking(request: Request, turns: Sequence[Json], *, provider: str) -> Thinking:
    """Return the settings for the effort of a request; what its options say goes before it."""
    own = request.options_for(provider).get("thinking")
    effort = request.reasoning_effort
    if not effort:
        return Thinking(room=_budget(own))
    able = abilities(request.model)
    if not (able.is_adaptive or able.has_budget) or not may_reason(request.model, provider):
        return Thinking(ignored=[f"reasoning_effort for {request.model}, which does not think"])
    level, ignored = _level(effort, able)
    if not level:
        return Thinking(room=_budget(own), ignored=ignored)
    told: dict[str, Json] = {"output_config": {"effort": level}} if level in able.levels else {}
    if own is not None:
        beside = [] if told else ["reasoning_effort beside the option 'thinking'"]
        return Thinking(told, _budget(own), [*ignored, *beside])
    if why := _obstacle(request, able, turns):
        return Thinking(told, 0, [*ignored, f"thinking (reasoning_effort {effort!r}) {why}"])
    if able.is_adaptive:
        # Else the newest models show nothing of what they think.
        told["thinking"] = {"type": "adaptive", "display": "summarized"}
        return Thinking(told, _ROOM[level], ignored)
    budget = _fitting(_ROOM[level], request.max_tokens)
    told["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return Thinking(told, budget, ignored)


def _level(effort: str, able: Abilities) -> tuple[str, Sequence[str]]:
    """Return the nearest level that a model takes, and what is to be said of it."""
    if effort == "none":
        return "", ["reasoning_effort 'none'"] if able.always else []
    level = "low" if effort == "minimal" else effort
    if level not in _ROOM:
        known = ", ".join(_ROOM)
        return "", [f"reasoning_effort {effort!r} (give one of {known})"]
    if level in (*_LEVELS, *able.levels):
        return level, []
    return "high", [f"reasoning_effort {effort!r} for this model, which thinks at 'high'"]


def _obstacle(request: Request, able: Abilities, turns: Sequence[Json]) -> str:
    """Return why a model may not think now; the provider refuses such a request."""
    choice = request.tool_choice
    if request.tools and choice is not None and choice.mode in ("required", "named"):
        return "where the model has to call a tool"
    if able.is_adaptive:
        return ""
    if request.max_tokens and request.max_tokens < 2 * _LEAST:
        return f"with fewer than {2 * _LEAST} max_tokens"
    if _goes_on_without_thought(turns):
        return "in the middle of a turn that was begun without a thought"
    return ""


def _goes_on_without_thought(turns: Sequence[Json]) -> bool:
    """Tell whether tools answer a model that did not think when its turn began."""
    begun = ""
    for turn in reversed(turns):
        match turn:
            case {"role": "assistant", "content": [{"type": str(kind)}, *_]}:
                begun = kind
            case {"content": [{"type": "tool_result"}, *_]}:
                continue
            case _:
                break
    return begun not in ("", *_THOUGHTS)


def _fitting(budget: int, max_tokens: int | None) -> int:
    return min(budget, max_tokens - _LEAST) if max_tokens else budget


def _budget(thinking: Json) -> int:
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return budget if isinstance(budget, int) and budget > 0 else 0
