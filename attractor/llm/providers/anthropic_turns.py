"""Writes a conversation as Anthropic wants it: user and assistant by turns (7.3)."""

from collections.abc import Iterator, Sequence

from attractor.base.json import Json
from attractor.llm.message import Message, Role
from attractor.llm.providers.anthropic_content import write_parts
from attractor.llm.providers.refusals import INSTRUCTIONS

_SHOWN = ("image", "document")


def write_turns(messages: Sequence[Message], provider: str, model: str) -> list[Json]:
    """Write user and assistant by turns: neighbours of one role become one message."""
    turns: list[tuple[str, list[Json]]] = []
    for role, blocks in _said(messages, provider, model):
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    return [{"role": role, "content": _results_first(blocks)} for role, blocks in turns]


def _said(
    messages: Sequence[Message], provider: str, model: str
) -> Iterator[tuple[str, list[Json]]]:
    for message in messages:
        if message.role in INSTRUCTIONS:
            continue
        blocks = list(write_parts(message.content, message.role, provider, model))
        if message.role is Role.ASSISTANT:
            # Models of others may have made images; here only users show something.
            yield "assistant", [one for one in blocks if _type(one) not in _SHOWN]
            blocks = [one for one in blocks if _type(one) in _SHOWN]
        yield "user", blocks


def _results_first(blocks: list[Json]) -> list[Json]:
    # The provider refuses results that stand behind other words.
    return sorted(blocks, key=lambda one: _type(one) != "tool_result")


def _type(block: Json) -> Json:
    return block.get("type") if isinstance(block, dict) else None
