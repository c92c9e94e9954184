"""Reads and checks requests to Anthropic's Messages API."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from attractor.base.json import JsonObject
from attractor.twins.errors import Rejection
from attractor.twins.exchange.wire import PromptBlock, Speaker, Turn, join_turns, without_marks
from attractor.twins.wires.request_body import (
    IMAGES,
    check_body,
    check_call_ids,
    check_fields,
    is_base64,
    is_intact,
    is_web_url,
    joined_text,
    reject,
    seal,
)

# Fields of beta versions are accepted too, even if the twin ignores them.
COUNT_FIELDS = frozenset(
    {
        *("messages", "model", "system", "tools", "tool_choice", "thinking", "cache_control"),
        *("output_config", "output_format", "speed", "mcp_servers", "context_management"),
        *("billing_policy", "compaction", "user_profile_id", "workspace_id"),
    }
)
MESSAGE_FIELDS = COUNT_FIELDS | {
    *("max_tokens", "metadata", "service_tier", "stop_sequences", "stream"),
    *("temperature", "top_k", "top_p", "container", "diagnostics", "inference_geo"),
    *("fallbacks", "fallback_credit_token", "thread", "safeguards"),
}
NO_THREADS = "thread_unsupported_request"
_CALL, _RESULT = "tool_use", "tool_result"
_MEDIA = ("image", "document")
_PDF, _TEXT = "application/pdf", "text/plain"
_MAX_MARKS = 4
_MODEL_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d)(?:-(\d)(?!\d))?")
# A model of no known version supports every setting.
_UNKNOWN_VERSION = (9, 9)
# Models that take instructions between the turns.
_SYSTEM_TURNS = (4, 8)
_MIN_BUDGET = 1024
_MIN_TOP_P = 0.95
_FORCED = ("any", "tool")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_THINKING_BLOCKS = ("thinking", "redacted_thinking")


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Markable(_Loose):
    cache_control: dict[str, str] | None = None


class _Tool(_Markable):
    # A set of tools on an MCP server has no name.
    name: str = ""


class TextBlock(_Markable):
    """One block of the instructions."""

    type: str
    text: str = ""


class MediaBlock(TextBlock):
    """A block that can be an image or a document."""

    source: dict[str, object] | None = None


class ContentBlock(MediaBlock):
    """One block of a message, of any type."""

    id: str = ""
    name: str = ""
    input: dict[str, object] | None = None
    tool_use_id: str = ""
    content: str | list[MediaBlock] = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""


class InputMessage(_Loose):
    """One message of a request."""

    role: Literal["user", "assistant", "system"]
    content: str | list[ContentBlock]

    @property
    def blocks(self) -> Sequence[ContentBlock]:
        """The content as blocks; a string is one text block."""
        if isinstance(self.content, str):
            return [ContentBlock(type="text", text=self.content)]
        return self.content


class CountBody(_Markable):
    """The body of a request to count the tokens of a prompt."""

    model: str
    messages: list[InputMessage] = Field(min_length=1)
    system: str | list[TextBlock] = ""
    tools: list[_Tool] = []

    @property
    def instructions(self) -> Sequence[TextBlock]:
        """The instructions as blocks; a string is one text block."""
        if isinstance(self.system, str):
            return [TextBlock(type="text", text=self.system)] if self.system else []
        return self.system


class MessagesBody(CountBody):
    """The body of a request for an answer."""

    max_tokens: int = Field(ge=1)
    stream: bool | None = False
    temperature: float | None = None
    top_p: float | None = None
    thinking: dict[str, object] | None = None
    thread: object = None
    output_config: dict[str, object] | None = None
    tool_choice: dict[str, object] | None = None


def read_body(body: JsonObject) -> MessagesBody:
    """Return the body with its types, or raise the Rejection of the provider."""
    check_fields(body, MESSAGE_FIELDS)
    request = check_body(MessagesBody, body)
    if request.thread is not None:
        # The provider's own client then goes on without one.
        problem = "this twin stores no conversations: send the whole conversation in `messages`"
        reject("thread", problem, code=NO_THREADS)
    _check_prompt(request)
    for name in _invalid_settings(request):
        reject(name, f"not supported with {request.model} and the other settings")
    return request


def read_count_body(body: JsonObject) -> CountBody:
    """Return the body of a request to count tokens, or raise the Rejection of the provider."""
    check_fields(body, COUNT_FIELDS)
    request = check_body(CountBody, body)
    _check_prompt(request)
    return request


def read_turns(request: CountBody) -> Sequence[Turn]:
    """Return the turns of a conversation, however they are divided into messages and blocks."""
    return join_turns(turn for message in request.messages for turn in _turns_of(message))


def read_blocks(request: CountBody) -> Sequence[PromptBlock]:
    """Return the blocks that can be cached, in the order of the prompt."""
    instructions = request.instructions
    blocks = [
        _prompt_block("system", block, len(joined_text(instructions[:number])))
        for number, block in enumerate(instructions, 1)
    ]
    blocks += _message_blocks(request)
    if request.cache_control is None:
        return blocks
    # A mark on the whole request is a mark on its last block.
    last = blocks[-1]
    return [*blocks[:-1], PromptBlock(last.content, last.end, is_marked=True)]


def _turns_of(message: InputMessage) -> Sequence[Turn]:
    return [_turn(message.role, block) for block in message.blocks]


def _turn(role: str, block: ContentBlock) -> Turn:
    if role == "system":
        return Turn(Speaker.SYSTEM, block.text)
    if role != "assistant":
        if block.type == _RESULT:
            return Turn(Speaker.TOOL, joined_text(block.content))
        return Turn(Speaker.USER, block.text)
    if block.type != _CALL:
        return Turn(Speaker.ASSISTANT, block.text)
    call = f"{block.name}({json.dumps(block.input, ensure_ascii=False)})"
    return Turn(Speaker.ASSISTANT, call)


def _message_blocks(request: CountBody) -> Iterator[PromptBlock]:
    """Yield the blocks of the messages; each `end` is an offset in `Conversation.words`."""
    end, speaker, has_text = len(joined_text(request.system)), None, False
    for message in request.messages:
        for block, turn in zip(message.blocks, _turns_of(message), strict=True):
            if turn.speaker is not speaker:
                # A turn begins on a new line, also a turn without text.
                end, speaker, has_text = end + 1, turn.speaker, False
            if turn.text:
                end, has_text = end + len(turn.text) + has_text, True
            yield _prompt_block(message.role, block, end)


def _prompt_block(role: str, block: TextBlock, end: int) -> PromptBlock:
    content = json.dumps(without_marks(block.model_dump(mode="json")), sort_keys=True)
    return PromptBlock(f"{role} {content}", end, block.cache_control is not None)


def _check_prompt(request: CountBody) -> None:
    _check_system_turns(request)
    # The provider joins consecutive messages of one role.
    request.messages = [
        _joined_message(list(messages))
        for _, messages in groupby(request.messages, key=lambda message: message.role)
    ]
    empty = InputMessage(role="user", content=[])
    for before, message in pairwise([empty, *request.messages, empty]):
        calls = {block.id for block in before.blocks if block.type == _CALL}
        results = {block.tool_use_id for block in message.blocks if block.type == _RESULT}
        check_call_ids(calls, results)
    _check_unique_ids(request.messages)
    for index, message in enumerate(request.messages):
        _check_message(message, f"messages.{index}")
    blocks = [block for message in request.messages for block in message.blocks]
    markable = (request, *request.tools, *request.instructions, *blocks)
    marks = sum(block.cache_control is not None for block in markable)
    if marks > _MAX_MARKS:
        raise Rejection(
            400, f"{marks} blocks have cache_control, but at most {_MAX_MARKS} are allowed"
        )


def _check_system_turns(request: CountBody) -> None:
    """Reject instructions between the turns that the model does not support, or at another place
    than between a turn of the user and one of the model.
    """
    roles = [*(message.role for message in request.messages), "assistant"]
    for index, message in enumerate(request.messages):
        if message.role != "system":
            continue
        if _version(request.model) < _SYSTEM_TURNS:
            raise Rejection(400, "role 'system' is not supported on this model")
        before = request.messages[index - 1] if index else None
        if before is None or not (before.role == "user" or _ends_with_server_tool(before)):
            reject(f"messages.{index}", "role 'system' must follow a 'user' message")
        if roles[index + 1] != "assistant":
            problem = "role 'system' must precede an 'assistant' message or end the array"
            reject(f"messages.{index}", problem)
        if {block.type for block in message.blocks} & {*_MEDIA, _CALL, _RESULT, *_THINKING_BLOCKS}:
            reject(f"messages.{index}", "role 'system' takes text only")


def _ends_with_server_tool(message: InputMessage) -> bool:
    return message.role == "assistant" and "server_tool_use" in (
        block.type for block in message.blocks[-1:]
    )


def _joined_message(messages: Sequence[InputMessage]) -> InputMessage:
    if len(messages) == 1:
        return messages[0]
    blocks = [block for message in messages for block in message.blocks]
    return InputMessage(role=messages[0].role, content=blocks)


def _check_unique_ids(messages: Sequence[InputMessage]) -> None:
    seen: set[tuple[str, str]] = set()
    for block in (block for message in messages for block in message.blocks):
        key = (block.type, block.tool_use_id or block.id)
        if block.type in (_CALL, _RESULT) and key in seen:
            reject(block.type, f"duplicate id {key[1]!r}")
        seen.add(key)


def _check_message(message: InputMessage, place: str) -> None:
    types = [block.type for block in message.blocks]
    if message.role == "assistant" and {*types} & {*_MEDIA}:
        reject(place, "images and documents are only allowed in user messages")
    if message.role == "user" and sorted(types, key=lambda kind: kind != _RESULT) != types:
        reject(place, f"{_RESULT} blocks must be first")
    for index, block in enumerate(message.blocks):
        inner = [] if isinstance(block.content, str) else block.content
        if not (_is_valid_block(block) and all(map(_is_valid_media, (block, *inner)))):
            reject(f"{place}.content.{index}", f"invalid {block.type} block")


def _is_valid_block(block: ContentBlock) -> bool:
    match block.type:
        case "text":
            return bool(block.text)
        case "thinking":
            return block.signature == seal(block.thinking)
        case "redacted_thinking":
            return is_intact(block.data)
        case _:
            return True


def _is_valid_media(block: MediaBlock) -> bool:
    if block.type not in _MEDIA:
        return True
    source = {name: text for name, text in (block.source or {}).items() if isinstance(text, str)}
    data, media_type = source.get("data", ""), source.get("media_type")
    match source.get("type"):
        case "url":
            return is_web_url(source.get("url", ""))
        case "base64":
            return media_type in (IMAGES if block.type == "image" else (_PDF,)) and is_base64(data)
        case "text":
            return block.type == "document" and media_type == _TEXT and bool(data)
        case "content" | "file":
            return True
        case _:
            return False


def _invalid_settings(request: MessagesBody) -> Iterator[str]:
    """Yield the settings that the version in the model's name does not support."""
    version = _version(request.model)
    thinking = request.thinking or {}
    effort = (request.output_config or {}).get("effort")
    if effort is not None and not _supports_effort(request.model, version, effort):
        yield "output_config.effort"
    if thinking.get("type") == "adaptive" and version < (4, 6):
        yield "thinking.type"
    if thinking.get("type") == "enabled":
        budget = thinking.get("budget_tokens")
        if (4, 7) <= version < _UNKNOWN_VERSION:
            yield "thinking.type"
        if not (isinstance(budget, int) and _MIN_BUDGET <= budget < request.max_tokens):
            yield "thinking.budget_tokens"
        if _first_block_of_turn(request.messages) not in ("", *_THINKING_BLOCKS):
            yield "thinking"
    is_thinking = thinking.get("type") in ("adaptive", "enabled")
    if is_thinking and (request.tool_choice or {}).get("type") in _FORCED:
        yield "tool_choice"
    yield from _invalid_sampling(request, version, is_thinking=is_thinking)


def _version(model: str) -> tuple[int, int]:
    found = _MODEL_VERSION.match(model)
    return (int(found[1]), int(found[2] or 0)) if found else _UNKNOWN_VERSION


def _supports_effort(model: str, version: tuple[int, int], effort: object) -> bool:
    lowest = {"xhigh": (4, 7), "max": (4, 6)}.get(str(effort), (4, 5))
    is_supported = version >= (4, 6) or "opus" in model
    return effort in _EFFORTS and is_supported and version >= lowest


def _invalid_sampling(
    request: MessagesBody, version: tuple[int, int], *, is_thinking: bool
) -> Iterator[str]:
    temperature, top_p = request.temperature, request.top_p
    if (4, 7) <= version < _UNKNOWN_VERSION:
        yield from (
            name
            for name, value in (("temperature", temperature), ("top_p", top_p))
            if value not in (None, 1)
        )
    elif is_thinking and temperature not in (None, 1):
        yield "temperature"
    elif is_thinking and top_p is not None and top_p < _MIN_TOP_P:
        yield "top_p"


def _first_block_of_turn(messages: Sequence[InputMessage]) -> str:
    """If tool results continue the model's turn, return the type of the first block of the turn."""
    first = ""
    for message in reversed([turn for turn in messages if turn.role != "system"]):
        types = [block.type for block in message.blocks]
        if message.role == "assistant":
            first = types[0] if types else ""
        elif _RESULT not in types:
            break
    return first
