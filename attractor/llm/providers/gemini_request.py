"""Translates requests to Gemini's generateContent (7.3, 7.4)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from attractor.base.json import Json, JsonObject
from attractor.llm.errors import InvalidRequestError
from attractor.llm.messages import (
    AudioData,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    Role,
    ToolResultData,
    inline,
    media_type,
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
    ToolCall,
    ToolChoice,
    ToolDefinition,
    format_instruction,
    merge_options,
)
from attractor.llm.response import Warning

_OLDER = re.compile(r"(?:models/)?gemini-[12]\b")
_SIGNATURE = "thoughtSignature"
# Documented by the provider for calls of other models, which have no valid signature.
_UNSIGNED = "skip_thought_signature_validator"
Part = dict[str, Json]


class GeminiCall(NamedTuple):
    """The name of a tool call, and the provider's id of the call, if any."""

    name: str
    own_id: str | None = None


class PartContext(NamedTuple):
    """Provider, model and calls of the conversation."""

    provider: str
    model: str
    calls: Mapping[str, GeminiCall]


def is_older(model: str) -> bool:
    """Return whether a model is older than Gemini 3."""
    return _OLDER.match(model) is not None


def find_calls(messages: Sequence[Message], provider: str) -> Mapping[str, GeminiCall]:
    """Return the tool calls of a conversation by id; tool results need the call names."""
    parts = [part for message in messages for part in message.content]
    return {
        part.tool_call.id: GeminiCall(part.tool_call.name, _own_id(_kept(part, provider)))
        for part in parts
        if part.tool_call
    }


def write_parts(parts: Sequence[ContentPart], talk: PartContext) -> Iterator[Part]:
    """Yield the translated parts."""
    for part in parts:
        kept = _valid(part, talk)
        if part.text is not None:
            # The provider rejects empty texts, but needs signed ones.
            yield from [{"text": part.text, **kept}] if part.text or kept else []
        elif part.tool_call is not None:
            call, own_id = ToolCall.from_data(part.tool_call), _own_id(kept)
            written: Part = {"name": call.name, "args": dict(call.arguments)}
            yield {**kept, "functionCall": written | ({"id": own_id} if own_id else {})}
        elif part.tool_result is not None:
            yield from _result(part.tool_result, talk)
        elif kept:
            yield kept
        elif media := part.image or part.audio or part.document:
            yield _media(media)


def sign(parts: Sequence[Part], model: str) -> Sequence[Part]:
    """Return the parts of a model's turn; if no tool call is signed, mark the first call."""
    calls = [part for part in parts if "functionCall" in part]
    if not calls or is_older(model) or any(_SIGNATURE in call for call in calls):
        return parts
    return [{**part, _SIGNATURE: _UNSIGNED} if part is calls[0] else part for part in parts]


def _kept(part: ContentPart, provider: str) -> Part:
    """Return the provider's own data of a part."""
    own = part.provider_data
    return dict(own.item) if own is not None and own.provider == provider else {}


def _valid(part: ContentPart, talk: PartContext) -> Part:
    """Return the provider's own data that is valid for the model."""
    kept, own = _kept(part, talk.provider), part.provider_data
    if own is None or own.is_valid_for(talk.model):
        return kept
    return {} if part.thinking else {key: kept[key] for key in kept if key != _SIGNATURE}


def _own_id(kept: Part) -> str | None:
    call = kept.get("functionCall")
    own_id = call.get("id") if isinstance(call, dict) else None
    return own_id if isinstance(own_id, str) else None


def _result(result: ToolResultData, talk: PartContext) -> Iterator[Part]:
    called = talk.calls.get(result.tool_call_id)
    if called is None:
        raise InvalidRequestError(
            f"missing call of the tool result {result.tool_call_id!r}: {talk.provider} requires "
            f"the name of the tool",
            provider=talk.provider,
            hint="keep the message with the call before its result",
        )
    written: Part = {"name": called.name, "response": _response(result)}
    if called.own_id:
        written["id"] = called.own_id
    shown: list[Part] = []
    if result.image_data is not None:
        shown.append(_media(ImageData(data=result.image_data, media_type=result.image_media_type)))
    if result.document is not None:
        shown.append(_media(result.document))
    # Results contain inline data only, and for older models none.
    within = [] if is_older(talk.model) else [part for part in shown if "inlineData" in part]
    if within:
        written["parts"] = list(within)
    yield {"functionResponse": written}
    yield from (part for part in shown if part not in within)


def _response(result: ToolResultData) -> Json:
    content = result.content
    if result.is_error:
        return {"error": _plain(content)}
    return dict(content) if isinstance(content, Mapping) else {"result": _plain(content)}


def _plain(content: str | JsonObject | Sequence[Json]) -> Json:
    if isinstance(content, str):
        return content
    return dict(content) if isinstance(content, Mapping) else list(content)


def _media(media: ImageData | AudioData | DocumentData) -> Part:
    found = inline(media)
    if found is None:
        return {"fileData": {"mimeType": media_type(media), "fileUri": media.url}}
    return {"inlineData": {"mimeType": found.media_type, "data": found.data}}


_BUDGETS: Mapping[str, int] = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
_BY_BUDGET = re.compile(r"(?:models/)?gemini-2\.5\b")
_NO_MINIMUM = re.compile(r"(?:models/)?gemini-[\w.]*-pro\b")
# Higher levels of other providers.
_ABOVE = ("xhigh", "max")


class Thinking(NamedTuple):
    """The setting to send, and the ignored settings."""

    config: Json = None
    ignored: Sequence[str] = ()


def write_thinking(request: Request, *, provider: str) -> Thinking:
    """Return the setting for the reasoning effort; the provider's options override the setting."""
    effort, model = request.reasoning_effort, request.model
    if not effort:
        return Thinking()
    if _sets_thinking(request.options_for(provider)):
        return Thinking(ignored=["reasoning_effort together with the option 'thinkingConfig'"])
    is_without = is_older(model) and not _BY_BUDGET.match(model)
    if is_without or not may_support_reasoning(model.removeprefix("models/"), provider):
        return Thinking(ignored=[f"reasoning_effort for {model}, a model without thinking"])
    level = "high" if effort in _ABOVE else effort
    if level not in _BUDGETS:
        known = ", ".join(_BUDGETS)
        return Thinking(ignored=[f"reasoning_effort {effort!r} (use one of {known})"])
    if is_older(model):
        return _found(effort, level, {"thinkingBudget": _BUDGETS[level]})
    if level == "minimal" and _NO_MINIMUM.match(model):
        level = "low"
    return _found(effort, level, {"thinkingLevel": level})


def _found(effort: str, level: str, setting: dict[str, Json]) -> Thinking:
    lowered = [f"reasoning_effort {effort!r} (used: {level!r})"] if effort != level else []
    return Thinking({**setting, "includeThoughts": True}, lowered)


def _sets_thinking(options: Mapping[str, Json]) -> bool:
    """Return whether the options set thinking; the provider rejects a second such setting."""
    config = options.get("generationConfig")
    thinking = config.get("thinkingConfig") if isinstance(config, dict) else None
    return isinstance(thinking, dict) and not thinking.keys().isdisjoint(
        ("thinkingLevel", "thinkingBudget")
    )


_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
# JSON schema keywords that the provider's own schema format supports.
_PLAIN = frozenset(
    {
        "type",
        "format",
        "title",
        "description",
        "nullable",
        "enum",
        "items",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "minProperties",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "example",
        "anyOf",
        "default",
        "minimum",
        "maximum",
    }
)
# Keywords of a schema without parameters, and those that may allow some.
_ALLOWING = ("properties", "additionalProperties")
_BARE = frozenset({"type", "title", "description", "required", *_ALLOWING})


def write_tools(tools: Sequence[ToolDefinition]) -> Json:
    """Return the declarations of tools."""
    declarations: list[Json] = [
        {"name": tool.name, "description": tool.description, **_parameters(tool.parameters)}
        for tool in tools
    ]
    return [{"functionDeclarations": declarations}]


def write_choice(choice: ToolChoice) -> Json:
    """Return the setting for a tool choice."""
    named: dict[str, Json] = (
        {"allowedFunctionNames": [choice.tool_name]} if choice.tool_name else {}
    )
    return {"functionCallingConfig": {"mode": _MODES[choice.mode], **named}}


def write_schema(schema: JsonObject) -> dict[str, Json]:
    """Return the setting for a schema, in the provider's own schema format if possible."""
    return {"responseSchema" if _is_plain(dict(schema)) else "responseJsonSchema": dict(schema)}


def _parameters(schema: JsonObject) -> dict[str, Json]:
    """Return a schema in the provider's own schema format if possible, otherwise as JSON schema."""
    if schema.keys() <= _BARE and not any(map(schema.get, _ALLOWING)):
        # An object without properties is rejected, a tool without parameters is not.
        return {}
    key = "parameters" if _is_plain(dict(schema)) else "parametersJsonSchema"
    return {key: dict(schema)}


def _is_plain(schema: Json) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _PLAIN:
        return False
    values = schema.get("enum", [])
    if not isinstance(schema.get("type", ""), str) or not isinstance(values, list):
        return False
    if not all(isinstance(value, str) for value in values):
        return False
    # Empty objects are rejected at any depth.
    is_empty = schema.get("type") == "object" and not schema.get("properties")
    return not is_empty and all(map(_is_plain, _inner(schema)))


def _inner(schema: dict[str, Json]) -> Iterator[Json]:
    properties, others = schema.get("properties", {}), schema.get("anyOf", [])
    yield from properties.values() if isinstance(properties, dict) else [properties]
    yield from others if isinstance(others, list) else [others]
    if "items" in schema:
        yield schema["items"]


class GeminiRequest(NamedTuple):
    """A path and a body to send, and warnings about dropped parts of the request."""

    path: str
    body: JsonObject
    warnings: Sequence[Warning]


def write_request(request: Request, *, provider: str) -> GeminiRequest:
    """Translate a request; the provider's own options override other settings."""
    check_instructions(request.messages, provider)
    body: dict[str, Json] = {"contents": _contents(request, provider)}
    messages = request.messages
    system = [said.text for said in messages if said.role in INSTRUCTIONS and said.text]
    if not _takes_format(request) and (asked := format_instruction(request.response_format)):
        system.append(asked)
    if system:
        parts: list[Json] = [{"text": text} for text in system]
        body["systemInstruction"] = {"parts": parts}
    if request.tools:
        body["tools"] = write_tools(request.tools)
        body["toolConfig"] = write_choice(request.tool_choice or ToolChoice())
    thinking = write_thinking(request, provider=provider)
    given: dict[str, Json] = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "maxOutputTokens": request.max_tokens,
        "stopSequences": list(request.stop_sequences) or None,
        "thinkingConfig": thinking.config,
        **_format(request),
    }
    config: dict[str, Json] = {name: value for name, value in given.items() if value is not None}
    if config:
        body["generationConfig"] = config
    merged = merge_options(body, request.options_for(provider))
    # Tuned models have other prefixes.
    model = request.model if "/" in request.model else f"models/{request.model}"
    path = f"{quote(model)}:generateContent"
    return GeminiRequest(path, merged, list(_warnings(request, thinking.ignored)))


def _takes_format(request: Request) -> bool:
    """Return whether the model accepts a response format.

    Older models reject a request with both a response format and tools.
    """
    return not (request.tools and is_older(request.model))


def _format(request: Request) -> dict[str, Json]:
    wanted = request.response_format
    if wanted is None or wanted.type == "text" or not _takes_format(request):
        return {}
    schema = write_schema(wanted.json_schema) if wanted.json_schema else {}
    return {"responseMimeType": "application/json", **schema}


def _warnings(request: Request, ignored: Sequence[str]) -> Iterator[Warning]:
    metadata = [f"metadata {name!r}" for name in request.metadata]
    for name in [*metadata, *ignored, *_file_names(request), *unsent_names(request.messages)]:
        yield Warning(f"Gemini does not support {name}", "unsupported_parameter")
    if not _takes_format(request) and format_instruction(request.response_format):
        message = (
            "JSON is requested in the prompt, because models before Gemini 3 reject a format "
            "with tools"
        )
        yield Warning(message, NOT_ENFORCED)


def _file_names(request: Request) -> Iterator[str]:
    parts = [part for message in request.messages for part in message.content]
    documents = [
        part.document or (part.tool_result and part.tool_result.document) for part in parts
    ]
    names = [document.file_name for document in documents if document]
    yield from (f"the file_name {name!r} of a document" for name in names if name)


def _contents(request: Request, provider: str) -> list[Json]:
    """Return the turns of a conversation; adjacent messages of the same role are one turn."""
    messages = [message for message in request.messages if message.role not in INSTRUCTIONS]
    talk = PartContext(provider, request.model, find_calls(messages, provider))
    turns: list[tuple[Role, list[Part]]] = []
    for message in messages:
        parts = list(write_parts(message.content, talk))
        if turns and turns[-1][0] is message.role:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((message.role, parts))
    return [
        {"role": "model", "parts": list(sign(parts, request.model))}
        if role is Role.ASSISTANT
        else {"role": "user", "parts": list(parts)}
        for role, parts in turns
    ]
