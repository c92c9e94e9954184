"""Translates requests, answers and streams for litellm (7.3, 7.5, 7.7)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.errors import InvalidRequestError, UnsupportedToolChoiceError
from attractor.llm.messages import ContentKind, ContentPart, ProviderData, ThinkingData
from attractor.llm.providers import chat_response, chat_response as chat_stream
from attractor.llm.providers.chat_request import (
    write_choice,
    write_messages,
    write_settings,
    write_tools,
)
from attractor.llm.providers.chat_response import ChatDialect, ChatStream
from attractor.llm.providers.openai_request import (
    NOT_ENFORCED_EVERYWHERE,
    OpenAIRequest,
    is_enforceable,
    name_schema,
)
from attractor.llm.providers.unsupported import unsent_names
from attractor.llm.request import (
    NOT_ENFORCED,
    Request,
    ToolChoice,
    format_instruction,
    merge_options,
)
from attractor.llm.response import Usage, Warning
from attractor.llm.stream_events import StreamEvent
from attractor.llm.transport.fields import Fields
from attractor.llm.transport.stream_reading import Step

_OWN_OPTIONS = "litellm"
_IGNORED = "unsupported_parameter"
# The family of models whose providers cache only what is marked.
_CACHED_BY_MARKS = "claude"
# No retries; time limits are ours.
_FIXED: JsonObject = {"num_retries": 0, "max_retries": 0, "timeout": 6000}


def write_request(
    request: Request,
    *,
    provider: str,
    taken: Collection[str] | None,
    takes_cache_marks: bool = False,
) -> OpenAIRequest:
    """Translate a request; options of the provider and of litellm override other settings.

    `taken` are the parameters supported by the model; None if litellm does not know the model.
    """
    _require_known(request, provider)
    warnings: list[Warning] = []
    words = _words(request, provider, _takes(taken, "response_format"), warnings)
    messages = list(write_messages(request, provider, write_thinking=_as_blocks, words=words))
    if _CACHED_BY_MARKS in request.model.lower() and request.tools:
        if takes_cache_marks:
            messages = _mark(messages)
        else:
            warnings.append(Warning(f"litellm does not send cache marks to {provider}", _IGNORED))
    body: dict[str, Json] = {"messages": messages}
    for name, value in write_settings(request, name_schema).items():
        if _takes(taken, name):
            body[name] = value
        else:
            warnings.append(Warning(f"litellm does not send {name} to {provider}", _IGNORED))
    for name in unsent_names(request.messages):
        # litellm does not report dropped names; instructions are one message.
        warnings.append(Warning(f"litellm does not send {name} to every provider", _IGNORED))
    if request.metadata:
        warnings.append(Warning("litellm does not send metadata", _IGNORED))
    body |= _tools(request, provider, taken)
    for namespace in dict.fromkeys([provider, _OWN_OPTIONS]):
        body = merge_options(body, request.options_for(namespace))
    return OpenAIRequest({**body, **_FIXED}, warnings)


def _mark(messages: Sequence[Json]) -> list[Json]:
    """Mark the instructions and the newest message, which the next call reads from the cache.

    Only an agent, which has tools, calls again: a mark makes a single call more expensive.
    """
    last = len(messages) - 1
    return [
        {**message, "cache_control": {"type": "ephemeral"}}
        if isinstance(message, dict) and (message.get("role") == "system" or index == last)
        else message
        for index, message in enumerate(messages)
    ]


def list_images(body: JsonObject) -> Sequence[str]:
    """Return the images of a body as base64 texts or URLs."""
    images: list[str] = []
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            match part:
                case {"image_url": {"url": str(url)}}:
                    images.append(url.partition(";base64,")[2] or url)
                case _:
                    pass
    return images


def _takes(taken: Collection[str] | None, name: str) -> bool:
    return taken is None or name in taken


def _tools(request: Request, provider: str, taken: Collection[str] | None) -> JsonObject:
    if not request.tools:
        return {}
    choice = request.tool_choice or ToolChoice()
    if not _takes(taken, "tools"):
        raise InvalidRequestError(
            f"litellm does not send tools to the model {request.model!r} of {provider}",
            provider=provider,
        )
    tools = write_tools(request.tools)
    if _takes(taken, "tool_choice"):
        return {"tools": tools, "tool_choice": write_choice(choice)}
    if choice.mode in ("required", "named"):
        raise UnsupportedToolChoiceError(
            f"{provider} does not support the tool choice {choice.mode!r}"
        )
    return {} if choice.mode == "none" else {"tools": tools}


def _words(request: Request, provider: str, is_held: bool, warnings: list[Warning]) -> str:
    """Return the prompt for the response format; empty if a setting is sufficient."""
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        return ""
    if wanted.strict and not is_held:
        message = f"litellm cannot make {provider} enforce the schema"
        warnings.append(Warning(message, NOT_ENFORCED))
    elif wanted.strict and not is_enforceable(wanted):
        warnings.append(Warning(NOT_ENFORCED_EVERYWHERE, NOT_ENFORCED))
    # Some providers require the word JSON in the prompt for this format.
    return format_instruction(wanted) if wanted.type == "json" or not is_held else ""


def _as_blocks(thoughts: Sequence[JsonObject], is_current_turn: bool) -> JsonObject:
    """Return signed thinking, which the provider always requires."""
    return {"thinking_blocks": [dict(thought) for thought in thoughts]} if thoughts else {}


def _require_known(request: Request, provider: str) -> None:
    for part in (part for message in request.messages for part in message.content):
        result = part.tool_result
        is_file = part.document is not None or (result is not None and result.document is not None)
        if part.audio is not None or is_file:
            noun = "audio" if part.audio is not None else "documents"
            raise InvalidRequestError(
                f"litellm does not send {noun} to {provider}",
                provider=provider,
                hint="pass its text, or use a provider with an adapter of its own",
            )


BLOCKS = "thinking_blocks"
"""The field with thinking that has to be sent back unchanged."""

# The provider itself does not include cached tokens in the input (3.9).
_CACHED_BESIDE_INPUT = "anthropic"


def dialect_of(name: str, provider: str, route: str, model: str) -> ChatDialect:
    """Return the dialect of a provider by the name in Attractor and the route in litellm."""

    def rename(model: str) -> str:
        bare = model.removeprefix(f"{route}/").removeprefix(f"{provider}/")
        return bare if name == provider else f"{provider}/{bare}"

    def read_usage(usage: Fields) -> Usage:
        # litellm's usage is not the provider's own.
        read = replace(chat_response.read_usage(usage), raw=None)
        written = usage.object("prompt_tokens_details").count_or_none("cache_creation_tokens")
        fresh = read.input_tokens
        if provider == _CACHED_BESIDE_INPUT:
            fresh = max(0, fresh - (read.cache_read_tokens or 0) - (written or 0))
        return replace(read, input_tokens=fresh, cache_write_tokens=written)

    return ChatDialect(name, model, rename, _thoughts, read_usage)


def _thoughts(message: Fields, provider: str) -> Iterator[ContentPart]:
    blocks = message.objects_or_none(BLOCKS)
    for block in blocks:
        yield _block(block.raw, ProviderData(provider, block.raw))
    if not blocks:
        # Unsigned thinking is not sent back.
        for part in chat_response.read_thoughts(message, provider):
            yield replace(part, provider_data=None)


def _block(block: JsonObject, kept: ProviderData) -> ContentPart:
    if block.get("type") == "redacted_thinking":
        hidden = ThinkingData(str(block.get("data") or ""), redacted=True)
        return ContentPart(ContentKind.REDACTED_THINKING, thinking=hidden, provider_data=kept)
    signature = str(block.get("signature") or "") or None
    shown = ThinkingData(str(block.get("thinking") or ""), signature)
    return ContentPart(ContentKind.THINKING, thinking=shown, provider_data=kept)


@dataclass(frozen=True)
class LiteLLMStream:
    """The state of a stream: the answer so far, and the signed thinking."""

    chat: ChatStream
    blocks: Sequence[JsonObject] = ()


def step(state: LiteLLMStream, chunk: Fields) -> Step[LiteLLMStream]:
    """Process a chunk of the answer."""
    chat, events = chat_stream.step(state.chat, chunk)
    blocks = state.blocks
    for choice in chunk.objects_or_none("choices")[:1]:
        for block in choice.object("delta").objects_or_none(BLOCKS):
            blocks = _with_block(blocks, block.raw)
    return Step(replace(state, chat=chat, blocks=blocks), events)


def is_whole(state: LiteLLMStream) -> bool:
    """Return whether the model gave a finish reason."""
    return chat_stream.is_whole(state.chat)


def end(state: LiteLLMStream) -> Sequence[StreamEvent]:
    """Return the last events, if the model gave a finish reason."""
    blocks: Json = [dict(block) for block in state.blocks]
    message = {**state.chat.message, **({BLOCKS: blocks} if blocks else {})}
    return chat_stream.end(replace(state.chat, message=message))


def _with_block(blocks: Sequence[JsonObject], piece: JsonObject) -> Sequence[JsonObject]:
    """Add a piece to the last block or begin a new one; a signature ends a block."""
    last: JsonObject = blocks[-1] if blocks else {}
    is_open = last.get("type") == "thinking" and not last.get("signature")
    if not is_open or piece.get("type") != "thinking":
        return [*blocks, piece]
    text = str(last.get("thinking") or "") + str(piece.get("thinking") or "")
    return [*blocks[:-1], {**last, **piece, "thinking": text}]
