"""Translates requests to Anthropic's Messages API: thinking, sampling and settings (7.3)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.json import Json, JsonObject
from attractor.llm.errors import ConfigurationError
from attractor.llm.providers.anthropic_content import (
    Prompt,
    is_marked,
    mark_for_cache,
    write_parts,
    write_turns,
)
from attractor.llm.providers.unsupported import (
    INSTRUCTIONS,
    check_instructions,
    may_support_reasoning,
    unsent_names,
)
from attractor.llm.request import (
    NOT_ENFORCED,
    Request,
    ToolChoice,
    format_instruction,
    merge_options,
)
from attractor.llm.response import Warning

_VERSION = re.compile(r"(?<!\d)([1-9]\d?)(?!\d)(?:[.-](\d{1,2})(?![\da-z]))?")
_THINKING, _ADAPTIVE, _XHIGH, _ALWAYS = (3, 7), (4, 6), (4, 7), (5, 0)
# The one model with both effort levels and a token budget.
_BOTH, _BOTH_FAMILY = (4, 5), "opus"
_LEVELS = ("low", "medium", "high")
# Tokens for thinking. The tokens for the answer are added, because max_tokens limits both.
_ROOM = {"low": 1024, "medium": 8192, "high": 24576, "xhigh": 49152, "max": 49152}
# Minimum for thinking, and for the answer.
_LEAST = 1024
_THOUGHTS = ("thinking", "redacted_thinking")


class ThinkingSupport(NamedTuple):
    """How a model thinks: adaptively, always, by effort levels, or with a token budget."""

    is_adaptive: bool = False
    always: bool = False
    levels: Sequence[str] = ()
    has_budget: bool = False


class Thinking(NamedTuple):
    """The fields to send, the additional tokens for thinking, and the ignored settings."""

    fields: JsonObject = {}
    room: int = 0
    ignored: Sequence[str] = ()


def model_version(model: str) -> tuple[int, int] | None:
    """Return the version in a model name, if any."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def thinking_support(model: str) -> ThinkingSupport:
    """Return how a model thinks; a name without a version is treated as a new model."""
    version = model_version(model)
    if version is None or version >= _XHIGH:
        always = version is None or version >= _ALWAYS
        return ThinkingSupport(is_adaptive=True, always=always, levels=(*_LEVELS, "xhigh", "max"))
    if version >= _ADAPTIVE:
        return ThinkingSupport(is_adaptive=True, levels=(*_LEVELS, "max"))
    if version == _BOTH and _BOTH_FAMILY in model:
        return ThinkingSupport(levels=_LEVELS, has_budget=True)
    return ThinkingSupport(has_budget=version >= _THINKING)


def write_thinking(request: Request, turns: Sequence[Json], *, provider: str) -> Thinking:
    """Return the settings for the reasoning effort.

    The provider's options override the settings.
    """
    own = request.options_for(provider).get("thinking")
    effort = request.reasoning_effort
    if not effort:
        return Thinking(room=_budget(own))
    able = thinking_support(request.model)
    if not (able.is_adaptive or able.has_budget) or not may_support_reasoning(
        request.model, provider
    ):
        return Thinking(ignored=[f"reasoning_effort for {request.model}, a model without thinking"])
    level, ignored = _level(effort, able)
    if not level:
        return Thinking(room=_budget(own), ignored=ignored)
    fields: dict[str, Json] = {"output_config": {"effort": level}} if level in able.levels else {}
    if own is not None:
        beside = [] if fields else ["reasoning_effort together with the option 'thinking'"]
        return Thinking(fields, _budget(own), [*ignored, *beside])
    if why := _obstacle(request, able, turns):
        return Thinking(fields, 0, [*ignored, f"thinking (reasoning_effort {effort!r}) {why}"])
    if able.is_adaptive:
        # By default the newest models show no thinking.
        fields["thinking"] = {"type": "adaptive", "display": "summarized"}
        return Thinking(fields, _ROOM[level], ignored)
    budget = _ROOM[level]
    if request.max_tokens:
        budget = min(budget, request.max_tokens - _LEAST)
    fields["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return Thinking(fields, budget, ignored)


def _level(effort: str, able: ThinkingSupport) -> tuple[str, Sequence[str]]:
    """Return the nearest supported level, and ignored settings."""
    if effort == "none":
        return "", ["reasoning_effort 'none'"] if able.always else []
    level = "low" if effort == "minimal" else effort
    if level not in _ROOM:
        known = ", ".join(_ROOM)
        return "", [f"reasoning_effort {effort!r} (use one of {known})"]
    if level in (*_LEVELS, *able.levels):
        return level, []
    return "high", [f"reasoning_effort {effort!r} for this model (used: 'high')"]


def _obstacle(request: Request, able: ThinkingSupport, turns: Sequence[Json]) -> str:
    """Return the reason why the provider would reject thinking; empty if thinking is accepted."""
    choice = request.tool_choice
    if request.tools and choice is not None and choice.mode in ("required", "named"):
        return "with a required tool call"
    if able.is_adaptive:
        return ""
    if request.max_tokens and request.max_tokens < 2 * _LEAST:
        return f"with fewer than {2 * _LEAST} max_tokens"
    if _continues_without_thinking(turns):
        return "in a turn that began without thinking"
    return ""


def _continues_without_thinking(turns: Sequence[Json]) -> bool:
    """Return whether the last turn of tool calls began without thinking."""
    started = ""
    for turn in reversed(turns):
        match turn:
            case {"role": "assistant", "content": [{"type": str(kind)}, *_]}:
                started = kind
            case {"content": [{"type": "tool_result"}, *_]}:
                continue
            case _:
                break
    return started not in ("", *_THOUGHTS)


def _budget(thinking: Json) -> int:
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return budget if isinstance(budget, int) and budget > 0 else 0


# Newer models accept only one of temperature and top_p; the newest models accept neither.
_ONE_OF_TWO, _NONE = (4, 1), (4, 7)
_USUAL = 1
# Accepted while the model thinks.
_NEARLY_ALL = 0.95
_MEANWHILE = "while the model thinks"


class Sampling(NamedTuple):
    """The fields to send, and the ignored settings."""

    fields: dict[str, Json]
    ignored: list[str]


def write_sampling(request: Request, *, thinks: bool) -> Sampling:
    """Return temperature and top_p; omit a setting that the provider would reject."""
    given = {"temperature": request.temperature, "top_p": request.top_p}
    asked = {name: value for name, value in given.items() if value is not None}
    ignored = dict(_refused(request, asked, thinks=thinks))
    fields: dict[str, Json] = {name: asked[name] for name in asked if name not in ignored}
    return Sampling(fields, [f"{name} {why}" for name, why in ignored.items()])


def _refused(
    request: Request, asked: dict[str, float], *, thinks: bool
) -> Iterator[tuple[str, str]]:
    version = model_version(request.model) or (0, 0)
    unusual = {name for name, value in asked.items() if value != _USUAL}
    if version >= _NONE:
        yield from ((name, f"for {request.model}") for name in sorted(unusual))
        return
    left = asked.keys() - (unusual & {"temperature"} if thinks else ())
    if "temperature" not in left and "temperature" in asked:
        yield "temperature", _MEANWHILE
    if thinks and asked.get("top_p", _USUAL) < _NEARLY_ALL:
        yield "top_p", _MEANWHILE
    elif version >= _ONE_OF_TWO and len(left) > 1:
        yield "top_p", "together with temperature"


_MAX_TOKENS = 4096
_CACHING = "prompt-caching-2024-07-31"
# Options that are not part of the body.
_OURS = {"beta_headers", "auto_cache"}
_MODES = {"auto": "auto", "none": "none", "required": "any", "named": "tool"}


class AnthropicRequest(NamedTuple):
    """A body and headers to send, and warnings about dropped parts of the request."""

    body: JsonObject
    headers: Mapping[str, str]
    warnings: Sequence[Warning]


def write_request(request: Request, *, provider: str, betas: str = "") -> AnthropicRequest:
    """Translate a request; the provider's own options override other settings."""
    check_instructions(request.messages, provider)
    options = request.options_for(provider)
    own = {key: value for key, value in options.items() if key not in _OURS}
    turns = write_turns(request.messages, provider, request.model)
    prompt = Prompt(_tools(request), _system(request, provider), turns)
    thinking = write_thinking(request, prompt.messages, provider=provider)
    mode = {**thinking.fields, **own}.get("thinking")
    thinks = isinstance(mode, dict) and mode.get("type") in ("adaptive", "enabled")
    sampling = write_sampling(request, thinks=thinks)
    user = request.metadata.get("user_id")
    given: dict[str, Json] = {
        # The limit includes thinking, which must not use up the tokens of the answer.
        "max_tokens": request.max_tokens or _MAX_TOKENS + thinking.room,
        "stop_sequences": list(request.stop_sequences) or None,
        "metadata": {"user_id": user} if user else None,
        **thinking.fields,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    settings |= sampling.fields
    merged = merge_options(_body(request, prompt) | settings, own)
    if options.get("auto_cache", True) is not False and not is_marked(merged):
        merged = merge_options(_body(request, mark_for_cache(prompt)) | settings, own)
    ignored = [*thinking.ignored, *sampling.ignored]
    return AnthropicRequest(
        merged, _beta(betas, options, merged), list(_warnings(request, ignored))
    )


def _body(request: Request, prompt: Prompt) -> dict[str, Json]:
    body: dict[str, Json] = {"model": request.model, "messages": prompt.messages}
    if prompt.system:
        body["system"] = prompt.system
    if prompt.tools:
        choice = request.tool_choice or ToolChoice()
        named = {"name": choice.tool_name} if choice.tool_name else {}
        body |= {"tools": prompt.tools, "tool_choice": {"type": _MODES[choice.mode], **named}}
    return body


def _warnings(request: Request, ignored: Sequence[str]) -> Iterator[Warning]:
    metadata = [f"metadata {name!r}" for name in request.metadata if name != "user_id"]
    for name in [*metadata, *ignored, *unsent_names(request.messages)]:
        yield Warning(f"Anthropic does not support {name}", "unsupported_parameter")
    if format_instruction(request.response_format):
        yield Warning(
            "Anthropic does not enforce JSON: the format is requested in the prompt", NOT_ENFORCED
        )


def _beta(always: str, options: JsonObject, body: JsonObject) -> Mapping[str, str]:
    asked = options.get("beta_headers") or []
    names = [name for name in asked if isinstance(name, str)] if isinstance(asked, list) else []
    if not isinstance(asked, list) or len(names) < len(asked):
        raise ConfigurationError(
            "invalid option 'beta_headers' for anthropic: not a list of names",
            hint='write "beta_headers": ["interleaved-thinking-2025-05-14"]',
        )
    caching = [_CACHING] if is_marked(body) else []
    known = map(str.strip, always.split(","))
    joined = dict.fromkeys(filter(None, [*known, *names, *caching]))
    return {"anthropic-beta": ",".join(joined)} if joined else {}


def _tools(request: Request) -> list[Json]:
    # With the choice "none" no tools are sent (5.3), but the provider rejects calls of tools that
    # are not sent.
    if request.tool_choice is not None and request.tool_choice.mode == "none":
        parts = [part for message in request.messages for part in message.content]
        if not any(part.tool_call or part.tool_result for part in parts):
            return []
    return [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": dict(tool.parameters),
        }
        for tool in request.tools
    ]


def _system(request: Request, provider: str) -> list[Json]:
    blocks = [
        block
        for message in request.messages
        if message.role in INSTRUCTIONS
        for block in write_parts(message.content, message.role, provider, request.model)
    ]
    # The format is requested in the prompt (4.5).
    asked = format_instruction(request.response_format)
    return [*blocks, {"type": "text", "text": asked}] if asked else blocks
