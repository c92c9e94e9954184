"""Writes a request as Anthropic's Messages API takes it (7.3)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.canonical import Json, JsonObject
from attractor.llm.errors import ConfigurationError
from attractor.llm.message import Message, Role
from attractor.llm.options import merge_options
from attractor.llm.providers.anthropic_cache import Prompt, mark_for_cache
from attractor.llm.providers.anthropic_content import write_parts
from attractor.llm.request import Request
from attractor.llm.response import Warning
from attractor.llm.response_format import NOT_ENFORCED, format_in_words
from attractor.llm.tools import ToolChoice, ToolDefinition

_MAX_TOKENS = 4096
_CACHING = "prompt-caching-2024-07-31"
# Read here, and no part of the body.
_OURS = {"beta_headers", "auto_cache"}
_MODES = {"auto": "auto", "required": "any", "named": "tool"}
_INSTRUCTIONS = {Role.SYSTEM, Role.DEVELOPER}


class Written(NamedTuple):
    """A body and headers to send, and what of the request did not fit into them."""

    body: JsonObject
    headers: Mapping[str, str]
    warnings: Sequence[Warning]


def write_request(request: Request, *, provider: str) -> Written:
    """Translate a request; the provider's own options come last and win."""
    options = request.options_for(provider)
    prompt = Prompt(_tools(request), _system(request), _turns(request.messages, provider))
    caches = options.get("auto_cache", True) is not False
    if caches:
        prompt = mark_for_cache(prompt)
    body: dict[str, Json] = {
        "model": request.model,
        "max_tokens": request.max_tokens or _MAX_TOKENS,
        "messages": prompt.messages,
    }
    if prompt.system:
        body["system"] = prompt.system
    if prompt.tools:
        body |= {"tools": prompt.tools, "tool_choice": _choice(request.tool_choice or ToolChoice())}
    own = {key: value for key, value in options.items() if key not in _OURS}
    merged = merge_options(body | _parameters(request), own)
    return Written(merged, _beta(options, caches=caches), list(_warnings(request)))


def _parameters(request: Request) -> dict[str, Json]:
    user = request.metadata.get("user_id")
    given: dict[str, Json] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stop_sequences": list(request.stop_sequences) or None,
        "metadata": {"user_id": user} if user else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _warnings(request: Request) -> Iterator[Warning]:
    ignored = [f"metadata {name!r}" for name in request.metadata if name != "user_id"]
    if request.reasoning_effort:
        ignored.append("reasoning_effort (give the option 'thinking' instead)")
    for one in ignored:
        yield Warning(f"Anthropic does not take {one}", "unsupported_parameter")
    if format_in_words(request.response_format):
        yield Warning("Anthropic is asked for JSON in words alone", NOT_ENFORCED)


def _beta(options: JsonObject, *, caches: bool) -> Mapping[str, str]:
    asked = options.get("beta_headers") or []
    names = [one for one in asked if isinstance(one, str)] if isinstance(asked, list) else []
    if not isinstance(asked, list) or len(names) < len(asked):
        raise ConfigurationError(
            "the option 'beta_headers' for anthropic is not a list of names",
            hint='write "beta_headers": ["interleaved-thinking-2025-05-14"]',
        )
    if caches:
        names.append(_CACHING)
    return {"anthropic-beta": ",".join(dict.fromkeys(names))} if names else {}


def _tools(request: Request) -> list[Json]:
    # With the choice "none" the provider wants to see no tools at all (5.3).
    if request.tool_choice is not None and request.tool_choice.mode == "none":
        return []
    return [_tool(one) for one in request.tools]


def _tool(tool: ToolDefinition) -> Json:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": dict(tool.parameters),
    }


def _choice(choice: ToolChoice) -> Json:
    named = {"name": choice.tool_name} if choice.tool_name else {}
    return {"type": _MODES[choice.mode], **named}


def _system(request: Request) -> list[Json]:
    texts = [one.text for one in request.messages if one.role in _INSTRUCTIONS]
    # The provider is asked for a form in words (4.5).
    texts.append(format_in_words(request.response_format))
    return [{"type": "text", "text": text} for text in texts if text]


def _turns(messages: Sequence[Message], provider: str) -> list[Json]:
    """Write user and assistant by turns: neighbours of one role become one message."""
    turns: list[tuple[str, list[Json]]] = []
    for message in messages:
        if message.role in _INSTRUCTIONS:
            continue
        blocks = list(write_parts(message.content, provider))
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    return [{"role": role, "content": blocks} for role, blocks in turns]
