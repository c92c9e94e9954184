"""Writes a request as OpenAI's Responses API takes it (7.3).

Writes what is said in a message as OpenAI's Responses API takes it (7.3).

Writes the form of an answer as OpenAI takes it, and whoever speaks as OpenAI does (4.5).

Held to a schema is a model only where every object of the schema is closed and has no optional
properties, and where no other words than these are in it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.json import Json, JsonObject
from attractor.llm.media import file_name, inline, media_type
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    Role,
    ToolCallData,
    ToolResultData,
)
from attractor.llm.providers.openai_response import OF_MESSAGES
from attractor.llm.providers.unsupported import (
    check_instructions,
    may_reason,
    no_audio,
    untold_names,
)
from attractor.llm.request import (
    NOT_ENFORCED,
    Request,
    ResponseFormat,
    format_instruction,
    merge_options,
)
from attractor.llm.response import Warning
from attractor.llm.tools import ToolChoice, ToolDefinition

_FILE_NAMES = {"application/pdf": "document.pdf", "text/plain": "document.txt"}
_FILE_NAME = "document"


def write_content(part: ContentPart, role: Role, provider: str) -> Json:
    """Return what stands inside a message, None for what stands beside it."""
    if part.text is not None:
        kind = "output_text" if role is Role.ASSISTANT else "input_text"
        return {"type": kind, "text": part.text}
    if part.audio is not None:
        raise no_audio(provider)
    if part.provider_data is not None and part.provider_data.provider == provider:
        return None
    if part.image is not None:
        return write_image(part.image)
    return None if part.document is None else write_document(part.document)


def write_image(image: ImageData) -> Json:
    """Return an image, by its address or in a `data:` address."""
    found = inline(image)
    detail = {"detail": image.detail} if image.detail else {}
    return {"type": "input_image", "image_url": found.data_url if found else image.url, **detail}


def write_document(document: DocumentData) -> Json:
    """Return a document: one that is sent along needs a name, one that is fetched has one."""
    found = inline(document)
    if found is None:
        return {"type": "input_file", "file_url": document.url}
    name = file_name(document) or _FILE_NAMES.get(media_type(document), _FILE_NAME)
    return {"type": "input_file", "filename": name, "file_data": found.data_url}


NOT_EVERYWHERE_HELD = (
    "the schema has optional or open parts, so not every server holds the model to it"
)
"""What is to be told where some take a schema that `held_to_schema` says others refuse."""

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
    """Return the setting for a form, None where nobody asked for one."""
    if wanted is None:
        return None
    if wanted.json_schema is None:
        return {"format": {"type": "json_object" if wanted.type == "json" else "text"}}
    return {"format": {"type": "json_schema", **name_schema(wanted, wanted.json_schema)}}


def name_schema(wanted: ResponseFormat, given: JsonObject) -> dict[str, Json]:
    """Return a schema with its name, and whether a model is to be held to it."""
    strict = wanted.strict and held_to_schema(wanted)
    schema = _closed(dict(given)) if strict else dict(given)
    return {"name": _NAME, "schema": schema, "strict": strict}


def held_to_schema(wanted: ResponseFormat) -> bool:
    """Say whether the provider can hold a model to the schema."""
    schema = wanted.json_schema
    return schema is not None and "anyOf" not in schema and _can_be_held(dict(schema))


def _can_be_held(schema: Json) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _TAKEN:
        return False
    if _is_object(schema) and not _is_fixed(schema):
        return False
    return all(_can_be_held(one) for one in _inner(schema))


def _is_fixed(schema: JsonObject) -> bool:
    """Say whether an object has the same properties always: none may be left out or be added."""
    known = _object(schema.get("properties"))
    # Where none is named, any may be meant.
    is_closed = schema.get("additionalProperties", not known) is False
    return is_closed and set(known) == set(_texts(schema.get("required")))


def _closed(schema: Json) -> Json:
    """Close every object: what has no further properties is as the schema wants it in any case."""
    if not isinstance(schema, dict):
        return schema
    closed = dict(schema)
    for key in ("properties", "$defs"):
        if key in closed:
            closed[key] = {name: _closed(one) for name, one in _object(closed[key]).items()}
    if "items" in closed:
        closed["items"] = _closed(closed["items"])
    if "anyOf" in closed:
        closed["anyOf"] = [_closed(one) for one in _list(closed["anyOf"])]
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


def _texts(value: Json) -> list[str]:
    return [one for one in _list(value) if isinstance(one, str)]


# Other models refuse to be asked for encrypted reasoning.
_REASONING_MODELS = re.compile(r"(gpt-[5-9](?!.*chat)|o\d|codex)")
# Of them these think in any case; later ones only when they are asked to.
_ALWAYS_REASONING = re.compile(r"(gpt-5(?!\.\d)(?!.*chat)|o\d)")
_ENCRYPTED = "reasoning.encrypted_content"
_NOT_AT_ALL = "none"
_UNSUPPORTED = "unsupported_parameter"


class OpenAIRequest(NamedTuple):
    """A body to send, and what of the request did not fit into it."""

    body: JsonObject
    warnings: Sequence[Warning]


class _Asked(NamedTuple):
    """Who is asked, and whether the provider keeps what its models think."""

    provider: str
    model: str
    stored: bool


def write_request(request: Request, *, provider: str) -> OpenAIRequest:
    """Translate a request; the provider's own options come last and win."""
    check_instructions(request.messages, provider)
    options = request.options_for(provider)
    # Nothing is kept at the provider: every request holds the conversation whole.
    stored = bool(options.get("store", False))
    asked = _Asked(provider, request.model, stored)
    items = [item for one in request.messages for item in _items(one, asked)]
    body: dict[str, Json] = {"model": request.model, "input": items, "store": False}
    effort = _effort(request, provider)
    given = _given(request, effort, stored)
    body |= {name: value for name, value in given.items() if value is not None}
    if request.tools:
        body["tools"] = [_tool(one) for one in request.tools]
        body["tool_choice"] = _choice(request.tool_choice or ToolChoice())
    return OpenAIRequest(merge_options(body, options), list(_warnings(request, effort)))


def _given(request: Request, effort: str | None, stored: bool) -> dict[str, Json]:
    system = [one.text for one in request.messages if one.role is Role.SYSTEM]
    wanted = request.response_format
    if wanted is not None and wanted.type == "json":
        # Without a word of JSON in the request the provider refuses this form.
        system.append(format_instruction(wanted))
    reasons = bool(effort or _REASONING_MODELS.match(request.model))
    return {
        "instructions": "\n\n".join(system) or None,
        # What the model thought and nobody stores has to come back to be handed in again.
        "include": [_ENCRYPTED] if reasons and not stored else None,
        "reasoning": {"effort": effort} if effort else None,
        "max_output_tokens": request.max_tokens,
        **_sampling(request, effort),
        "metadata": dict(request.metadata) or None,
        "text": write_format(request.response_format),
    }


def _effort(request: Request, provider: str) -> str | None:
    """Return how hard to think, for a model that thinks: any other one refuses to be asked."""
    effort, model = request.reasoning_effort, request.model
    thinks = effort and (_REASONING_MODELS.match(model) or may_reason(model, provider))
    return effort if thinks else None


def _sampling(request: Request, effort: str | None) -> Mapping[str, float | None]:
    """Return how freely words are chosen; a model that thinks refuses to be told."""
    thinks = effort != _NOT_AT_ALL if effort else _ALWAYS_REASONING.match(request.model)
    return {} if thinks else {"temperature": request.temperature, "top_p": request.top_p}


def _warnings(request: Request, effort: str | None) -> Iterator[Warning]:
    for one in untold_names(request.messages):
        yield Warning(f"OpenAI's Responses API does not take {one}", _UNSUPPORTED)
    if request.stop_sequences:
        yield Warning("OpenAI's Responses API knows no stop sequences", _UNSUPPORTED)
    if request.reasoning_effort and effort is None:
        told = f"{request.model} does not think, and is not told the reasoning_effort"
        yield Warning(told, _UNSUPPORTED)
    taken = _sampling(request, effort)
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is not None and name not in taken:
            yield Warning(f"OpenAI takes no {name} for a model that thinks", _UNSUPPORTED)
    wanted = request.response_format
    if wanted is not None and wanted.strict and not held_to_schema(wanted):
        told = "OpenAI cannot hold the model to this schema: it has optional or open parts"
        yield Warning(told, NOT_ENFORCED)


def _tool(tool: ToolDefinition) -> Json:
    # Not strict: strict schemas allow no optional properties.
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
        "strict": False,
    }


def _choice(choice: ToolChoice) -> Json:
    if choice.mode == "named":
        return {"type": "function", "name": choice.tool_name}
    return choice.mode


def _items(message: Message, asked: _Asked) -> Iterator[Json]:
    """Yield a message's items: calls, results and reasoning stand beside messages, not in them."""
    if message.role is Role.SYSTEM:
        return
    said: list[Json] = []
    about: JsonObject = {}
    for part in message.content:
        content = write_content(part, message.role, asked.provider)
        meant = _about(part, message.role, asked.provider)
        if said and (content is None or meant != about):
            yield {"type": "message", **about, "content": said}
            said = []
        if content is None:
            yield from _item(part, asked)
        else:
            said.append(content)
            about = meant
    if said:
        yield {"type": "message", **about, "content": said}


def _about(part: ContentPart, role: Role, provider: str) -> JsonObject:
    """Return what is said of a message that holds a part: by whom, and at what stage of the work.

    Only users show something: neither a model nor a tool has messages with images or files in them.
    """
    if role is Role.TOOL or (role is Role.ASSISTANT and part.text is None):
        return {"role": Role.USER.value}
    kept = part.provider_data
    own: JsonObject = kept.item if kept is not None and kept.provider == provider else {}
    return {"role": role.value, **{key: own[key] for key in OF_MESSAGES if key in own}}


def _item(part: ContentPart, asked: _Asked) -> Iterator[Json]:
    if part.tool_call is not None:
        yield _call(part.tool_call)
    elif part.tool_result is not None:
        yield _result(part.tool_result)
    elif (own := part.provider_data) is not None and own.provider == asked.provider:
        item = dict(own.item)
        # Without its encrypted content the provider would look a thought up that it never kept,
        # and another model does not go on with it.
        is_known = bool(item.get("encrypted_content")) or asked.stored
        if part.kind != ContentKind.THINKING or (is_known and own.is_valid_for(asked.model)):
            yield item


def _call(call: ToolCallData) -> Json:
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": call_arguments(call),
    }


def call_arguments(call: ToolCallData) -> str:
    """Return the arguments of a call as OpenAI takes them: as a text."""
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
    """Return what a tool answered as OpenAI takes it: as a text."""
    content = result.content
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
