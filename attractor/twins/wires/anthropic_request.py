"""What Anthropic's Messages API takes, and what it refuses."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from attractor.base.canonical import JsonObject
from attractor.twins.conversation import Conversation, Speaker, Turn, join_turns
from attractor.twins.errors import Rejection
from attractor.twins.seals import is_intact, seal
from attractor.twins.wires.anthropic_content import find_fault, order_fault
from attractor.twins.wires.anthropic_thinking import begun_with, find_setting_fault
from attractor.twins.wires.bodies import check_body, spoken

_MOST_MARKS = 4


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Text(_Loose):
    type: str
    text: str = ""
    cache_control: dict[str, str] | None = None


class _Shown(_Text):
    source: dict[str, object] | None = None


class ContentBlock(_Shown):
    """One block of a message, of any type."""

    id: str = ""
    name: str = ""
    input: dict[str, object] | None = None
    tool_use_id: str = ""
    content: str | list[_Shown] = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""


class SaidMessage(_Loose):
    """One message of it."""

    role: Literal["user", "assistant"]
    content: str | list[ContentBlock]

    @property
    def blocks(self) -> Sequence[ContentBlock]:
        """Its content as blocks, also where it is one text."""
        if isinstance(self.content, str):
            return [ContentBlock(type="text", text=self.content)]
        return self.content


class _Tool(_Loose):
    cache_control: dict[str, str] | None = None


class MessagesBody(_Loose):
    """A request's body."""

    model: str
    max_tokens: int = Field(ge=1)
    messages: list[SaidMessage] = Field(min_length=1)
    system: str | list[_Text] = ""
    tools: list[_Tool] = []
    stream: bool | None = False
    temperature: float | None = None
    top_p: float | None = None
    thinking: dict[str, object] | None = None
    output_config: dict[str, object] | None = None
    tool_choice: dict[str, object] | None = None


def read_body(body: JsonObject) -> MessagesBody:
    """Return the body with its types, or raise the Rejection the provider would answer with."""
    asked = check_body(MessagesBody, body)
    _check_order(asked.messages)
    _check_calls(asked.messages)
    _check_blocks(asked.messages)
    _check_marks(asked)
    _check_settings(asked)
    return asked


def read_turns(message: SaidMessage) -> Iterator[Turn]:
    """Yield what a message says, block by block."""
    for block in message.blocks:
        if message.role == "assistant":
            yield Turn(Speaker.ASSISTANT, _said(block))
        elif block.type == "tool_result":
            yield Turn(Speaker.TOOL, spoken(block.content))
        else:
            yield Turn(Speaker.USER, block.text)


def read_marks(asked: MessagesBody) -> Sequence[int]:
    """Return after how many letters of its words a request is marked to be cached."""
    return [len(one.words) for one in _up_to_marks(asked)]


def _up_to_marks(asked: MessagesBody) -> Iterator[Conversation]:
    """Yield what was said up to each mark."""
    blocks = [] if isinstance(asked.system, str) else asked.system
    for number, block in enumerate(blocks, 1):
        if block.cache_control is not None:
            yield Conversation("", asked.model, spoken(blocks[:number]))
    turns: list[Turn] = []
    for message in asked.messages:
        for block, turn in zip(message.blocks, read_turns(message), strict=True):
            turns.append(turn)
            if block.cache_control is not None:
                yield Conversation("", asked.model, spoken(asked.system), join_turns(turns))


def _said(block: ContentBlock) -> str:
    if block.type != "tool_use":
        return block.text
    return f"{block.name}({json.dumps(block.input, ensure_ascii=False)})"


def _check_order(messages: Sequence[SaidMessage]) -> None:
    if messages[0].role != "user":
        raise Rejection(400, 'messages: first message must use the "user" role')
    for one, other in pairwise(messages):
        if one.role == other.role:
            raise Rejection(
                400,
                'messages: roles must alternate between "user" and "assistant", but found '
                f'multiple "{one.role}" roles in a row',
            )


def _check_calls(messages: Sequence[SaidMessage]) -> None:
    """Every call is answered in the message after it, and nothing else is."""
    nobody = SaidMessage(role="user", content=[])
    for index, (before, now) in enumerate(pairwise([nobody, *messages, nobody])):
        called = {one.id for one in before.blocks if one.type == "tool_use"}
        answered = {one.tool_use_id for one in now.blocks if one.type == "tool_result"}
        for call_id in sorted(called - answered):
            raise Rejection(
                400,
                f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {call_id}",
            )
        for call_id in sorted(answered - called):
            raise Rejection(
                400,
                f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{call_id}",
            )


def _check_settings(asked: MessagesBody) -> None:
    turns = [(one.role, [block.type for block in one.blocks]) for one in asked.messages]
    if fault := find_setting_fault(asked, begun_with(turns)):
        raise Rejection(400, fault)


def _check_blocks(messages: Sequence[SaidMessage]) -> None:
    for place, message in enumerate(messages):
        if fault := order_fault([block.type for block in message.blocks], message.role):
            raise Rejection(400, f"messages.{place}: {fault}")
        for index, block in enumerate(message.blocks):
            fault = _fault(block)
            if fault:
                raise Rejection(400, f"messages.{place}.content.{index}: {fault}")


def _fault(block: ContentBlock) -> str:
    if block.type == "text" and not block.text:
        return "text content blocks must be non-empty"
    if block.type == "thinking" and block.signature != seal(block.thinking):
        return "Invalid `signature` in `thinking` block"
    if block.type == "redacted_thinking" and not is_intact(block.data):
        return "Invalid `data` in `redacted_thinking` block"
    inner: Sequence[_Shown] = [] if isinstance(block.content, str) else block.content
    faults = [find_fault(one) for one in (block, *inner)]
    return next(filter(None, faults), "")


def _check_marks(asked: MessagesBody) -> None:
    system = asked.system if isinstance(asked.system, list) else []
    blocks = [block for message in asked.messages for block in message.blocks]
    marks = sum(one.cache_control is not None for one in [*asked.tools, *system, *blocks])
    if marks > _MOST_MARKS:
        raise Rejection(
            400,
            f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marks}.",
        )
