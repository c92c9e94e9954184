"""Translates requests to OpenAI's Responses API, including response formats (7.3, 4.5)."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.json import Json, JsonObject
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    Role,
    ToolCallData,
    ToolResultData,
    file_name,
    inline,
    media_type,
)
from attractor.llm.providers.openai_response import MESSAGE_PROPERTIES
from attractor.llm.providers.unsupported import (
    check_instructions,
    may_support_reasoning,
    unsent_names,
    unsupported_audio,
)
from attractor.llm.request import (
    NOT_ENFORCED,
    Request,
    ResponseFormat,
    ToolChoice,
    format_instruction,
    merge_options,
)
from attractor.llm.response import Warning

_FILE_NAMES = {"application/pdf": "document.pdf", "text/plain": "document.txt"}
_FILE_NAME = "document"


def write_content(part: ContentPart, role: Role, provider: str) -> Json:
    """Return the content of a part inside a message; None for a part that is a separate item."""
    if part.text is not None:
        kind = "output_text" if role is Role.ASSISTANT else "input_text"
        return {"type": kind, "text": part.text}
    if part.audio is not None:
        raise unsupported_audio(provider)
    if part.provider_data is not None and part.provider_data.provider == provider:
        return None
    if part.image is not None:
        return write_image(part.image)
    return None if part.document is None else write_document(part.document)


def write_image(image: ImageData) -> Json:
    """Return an image by its URL or as a `data:` URL."""
    found = inline(image)
    detail = {"detail": image.detail} if image.detail else {}
    return {"type": "input_image", "image_url": found.data_url if found else image.url, **detail}


def write_document(document: DocumentData) -> Json:
    """Return a document by its URL, or its content with a name."""
    found = inline(document)
    if found is None:
        return {"type": "input_file", "file_url": document.url}
    name = file_name(document) or _FILE_NAMES.get(media_type(document), _FILE_NAME)
    return {"type": "input_file", "filename": name, "file_data": found.data_url}


NOT_ENFORCED_EVERYWHERE = "the schema has optional or open parts, which not every server enforces"
"""The warning for a schema that some servers cannot enforce."""

_NAME = "answer"
_TAKEN = frozenset(
    {
        "type",
        "title",
        "description",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    }
)


def write_format(wanted: ResponseFormat | None) -> Json:
    """Return the setting for a response format; None without a response format."""
    if wanted is None:
        return None
    if wanted.json_schema is None:
        return {"format": {"type": "json_object" if wanted.type == "json" else "text"}}
    return {"format": {"type": "json_schema", **name_schema(wanted, wanted.json_schema)}}


def name_schema(wanted: ResponseFormat, given: JsonObject) -> dict[str, Json]:
    """Return a schema with its name, and whether the provider enforces the schema."""
    strict = wanted.strict and is_enforceable(wanted)
    schema = _closed(dict(given)) if strict else dict(given)
    return {"name": _NAME, "schema": schema, "strict": strict}


def is_enforceable(wanted: ResponseFormat) -> bool:
    """Return whether OpenAI can enforce the schema.

    Every object must be closed, without optional properties, and use the known keywords only.
    """
    schema = wanted.json_schema
    return schema is not None and "anyOf" not in schema and _is_closed_deeply(dict(schema))


def _is_closed_deeply(schema: Json) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _TAKEN:
        return False
    if _is_object(schema):
        known = _object(schema.get("properties"))
        required = [name for name in _list(schema.get("required")) if isinstance(name, str)]
        # An object without properties may have any.
        is_closed = schema.get("additionalProperties", not known) is False
        if not is_closed or set(known) != set(required):
            return False
    return all(map(_is_closed_deeply, _inner(schema)))


def _closed(schema: Json) -> Json:
    """Return the schema with every object closed, as OpenAI requires."""
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    for key in ("properties", "$defs"):
        if key in closed:
            closed[key] = {name: _closed(inner) for name, inner in _object(closed[key]).items()}
    if "items" in closed:
        closed["items"] = _closed(closed["items"])
    if "anyOf" in closed:
        closed["anyOf"] = list(map(_closed, _list(closed["anyOf"])))
    return closed | {"additionalProperties": False} if _is_object(closed) else closed


def _inner(schema: JsonObject) -> Iterator[Json]:
    for key in ("properties", "$defs"):
        yield from _object(schema.get(key)).values()
    yield from _list(schema.get("anyOf"))
    if "items" in schema:
        yield schema["items"]


def _is_object(schema: JsonObject) -> bool:
    kind = schema.get("type")
    return kind == "object" or "properties" in schema or "object" in _list(kind)


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


# Other models reject requests for encrypted reasoning.
_REASONING_MODELS = re.compile(r"(gpt-[5-9](?!.*chat)|o\d|codex)")
# These models always think; later models only on request.
_ALWAYS_REASONING = re.compile(r"(gpt-5(?!\.\d)(?!.*chat)|o\d)")
_ENCRYPTED = "reasoning.encrypted_content"
_NOT_AT_ALL = "none"
_UNSUPPORTED = "unsupported_parameter"


class OpenAIRequest(NamedTuple):
    """A body to send, and warnings about dropped parts of the request."""

    body: JsonObject
    warnings: Sequence[Warning]


class _Target(NamedTuple):
    """The provider, the model, and whether the provider stores reasoning."""

    provider: str
    model: str
    stored: bool


def write_request(request: Request, *, provider: str) -> OpenAIRequest:
    """Translate a request; the provider's own options override other settings."""
    check_instructions(request.messages, provider)
    options = request.options_for(provider)
    # Not stored by default: every request contains the whole conversation.
    stored = bool(options.get("store", False))
    asked = _Target(provider, request.model, stored)
    items = [item for message in request.messages for item in _items(message, asked)]
    body: dict[str, Json] = {"model": request.model, "input": items, "store": False}
    effort, model = request.reasoning_effort, request.model
    thinks = effort and (_REASONING_MODELS.match(model) or may_support_reasoning(model, provider))
    if not thinks:
        # Models without reasoning reject this setting.
        effort = None
    given = _optional_settings(request, effort, stored)
    body |= {name: value for name, value in given.items() if value is not None}
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
                # Strict schemas do not allow optional properties.
                "strict": False,
            }
            for tool in request.tools
        ]
        choice = request.tool_choice or ToolChoice()
        body["tool_choice"] = (
            {"type": "function", "name": choice.tool_name}
            if choice.mode == "named"
            else choice.mode
        )
    return OpenAIRequest(merge_options(body, options), list(_warnings(request, effort)))


def _optional_settings(request: Request, effort: str | None, stored: bool) -> dict[str, Json]:
    system = [message.text for message in request.messages if message.role is Role.SYSTEM]
    wanted = request.response_format
    if wanted is not None and wanted.type == "json":
        # The provider requires the word JSON in the prompt for this format.
        system.append(format_instruction(wanted))
    reasons = bool(effort or _REASONING_MODELS.match(request.model))
    return {
        "instructions": "\n\n".join(system) or None,
        # Reasoning that is not stored has to be returned and sent again.
        "include": [_ENCRYPTED] if reasons and not stored else None,
        "reasoning": {"effort": effort} if effort else None,
        "max_output_tokens": request.max_tokens,
        **_sampling(request, effort),
        "metadata": dict(request.metadata) or None,
        "text": write_format(request.response_format),
    }


def _sampling(request: Request, effort: str | None) -> Mapping[str, float | None]:
    """Return temperature and top_p; models that think reject these settings."""
    thinks = effort != _NOT_AT_ALL if effort else _ALWAYS_REASONING.match(request.model)
    return {} if thinks else {"temperature": request.temperature, "top_p": request.top_p}


def _warnings(request: Request, effort: str | None) -> Iterator[Warning]:
    for name in unsent_names(request.messages):
        yield Warning(f"OpenAI's Responses API does not support {name}", _UNSUPPORTED)
    if request.stop_sequences:
        yield Warning("OpenAI's Responses API does not support stop sequences", _UNSUPPORTED)
    if request.reasoning_effort and effort is None:
        message = f"reasoning_effort is not sent: {request.model} is a model without thinking"
        yield Warning(message, _UNSUPPORTED)
    taken = _sampling(request, effort)
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is not None and name not in taken:
            yield Warning(f"OpenAI does not support {name} for a model that thinks", _UNSUPPORTED)
    wanted = request.response_format
    if wanted is not None and wanted.strict and not is_enforceable(wanted):
        message = "OpenAI cannot enforce this schema: it has optional or open parts"
        yield Warning(message, NOT_ENFORCED)


def _items(message: Message, asked: _Target) -> Iterator[Json]:
    """Yield the items of a message; tool calls, tool results and reasoning are separate items."""
    if message.role is Role.SYSTEM:
        return
    parts: list[Json] = []
    about: JsonObject = {}
    for part in message.content:
        content = write_content(part, message.role, asked.provider)
        meant = _about(part, message.role, asked.provider)
        if parts and (content is None or meant != about):
            yield {"type": "message", **about, "content": parts}
            parts = []
        if content is None:
            yield from _item(part, asked)
        else:
            parts.append(content)
            about = meant
    if parts:
        yield {"type": "message", **about, "content": parts}


def _about(part: ContentPart, role: Role, provider: str) -> JsonObject:
    """Return role and phase of the message that contains a part.

    Images and files are only allowed in messages of users.
    """
    if role is Role.TOOL or (role is Role.ASSISTANT and part.text is None):
        return {"role": Role.USER.value}
    kept = part.provider_data
    own: JsonObject = kept.item if kept is not None and kept.provider == provider else {}
    return {"role": role.value, **{key: own[key] for key in MESSAGE_PROPERTIES if key in own}}


def _item(part: ContentPart, asked: _Target) -> Iterator[Json]:
    if part.tool_call is not None:
        yield {
            "type": "function_call",
            "call_id": part.tool_call.id,
            "name": part.tool_call.name,
            "arguments": call_arguments(part.tool_call),
        }
    elif part.tool_result is not None:
        yield _result(part.tool_result)
    elif (own := part.provider_data) is not None and own.provider == asked.provider:
        item = dict(own.item)
        # Reasoning without encrypted content is looked up by the provider, and fails if it was not
        # stored. It is not valid for another model.
        is_known = bool(item.get("encrypted_content")) or asked.stored
        if part.kind != ContentKind.THINKING or (is_known and own.is_valid_for(asked.model)):
            yield item


def call_arguments(call: ToolCallData) -> str:
    """Return the arguments of a call as text."""
    given = call.arguments
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _result(result: ToolResultData) -> Json:
    text = result_text(result)
    shown: list[Json] = []
    if result.image_data is not None:
        image = ImageData(data=result.image_data, media_type=result.image_media_type)
        shown.append(write_image(image))
    if result.document is not None:
        shown.append(write_document(result.document))
    output: Json = [{"type": "input_text", "text": text}, *shown] if shown else text
    return {"type": "function_call_output", "call_id": result.tool_call_id, "output": output}


def result_text(result: ToolResultData) -> str:
    """Return the result of a tool as text."""
    content = result.content
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
