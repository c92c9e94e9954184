"""Writes a request as OpenAI's Responses API takes it (7.3)."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from attractor.base.json import Json, JsonObject
from attractor.llm.content import ContentKind, ContentPart, ImageData, ToolCallData, ToolResultData
from attractor.llm.message import Message, Role
from attractor.llm.options import merge_options
from attractor.llm.providers.names import untold_names
from attractor.llm.providers.openai_content import write_content, write_document, write_image
from attractor.llm.providers.openai_format import held_to_schema, write_format
from attractor.llm.providers.openai_response import OF_MESSAGES
from attractor.llm.providers.reasoning import may_reason
from attractor.llm.providers.refusals import check_instructions
from attractor.llm.request import Request
from attractor.llm.response import Warning
from attractor.llm.response_format import NOT_ENFORCED, format_in_words
from attractor.llm.tools import ToolChoice, ToolDefinition

# Other models refuse to be asked for encrypted reasoning.
_REASONING_MODELS = re.compile(r"(gpt-[5-9](?!.*chat)|o\d|codex)")
# Of them these think in any case; later ones only when they are asked to.
_ALWAYS_REASONING = re.compile(r"(gpt-5(?!\.\d)(?!.*chat)|o\d)")
_ENCRYPTED = "reasoning.encrypted_content"
_NOT_AT_ALL = "none"
_UNSUPPORTED = "unsupported_parameter"


class Written(NamedTuple):
    """A body to send, and what of the request did not fit into it."""

    body: JsonObject
    warnings: Sequence[Warning]


class _Asked(NamedTuple):
    """Who is asked, and whether the provider keeps what its models think."""

    provider: str
    model: str
    stored: bool


def write_request(request: Request, *, provider: str) -> Written:
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
    return Written(merge_options(body, options), list(_warnings(request, effort)))


def _given(request: Request, effort: str | None, stored: bool) -> dict[str, Json]:
    system = [one.text for one in request.messages if one.role is Role.SYSTEM]
    wanted = request.response_format
    if wanted is not None and wanted.type == "json":
        # Without a word of JSON in the request the provider refuses this form.
        system.append(format_in_words(wanted))
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
        if part.kind != ContentKind.THINKING or (is_known and own.is_of(asked.model)):
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
