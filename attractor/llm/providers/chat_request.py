"""Translates requests to Chat Completions (7.3, 7.10).

The templates of local models require one system message at the start, a plain text for a message
that contains only text, and tool results right after the tool calls.
"""

from collections.abc import Callable, Iterator, Sequence

from attractor.base.json import Json, JsonObject
from attractor.llm.errors import InvalidRequestError
from attractor.llm.messages import (
    AudioData,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    InlineMedia,
    Message,
    Role,
    ToolResultData,
    inline,
)
from attractor.llm.providers.openai_request import call_arguments, result_text
from attractor.llm.providers.unsupported import INSTRUCTIONS, check_instructions
from attractor.llm.request import Request, ResponseFormat, ToolChoice, ToolDefinition

NAMED = frozenset({Role.USER, Role.ASSISTANT})
"""Roles whose messages have a name."""

_FORMATS = {"mpeg": "mp3", "mp4": "m4a", "wave": "wav"}
_FILE_NAME = "document"
WriteThinking = Callable[[Sequence[JsonObject], bool], JsonObject]


def thinking_fields(thoughts: Sequence[JsonObject], is_current_turn: bool) -> JsonObject:
    """Return the thinking in the fields in which it arrived; empty for earlier turns.

    The thinking of earlier turns only costs tokens. Servers may reject thinking in other fields.
    """
    given = thoughts if is_current_turn else ()
    return {name: value for thought in given for name, value in thought.items()}


def write_messages(
    request: Request,
    provider: str,
    *,
    write_thinking: WriteThinking = thinking_fields,
    words: str = "",
) -> Iterator[Json]:
    """Yield the messages of a request; `words` is added to the system message."""
    check_instructions(request.messages, provider)
    instructions = [said.text for said in request.messages if said.role in INSTRUCTIONS]
    system = "\n\n".join(filter(None, [*instructions, words]))
    if system:
        yield {"role": "system", "content": system}
    conversation = [said for said in request.messages if said.role not in INSTRUCTIONS]
    users = [index for index, said in enumerate(conversation) if said.role is Role.USER]
    shown: list[Json] = []
    for index, message in enumerate(conversation):
        if shown and message.role is not Role.TOOL:
            yield _user(shown)
            shown = []
        if message.role is Role.ASSISTANT:
            is_current_turn = index > max(users, default=-1)
            thoughts = list(_thoughts(message, provider, request.model))
            said_so = _assistant(message, provider)
            yield {**said_so, **_name(message), **write_thinking(thoughts, is_current_turn)}
        elif message.role is Role.TOOL:
            yield from (_result(part, message, provider) for part in message.content)
        else:
            parts = [_part(part, provider) for part in message.content]
            yield {**_user(parts), **_name(message)}
        for part in message.content:
            shown += _beside_result(part, provider)
    if shown:
        yield _user(shown)


def _thoughts(message: Message, provider: str, model: str) -> Iterator[JsonObject]:
    for part in message.content:
        own, thought = part.provider_data, part.thinking
        if own is None or own.provider != provider:
            continue
        # Signed thinking is valid for its model only.
        if own.is_valid_for(model) or not (thought and (thought.signature or thought.redacted)):
            yield own.item


def _name(message: Message) -> JsonObject:
    return {"name": message.name} if message.name else {}


def _user(parts: Sequence[Json]) -> dict[str, Json]:
    match parts:
        case [{"type": "text", "text": str(text)}]:
            return {"role": "user", "content": text}
        case _:
            return {"role": "user", "content": list(parts)}


def _assistant(message: Message, provider: str) -> dict[str, Json]:
    for part in message.content:
        if part.image or part.audio or part.document or part.tool_result:
            raise _refused(part, "a message of the assistant", provider)
    calls: list[Json] = [
        {
            "id": part.tool_call.id,
            "type": "function",
            "function": {"name": part.tool_call.name, "arguments": call_arguments(part.tool_call)},
        }
        for part in message.content
        if part.tool_call is not None
    ]
    if calls:
        return {"role": "assistant", "content": message.text or None, "tool_calls": calls}
    return {"role": "assistant", "content": message.text}


def _result(part: ContentPart, message: Message, provider: str) -> Json:
    if part.tool_result is not None:
        call_id, text = part.tool_result.tool_call_id, result_text(part.tool_result)
    elif part.text is not None:
        call_id, text = message.tool_call_id or "", part.text
    else:
        raise _refused(part, "a tool result", provider)
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def _beside_result(part: ContentPart, provider: str) -> Iterator[Json]:
    """Yield images and documents of a result as parts of a user message."""
    result = part.tool_result
    if result is None:
        return
    if result.image_data is not None:
        yield _belonging("image", result)
        yield _image(ImageData(data=result.image_data, media_type=result.image_media_type))
    if result.document is not None:
        yield _belonging("document", result)
        yield _part(ContentPart(ContentKind.DOCUMENT, document=result.document), provider)


def _belonging(noun: str, result: ToolResultData) -> Json:
    words = f"The {noun} that belongs to the result of {result.tool_call_id}:"
    return {"type": "text", "text": words}


def _part(part: ContentPart, provider: str) -> Json:
    if part.text is not None:
        return {"type": "text", "text": part.text}
    if part.image is not None:
        return _image(part.image)
    if part.audio is not None:
        found = _content(part, part.audio, provider)
        kind = found.media_type.rpartition("/")[2].removeprefix("x-")
        audio: Json = {"data": found.data, "format": _FORMATS.get(kind, kind)}
        return {"type": "input_audio", "input_audio": audio}
    if part.document is not None:
        found = _content(part, part.document, provider)
        name = part.document.file_name or _FILE_NAME
        return {"type": "file", "file": {"filename": name, "file_data": found.data_url}}
    raise _refused(part, "a message of the user", provider)


def _image(image: ImageData) -> Json:
    found = inline(image)
    detail = {"detail": image.detail} if image.detail else {}
    return {
        "type": "image_url",
        "image_url": {"url": found.data_url if found else image.url, **detail},
    }


def _content(part: ContentPart, media: AudioData | DocumentData, provider: str) -> InlineMedia:
    found = inline(media)
    if found is None:
        noun = "recording" if part.kind == ContentKind.AUDIO else "document"
        raise InvalidRequestError(
            f"Chat Completions do not support a {noun} by its URL",
            provider=provider,
            hint=f"fetch the {noun} and pass its bytes, or a local path",
        )
    return found


def _refused(part: ContentPart, where: str, provider: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"Chat Completions do not support content of kind {part.kind} in {where}",
        provider=provider,
        hint="remove it, or put it in a message of the user",
    )


NameSchema = Callable[[ResponseFormat, JsonObject], Json]


def write_settings(request: Request, name_schema: NameSchema) -> dict[str, Json]:
    """Return the settings of a request by the most common names of the settings."""
    wanted: dict[str, Json] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        # OpenAI has a newer name, which few others support.
        "max_tokens": request.max_tokens,
        "stop": list(request.stop_sequences) or None,
        "reasoning_effort": request.reasoning_effort,
        "response_format": _format(request.response_format, name_schema),
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _format(wanted: ResponseFormat | None, name_schema: NameSchema) -> Json:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.json_schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": name_schema(wanted, wanted.json_schema)}


def write_tools(tools: Sequence[ToolDefinition]) -> Json:
    """Return tools as function definitions."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in tools
    ]


def write_choice(choice: ToolChoice) -> Json:
    """Return the setting for a tool choice."""
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.tool_name}}
    return choice.mode
