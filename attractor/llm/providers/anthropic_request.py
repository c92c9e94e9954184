"""Writes a request as Anthropic's Messages API takes it (7.3)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.json import Json, JsonObject
from attractor.llm.errors import ConfigurationError
from attractor.llm.options import merge_options
from attractor.llm.providers.anthropic_cache import Prompt, is_marked, mark_for_cache
from attractor.llm.providers.anthropic_content import write_parts
from attractor.llm.providers.anthropic_sampling import write_sampling
from attractor.llm.providers.anthropic_thinking import Thinking, write_thinking
from attractor.llm.providers.anthropic_turns import write_turns
from attractor.llm.providers.names import untold_names
from attractor.llm.providers.refusals import INSTRUCTIONS, check_instructions
from attractor.llm.request import Request
from attractor.llm.response import Warning
from attractor.llm.response_format import NOT_ENFORCED, format_in_words
from attractor.llm.tools import ToolChoice, ToolDefinition

_MAX_TOKENS = 4096
_CACHING = "prompt-caching-2024-07-31"
# Read here, and no part of the body.
_OURS = {"beta_headers", "auto_cache"}
_MODES = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}


class Written(NamedTuple):
    """A body and headers to send, and what of the request did not fit into them."""

    body: JsonObject
    headers: Mapping[str, str]
    warnings: Sequence[Warning]


def write_request(request: Request, *, provider: str, betas: str = "") -> Written:
    """Translate a request; the provider's own options come last and win."""
    check_instructions(request.messages, provider)
    options = request.options_for(provider)
    own = {key: value for key, value in options.items() if key not in _OURS}
    turns = write_turns(request.messages, provider, request.model)
    prompt = Prompt(_tools(request), _system(request, provider), turns)
    thinking = write_thinking(request, prompt.messages, provider=provider)
    thinks = _thinks({**thinking.fields, **own}.get("thinking"))
    sampling = write_sampling(request, thinks=thinks)
    settings = _settings(request, thinking) | sampling.fields
    merged = merge_options(_body(request, prompt) | settings, own)
    if options.get("auto_cache", True) is not False and not is_marked(merged):
        merged = merge_options(_body(request, mark_for_cache(prompt)) | settings, own)
    ignored = [*thinking.ignored, *sampling.ignored]
    return Written(merged, _beta(betas, options, merged), list(_warnings(request, ignored)))


def _body(request: Request, prompt: Prompt) -> dict[str, Json]:
    body: dict[str, Json] = {"model": request.model, "messages": prompt.messages}
    if prompt.system:
        body["system"] = prompt.system
    if prompt.tools:
        body |= {"tools": prompt.tools, "tool_choice": _choice(request.tool_choice or ToolChoice())}
    return body


def _thinks(thinking: Json) -> bool:
    return isinstance(thinking, dict) and thinking.get("type") in ("adaptive", "enabled")


def _settings(request: Request, thinking: Thinking) -> dict[str, Json]:
    user = request.metadata.get("user_id")
    given: dict[str, Json] = {
        # It counts thoughts too, and they are not to take the room of the answer.
        "max_tokens": request.max_tokens or _MAX_TOKENS + thinking.room,
        "stop_sequences": list(request.stop_sequences) or None,
        "metadata": {"user_id": user} if user else None,
        **thinking.fields,
    }
    return {name: value for name, value in given.items() if value is not None}


def _warnings(request: Request, ignored: Sequence[str]) -> Iterator[Warning]:
    metadata = [f"metadata {name!r}" for name in request.metadata if name != "user_id"]
    for one in [*metadata, *ignored, *untold_names(request.messages)]:
        yield Warning(f"Anthropic does not take {one}", "unsupported_parameter")
    if format_in_words(request.response_format):
        yield Warning("Anthropic is asked for JSON in words alone", NOT_ENFORCED)


def _beta(always: str, options: JsonObject, body: JsonObject) -> Mapping[str, str]:
    asked = options.get("beta_headers") or []
    names = [one for one in asked if isinstance(one, str)] if isinstance(asked, list) else []
    if not isinstance(asked, list) or len(names) < len(asked):
        raise ConfigurationError(
            "the option 'beta_headers' for anthropic is not a list of names",
            hint='write "beta_headers": ["interleaved-thinking-2025-05-14"]',
        )
    caching = [_CACHING] if is_marked(body) else []
    known = [one.strip() for one in always.split(",")]
    joined = dict.fromkeys(filter(None, [*known, *names, *caching]))
    return {"anthropic-beta": ",".join(joined)} if joined else {}


def _tools(request: Request) -> list[Json]:
    # With the choice "none" the provider is to see no tools at all (5.3), but it refuses calls of
    # tools that it does not see.
    if request.tool_choice is not None and request.tool_choice.mode == "none":
        parts = [part for message in request.messages for part in message.content]
        if not any(part.tool_call or part.tool_result for part in parts):
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


def _system(request: Request, provider: str) -> list[Json]:
    said = [one for one in request.messages if one.role in INSTRUCTIONS]
    blocks = [
        block
        for one in said
        for block in write_parts(one.content, one.role, provider, request.model)
    ]
    # The provider is asked for a form in words (4.5).
    asked = format_in_words(request.response_format)
    return [*blocks, {"type": "text", "text": asked}] if asked else blocks
