"""Writes how hard a model is to think, as Gemini's generateContent takes it (3.6, decision 0148).

From Gemini 3 on a model is told a level, before that a number of tokens, and before 2.5 none think.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from attractor.base.json import Json
from attractor.llm.providers.gemini_content import is_older
from attractor.llm.providers.reasoning import may_reason
from attractor.llm.request import Request

_BUDGETS: Mapping[str, int] = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_BY_BUDGET = re.compile(r"(?:models/)?gemini-2\.5\b")
_NO_MINIMUM = re.compile(r"(?:models/)?gemini-[\w.]*-pro\b")
# What other providers have above the highest level here.
_ABOVE = ("xhigh", "max")


class Thinking(NamedTuple):
    """What to send, and what of the request did not fit into it."""

    config: Json = None
    ignored: Sequence[str] = ()


def write_thinking(request: Request, *, provider: str) -> Thinking:
    """Return the setting for the effort of a request; what its options say goes before it."""
    effort, model = request.reasoning_effort, request.model
    if not effort:
        return Thinking()
    if _is_told(request.options_for(provider)):
        return Thinking(ignored=["reasoning_effort beside the option 'thinkingConfig'"])
    if not _can_think(model, provider):
        return Thinking(ignored=[f"reasoning_effort for {model}, which does not think"])
    level = "high" if effort in _ABOVE else effort
    if level not in _BUDGETS:
        known = ", ".join(_BUDGETS)
        return Thinking(ignored=[f"reasoning_effort {effort!r} (give one of {known})"])
    if is_older(model):
        return _found(effort, level, {"thinkingBudget": _BUDGETS[level]})
    if level == "minimal" and _NO_MINIMUM.match(model):
        level = "low"
    return _found(effort, level, {"thinkingLevel": level})


def _found(effort: str, level: str, setting: dict[str, Json]) -> Thinking:
    lowered = [f"reasoning_effort {effort!r}, and thinks at {level!r}"] if effort != level else []
    return Thinking({**setting, "includeThoughts": True}, lowered)


def _can_think(model: str, provider: str) -> bool:
    if is_older(model) and not _BY_BUDGET.match(model):
        return False
    return may_reason(model.removeprefix("models/"), provider)


def _is_told(options: Mapping[str, Json]) -> bool:
    """Tell whether the options say themselves how hard to think: two such settings are refused."""
    config = options.get("generationConfig")
    thinking = config.get("thinkingConfig") if isinstance(config, dict) else None
    return isinstance(thinking, dict) and not thinking.keys().isdisjoint(
        ("thinkingLevel", "thinkingBudget")
    )
