"""What a request to Anthropic's Messages API says, block by block, and which are marked."""

import json
from collections.abc import Iterator, Sequence

from attractor.twins.conversation import Block, Speaker, Turn
from attractor.twins.prompt_cache import without_marks
from attractor.twins.wires.anthropic_body import ContentBlock, CountBody, SaidMessage, TextBlock
from attractor.twins.wires.bodies import spoken

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
