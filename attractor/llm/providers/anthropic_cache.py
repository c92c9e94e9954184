"""Marks how far a prompt may be cached, for Anthropic does not do so by itself (2.10).

Four marks are allowed. They go behind what stays the same from turn to turn: the last tool, the
last system block, and the last block of the two newest user turns. The newest is where this
request's prompt is written to the cache; the one before is where the last request wrote its own.
Switch it off with the option `auto_cache = false`; a mark of your own, wherever it stands, switches
it off too.
"""

from typing import NamedTuple

from attractor.base.json import Json, JsonObject

_KEY = "cache_control"
_MARK: dict[str, Json] = {_KEY: {"type": "ephemeral"}}
_USER_TURNS = 2


class Prompt(NamedTuple):
    """The three places of a request that can be cached, in the order the provider reads them."""

    tools: list[Json]
    system: list[Json]
    messages: list[Json]


def mark_for_cache(prompt: Prompt) -> Prompt:
    """Return the prompt with its marks."""
    return Prompt(
        _marked_last(prompt.tools), _marked_last(prompt.system), _marked_turns(prompt.messages)
    )


def is_marked(body: JsonObject) -> bool:
    """Tell whether a mark stands in a request already, or it asks to be marked by the provider."""
    turns = [one.get("content") for one in _list(body.get("messages")) if isinstance(one, dict)]
    places = [body.get("tools"), body.get("system"), *turns]
    blocks = [block for place in places for block in _list(place)]
    inner = [one for block in blocks if isinstance(block, dict) for one in _results(block)]
    return _KEY in body or any(_KEY in one for one in [*blocks, *inner] if isinstance(one, dict))


def _results(block: dict[str, Json]) -> list[Json]:
    return _list(block.get("content")) if block.get("type") == "tool_result" else []


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _marked_last(blocks: list[Json]) -> list[Json]:
    return [*blocks[:-1], _marked(blocks[-1])] if blocks else []


def _marked(block: Json) -> Json:
    return block | _MARK if isinstance(block, dict) else block


def _marked_turns(messages: list[Json]) -> list[Json]:
    users = [index for index, one in enumerate(messages) if _is_user(one)]
    chosen = set(users[-_USER_TURNS:])
    return [_marked_turn(one) if index in chosen else one for index, one in enumerate(messages)]


def _is_user(message: Json) -> bool:
    return isinstance(message, dict) and message.get("role") == "user"


def _marked_turn(message: Json) -> Json:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(content, list):
        return message
    return {**message, "content": _marked_last(content)}
