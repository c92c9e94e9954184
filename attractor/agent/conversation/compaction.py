"""Replaces old turns by a summary of the model, when the context window is nearly full."""

import json
from collections.abc import Iterator, Sequence

from attractor.agent.conversation.state import SessionConversation
from attractor.agent.conversation.turns import (
    AssistantTurn,
    SummaryTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
    size_of,
    visible_turns,
)
from attractor.agent.errors import SummaryMissing
from attractor.agent.events import EventKind
from attractor.agent.prompts import render_prompt
from attractor.llm.messages import Message
from attractor.llm.request import Request
from attractor.llm.retry_policy import retry

_CHARS_PER_TOKEN = 4
# Shares of the context window: turns that stay as they are, and the text to summarize.
_KEPT, _SUMMARIZED = 0.2, 0.5
_LONGEST_PIECE = 2_000
_NO_SUMMARY = "the model returned no summary of the conversation"


async def compact(conversation: SessionConversation, *, is_overflow: bool = False) -> bool:
    """Summarize the old turns; return whether there were any.

    After an overflow, only the last answer with its results is kept, because the real size of the
    context window is unknown.
    """
    history = conversation.history
    window = conversation.profile.traits.context_window_size * _CHARS_PER_TOKEN
    begin = first_kept(history, 0 if is_overflow else int(window * _KEPT))
    replaced = visible_turns(history[:begin])
    if not replaced or (len(replaced) == 1 and isinstance(replaced[0], SummaryTurn)):
        return False
    if conversation.has_warned(_NO_SUMMARY) and not is_overflow:
        # Each attempt costs a call.
        return False
    text = await _summarize(conversation, describe_turns(replaced, int(window * _SUMMARIZED)))
    if not text and not is_overflow:
        # There is room left, so the work goes on; a full window ends the session.
        conversation.warn_once(_NO_SUMMARY, _NO_SUMMARY)
        return False
    if not text:
        raise SummaryMissing(_NO_SUMMARY)
    before = conversation.context_share
    conversation.add(SummaryTurn(text, begin, conversation.clock.now()))
    conversation.emit(
        EventKind.COMPACTION,
        turns=len(replaced),
        before=round(before, 3),
        after=round(conversation.context_share, 3),
        summary=text,
    )
    return True


def first_kept(history: Sequence[Turn], longest: int) -> int:
    """Return the place of the first turn that stays: about the last `longest` characters.

    A tool result stays with its call, and the last answer with its results always stays.
    """
    begin, size = len(history), 0
    for place in range(len(history) - 1, -1, -1):
        turn = history[place]
        if isinstance(turn, SummaryTurn):
            break
        size += size_of(turn)
        if size > longest and begin < len(history):
            break
        if not isinstance(turn, ToolResultsTurn):
            begin = place
    return begin


def describe_turns(turns: Sequence[Turn], longest: int) -> str:
    """Return turns as a text of about `longest` characters; the middle is omitted if necessary."""
    pieces = [piece for turn in turns for piece in _pieces(turn)]
    head, tail, size = list[str](), list[str](), 0
    first, last = 0, len(pieces) - 1
    while first <= last:
        # The task is at the beginning, and the state of the work at the end.
        is_head = sum(map(len, head)) * 3 < size
        piece = pieces[first if is_head else last]
        size += len(piece)
        if size > longest:
            head.append(f"[{last - first + 1} parts of the conversation omitted]")
            break
        if is_head:
            head.append(piece)
            first += 1
        else:
            tail.append(piece)
            last -= 1
    return "\n\n".join([*head, *reversed(tail)])


def _pieces(turn: Turn) -> Iterator[str]:
    match turn:
        case AssistantTurn():
            if turn.content.strip():
                yield f"[assistant]\n{turn.content}"
            for call in turn.tool_calls:
                arguments = json.dumps(call.arguments, ensure_ascii=False)
                yield f"[tool call] {call.name} {_short(arguments)}"
        case ToolResultsTurn():
            for result in turn.results:
                kind = "tool error" if result.is_error else "tool result"
                yield f"[{kind}]\n{_short(str(result.content))}"
        case UserTurn():
            yield f"[user]\n{turn.content}"
        case SummaryTurn():
            yield f"[summary of earlier work]\n{turn.content}"
        case _:
            yield f"[message]\n{turn.content}"


def _short(text: str) -> str:
    if len(text) <= _LONGEST_PIECE:
        return text
    half = _LONGEST_PIECE // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters omitted ...]\n{text[-half:]}"


async def _summarize(conversation: SessionConversation, text: str) -> str:
    profile = conversation.profile
    asked = f"{render_prompt('compaction')}\n\n<conversation>\n{text}\n</conversation>"
    request = Request(
        model=profile.model,
        messages=[Message.user(asked)],
        provider=profile.id,
        reasoning_effort=conversation.config.reasoning_effort,
        provider_options=profile.provider_options(),
    )
    response = await retry(
        lambda: conversation.client.complete(request),
        policy=conversation.config.retry_policy,
        clock=conversation.clock,
    )
    conversation.spend(response.usage, response.provider, response.model)
    if not response.text.strip():
        return ""
    return f"{render_prompt('compacted')}\n\n{response.text.strip()}"
