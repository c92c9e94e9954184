"""The body of a request to Anthropic's Messages API: its fields and their types.

What a request to Anthropic's Messages API says, block by block, and which are marked.

What may be shown in a message to Anthropic's Messages API, and by whom.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from attractor.twins.exchange.conversation import Block, Speaker, Turn
from attractor.twins.exchange.prompt_cache import without_marks
from attractor.twins.wires.request_body import IMAGES, is_base64, is_fetched, spoken

# Those of the beta versions too; what means nothing to a twin is taken all the same.
FIELDS_TO_COUNT = frozenset(
    {
        *("messages", "model", "system", "tools", "tool_choice", "thinking", "cache_control"),
        *("output_config", "output_format", "speed", "mcp_servers", "context_management"),
        *("billing_policy", "compaction", "user_profile_id", "workspace_id"),
    }
)
FIELDS = FIELDS_TO_COUNT | {
    *("max_tokens", "metadata", "service_tier", "stop_sequences", "stream"),
    *("temperature", "top_k", "top_p", "container", "diagnostics", "inference_geo"),
    *("fallbacks", "fallback_credit_token", "thread"),
}


class _Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Markable(_Loose):
    cache_control: dict[str, str] | None = None


class TextBlock(_Markable):
    """One block of the instructions."""

    type: str
    text: str = ""


class MediaBlock(TextBlock):
    """A block that may show something."""

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


def join_messages(messages: Sequence[SaidMessage]) -> list[SaidMessage]:
    """Make one message of what the same speaker said in a row, as the provider does."""
    return [
        said[0] if len(said) == 1 else _joined(said)
        for said in (list(some) for _, some in groupby(messages, key=lambda one: one.role))
    ]


def _joined(said: Sequence[SaidMessage]) -> SaidMessage:
    blocks = [block for one in said for block in one.blocks]
    return SaidMessage(role=said[0].role, content=blocks)


class CountBody(_Markable):
    """The body of a request that asks how long a prompt is."""

    model: str
    messages: list[SaidMessage] = Field(min_length=1)
    system: str | list[TextBlock] = ""
    tools: list[_Markable] = []

    @property
    def instructions(self) -> Sequence[TextBlock]:
        """The instructions as blocks, also where they are one text."""
        if isinstance(self.system, str):
            return [TextBlock(type="text", text=self.system)] if self.system else []
        return self.system


class MessagesBody(CountBody):
    """A request's body."""

    max_tokens: int = Field(ge=1)
    stream: bool | None = False
    temperature: float | None = None
    top_p: float | None = None
    thinking: dict[str, object] | None = None
    output_config: dict[str, object] | None = None
    tool_choice: dict[str, object] | None = None


_MOST_MARKS = 4


def read_turns(message: SaidMessage) -> Sequence[Turn]:
    """Return what a message says, block by block."""
    return [_turn(message.role, block) for block in message.blocks]


def read_blocks(asked: CountBody) -> Sequence[Block]:
    """Return what may be cached of a request, in the order in which it is read."""
    found = [*_instructed(asked.instructions), *_said(asked)]
    if asked.cache_control is None:
        return found
    # Who marks the whole request marks its last block.
    last = found[-1]
    return [*found[:-1], Block(last.content, last.end, is_marked=True)]


def find_mark_fault(asked: CountBody) -> str:
    """Return what the provider would say of the marks, nothing when they are good."""
    blocks = [block for message in asked.messages for block in message.blocks]
    system = asked.system if isinstance(asked.system, list) else []
    marked = [one.cache_control for one in (asked, *asked.tools, *system, *blocks)]
    marks = sum(one is not None for one in marked)
    if marks <= _MOST_MARKS:
        return ""
    return f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marks}."


def _turn(role: str, block: ContentBlock) -> Turn:
    if role != "assistant":
        is_result = block.type == "tool_result"
        said = spoken(block.content) if is_result else block.text
        return Turn(Speaker.TOOL if is_result else Speaker.USER, said)
    if block.type != "tool_use":
        return Turn(Speaker.ASSISTANT, block.text)
    called = f"{block.name}({json.dumps(block.input, ensure_ascii=False)})"
    return Turn(Speaker.ASSISTANT, called)


def _instructed(blocks: Sequence[TextBlock]) -> Iterator[Block]:
    for number, block in enumerate(blocks, 1):
        yield _block("system", block, len(spoken(blocks[:number])))


def _said(asked: CountBody) -> Iterator[Block]:
    """Yield the blocks of the messages; their ends are those that `Conversation.words` has."""
    end, speaker, is_begun = len(spoken(asked.system)), None, False
    for message in asked.messages:
        for block, turn in zip(message.blocks, read_turns(message), strict=True):
            if turn.speaker is not speaker:
                # A turn begins on a line of its own, even when nothing is said in it.
                end, speaker, is_begun = end + 1, turn.speaker, False
            if turn.text:
                end, is_begun = end + len(turn.text) + is_begun, True
            yield _block(message.role, block, end)


def _block(role: str, block: TextBlock, end: int) -> Block:
    said = json.dumps(without_marks(block.model_dump(mode="json")), sort_keys=True)
    return Block(f"{role} {said}", end, block.cache_control is not None)


_SHOWN = ("image", "document")
_RESULT = "tool_result"
_PDF, _TEXT = "application/pdf", "text/plain"


class SourceBlock(Protocol):
    """A block that may have a source."""

    @property
    def type(self) -> str:
        """What sort of block it is."""
        ...

    @property
    def source(self) -> dict[str, object] | None:
        """What it shows."""
        ...


def find_fault(block: SourceBlock) -> str:
    """Return what the provider would say of an image or a document, nothing when it is good."""
    if block.type not in _SHOWN:
        return ""
    if block.source is None:
        return f"{block.type}.source: Field required"
    source = {name: value for name, value in block.source.items() if isinstance(value, str)}
    kind = source.get("type", "")
    path = f"{block.type}.source.{kind}"
    match kind:
        case "url":
            fetched = is_fetched(source.get("url", ""))
            return "" if fetched else f"{path}.url: Only HTTP URLs are supported"
        case "base64":
            return _base64_fault(source, path, IMAGES if block.type == "image" else (_PDF,))
        case "text" if block.type == "document":
            fits = source.get("media_type") == _TEXT and source.get("data")
            return "" if fits else f"{path}: Input should be some data with the type '{_TEXT}'"
        case "content" | "file":
            return ""
        case _:
            return (
                f"{block.type}.source: Input tag {kind!r} does not match any of the expected tags"
            )


def order_fault(kinds: Sequence[str], role: str) -> str:
    """Return what the provider would say of the order of blocks, and of what a model shows."""
    if role == "assistant":
        shown = [kind for kind in kinds if kind in _SHOWN]
        return f"`{shown[0]}` blocks are not allowed in assistant messages" if shown else ""
    others = [index for index, kind in enumerate(kinds) if kind != _RESULT]
    last = max((index for index, kind in enumerate(kinds) if kind == _RESULT), default=-1)
    if others and others[0] < last:
        return "`tool_result` blocks have to come before any other content"
    return ""


def _base64_fault(source: dict[str, str], path: str, taken: Sequence[str]) -> str:
    if source.get("media_type") not in taken:
        known = ", ".join(repr(one) for one in taken)
        return f"{path}.media_type: Input should be {known}"
    return "" if is_base64(source.get("data", "")) else f"{path}.data: Invalid base64 data"
