"""Reads the pieces in which litellm brings an answer, with its signed thoughts (7.7)."""

from collections.abc import Sequence
from dataclasses import replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.fields import Fields
from attractor.llm.providers import chat_stream
from attractor.llm.providers.chat_response import objects_or_none
from attractor.llm.providers.chat_stream import ChatStream
from attractor.llm.providers.litellm_response import BLOCKS
from attractor.llm.stream_event import StreamEvent
from attractor.llm.streaming import Step


@dataclass(frozen=True)
class LiteLLMStream:
    """The answer as far as it came, and its signed thoughts."""

    chat: ChatStream
    blocks: Sequence[JsonObject] = ()


def step(state: LiteLLMStream, chunk: Fields) -> Step[LiteLLMStream]:
    """Take one piece."""
    chat, told = chat_stream.step(state.chat, chunk)
    blocks = state.blocks
    for choice in objects_or_none(chunk, "choices")[:1]:
        for block in objects_or_none(choice.object("delta"), BLOCKS):
            blocks = _with_block(blocks, block.raw)
    return Step(replace(state, chat=chat, blocks=blocks), told)


def is_whole(state: LiteLLMStream) -> bool:
    """Tell whether the model said why it stopped."""
    return chat_stream.is_whole(state.chat)


def end(state: LiteLLMStream) -> Sequence[StreamEvent]:
    """Tell that all has come, nothing where it has not."""
    blocks: Json = [dict(one) for one in state.blocks]
    message = {**state.chat.message, **({BLOCKS: blocks} if blocks else {})}
    return chat_stream.end(replace(state.chat, message=message))


def _with_block(blocks: Sequence[JsonObject], piece: JsonObject) -> Sequence[JsonObject]:
    """Put a piece to the block it belongs to: a signature is the end of one."""
    last: JsonObject = blocks[-1] if blocks else {}
    is_open = last.get("type") == "thinking" and not last.get("signature")
    if not is_open or piece.get("type") != "thinking":
        return [*blocks, piece]
    text = str(last.get("thinking") or "") + str(piece.get("thinking") or "")
    return [*blocks[:-1], {**last, **piece, "thinking": text}]
