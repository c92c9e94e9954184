"""Hands a tool's handler its arguments as it wants them, and what it asks for besides (5.2)."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import Parameter

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.abort import AbortSignal
from attractor.llm.message import Message
from attractor.llm.tools import Tool

_IN_ORDER = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Injected:
    """What a handler is given when it has a parameter of that name."""

    messages: Sequence[Message]
    abort_signal: AbortSignal
    tool_call_id: str

    def wanted_by(self, names: Mapping[str, Parameter]) -> Mapping[str, object]:
        """Return what those parameters ask for."""
        return {name: value for name, value in vars(self).items() if name in names}


def bind(tool: Tool, arguments: JsonObject, injected: Injected) -> "partial[object]":
    """Return the call of a tool's handler with all that belongs to it."""
    if tool.execute is None:
        raise TypeError(f"nothing executes the tool {tool.name}")
    wanted = _parameters(tool.execute)
    known = _properties(tool)
    # What the tool takes from the model is the model's to give, whatever it is called.
    free = {name: one for name, one in wanted.items() if name not in known and one.kind in _BY_NAME}
    extra = injected.wanted_by(free)
    rest = [one for name, one in wanted.items() if name not in extra]
    if _takes_all_at_once(rest, known):
        return partial(tool.execute, dict(arguments), **extra)
    return partial(tool.execute, **{**arguments, **extra})


def _takes_all_at_once(wanted: Sequence[Parameter], known: JsonObject) -> bool:
    """Say whether a handler takes one mapping: one parameter that is no argument of the tool."""
    needed = [one for one in wanted if one.default is one.empty]
    if len(needed) != 1 or any(one.name in known for one in wanted):
        return False
    return needed[0].kind in _IN_ORDER


def _parameters(handler: Callable[..., object]) -> Mapping[str, Parameter]:
    try:
        return inspect.signature(handler).parameters
    except (TypeError, ValueError):
        # Some that are written in C do not tell; they are given the arguments by name.
        return {}


def _properties(tool: Tool) -> JsonObject:
    found = tool.parameters.get("properties")
    return found if isinstance(found, Mapping) else {}
