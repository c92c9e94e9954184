"""Writes a request as OpenAI's Responses API takes it (7.3)."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from attractor.base.canonical import Json, JsonObject
from attractor.llm.content import ContentKind, ContentPart, ImageData, ToolCallData, ToolResultData
from attractor.llm.errors import InvalidRequestError
from attractor.llm.images import inline
from attractor.llm.message import Message, Role
from attractor.llm.options import merge_options
from attractor.llm.providers.openai_format import held_to_schema, write_format
from attractor.llm.request import Request
from attractor.llm.response import Warning
from attractor.llm.response_format import NOT_ENFORCED, format_in_words
from attractor.llm.tools import ToolChoice, ToolDefinition

# Other models refuse to be asked for encrypted reasoning.
_REASONING_MODELS = re.compile(r"(gpt-[5-9](?!.*chat)|o\d|codex)")
_ENCRYPTED = "reasoning.encrypted_content"


class Written(NamedTuple):
    """A body to send, and what of the request did not fit into it."""

    body: JsonObject
    warnings: Sequence[Warning]


def write_request(request: Request, *, provider: str) -> Written:
    """Translate a request; the provider's own options come last and win."""
    options = request.options_for(provider)
    # Nothing is kept at the provider: every request holds the conversation whole.
    stored = bool(options.get("store", False))
    items = [item for one in request.messages for item in _items(one, provider, stored)]
    body: dict[str, Json] = {"model": request.model, "input": items, "store": False}
    body |= {name: value for name, value in _given(request, stored).items() if value is not None}
    if request.tools:
        body["tools"] = [_tool(one) for one in request.tools]
        body["tool_choice"] = _choice(request.tool_choice or ToolChoice())
    return Written(merge_options(body, options), list(_warnings(request)))


def _given(request: Request, stored: bool) -> dict[str, Json]:
    system = [one.text for one in request.messages if one.role is Role.SYSTEM]
    wanted = request.response_format
    if wanted is not None and wanted.type == "json":
        # Without a word of JSON in the request the provider refuses this form.
        system.append(format_in_words(wanted))
    reasons = bool(request.reasoning_effort or _REASONING_MODELS.match(request.model))
    return {
        "instructions": "\n\n".join(system) or None,
        # What the model thought and nobody stores has to come back to be handed in again.
        "include": [_ENCRYPTED] if reasons and not stored else None,
        "reasoning": {"effort": request.reasoning_effort} if request.reasoning_effort else None,
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "metadata": dict(request.metadata) or None,
        "text": write_format(request.response_format),
    }


def _warnings(request: Request) -> Iterator[Warning]:
    if request.stop_sequences:
        yield Warning("OpenAI's Responses API knows no stop sequences", "unsupported_parameter")
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


def _items(message: Message, provider: str, stored: bool) -> Iterator[Json]:
    """Yield a message's items: calls, results and reasoning stand beside messages, not in them."""
    if message.role is Role.SYSTEM:
        return
    said: list[Json] = []
    for part in message.content:
        if (content := _content(part, message.role, provider)) is not None:
            said.append(content)
            continue
        if said:
            yield _message(message.role, said)
            said = []
        yield from _item(part, provider, stored)
    if said:
        yield _message(message.role, said)


def _message(role: Role, content: Sequence[Json]) -> Json:
    return {"type": "message", "role": role.value, "content": list(content)}


def _content(part: ContentPart, role: Role, provider: str) -> Json:
    """Return what stands inside a message, None for what does not."""
    if part.text is not None:
        return {
            "type": "output_text" if role is Role.ASSISTANT else "input_text",
            "text": part.text,
        }
    if part.image is not None:
        return _image(part.image)
    if part.audio is not None or part.document is not None:
        raise InvalidRequestError(
            f"content of kind {part.kind} is not supported yet for {provider}", provider=provider
        )
    return None


def _image(image: ImageData) -> Json:
    found = inline(image)
    detail = {"detail": image.detail} if image.detail else {}
    return {"type": "input_image", "image_url": found.data_url if found else image.url, **detail}


def _item(part: ContentPart, provider: str, stored: bool) -> Iterator[Json]:
    if part.tool_call is not None:
        yield _call(part.tool_call)
    elif part.tool_result is not None:
        yield _result(part.tool_result)
    elif part.provider_data is not None and part.provider_data.provider == provider:
        item = dict(part.provider_data.item)
        # Without its encrypted content the provider would look a thought up that it never kept.
        if part.kind != ContentKind.THINKING or item.get("encrypted_content") or stored:
            yield item


def _call(call: ToolCallData) -> Json:
    arguments = call.arguments
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": text}


def _result(result: ToolResultData) -> Json:
    content = result.content
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    output: Json = text
    if result.image_data is not None:
        image = ImageData(data=result.image_data, media_type=result.image_media_type)
        output = [{"type": "input_text", "text": text}, _image(image)]
    return {"type": "function_call_output", "call_id": result.tool_call_id, "output": output}
