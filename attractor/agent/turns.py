"""The history of a session: its turns, and the messages they become (§2.4)."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.llm.messages import ContentKind, ContentPart, Message
from attractor.llm.response import Response, Usage
from attractor.llm.tools import ToolCall, ToolResult


@dataclass(frozen=True)
class UserTurn:
    """What the user asked for."""

    content: str
    timestamp: datetime


@dataclass(frozen=True)
class SteeringTurn:
    """What was said to the model while it was at work."""

    content: str
    timestamp: datetime


@dataclass(frozen=True)
class SystemTurn:
    """An instruction from the host, in the midst of the conversation."""

    content: str
    timestamp: datetime


@dataclass(frozen=True)
class AssistantTurn:
    """What the model answered; its message goes back to it as it came, thoughts included."""

    content: str
    tool_calls: Sequence[ToolCall]
    reasoning: str | None
    usage: Usage
    response_id: str
    message: Message
    timestamp: datetime
    provider: str = ""
    model: str = ""

    @classmethod
    def from_response(cls, response: Response, timestamp: datetime) -> "AssistantTurn":
        """Keep what a response holds."""
        return cls(
            response.text,
            tuple(response.tool_calls),
            response.reasoning,
            response.usage,
            response.id,
            response.message,
            timestamp,
            response.provider,
            response.model,
        )


@dataclass(frozen=True)
class ToolResultsTurn:
    """What came of the tool calls of one answer, in the order of the calls."""

    results: Sequence[ToolResult]
    timestamp: datetime


Turn = UserTurn | SteeringTurn | SystemTurn | AssistantTurn | ToolResultsTurn

OnTurn = Callable[[Turn], None]


def keep_nothing(turn: Turn) -> None:
    """Hear of a turn and do nothing."""


def convert_history_to_messages(history: Sequence[Turn]) -> Sequence[Message]:
    """Return the conversation as the model is given it."""
    return [message for turn in history for message in _messages(turn)]


def tool_call_signatures(history: Sequence[Turn], *, last: int) -> Sequence[str]:
    """Return the name and arguments of the last calls, the latest at the end."""
    signatures: list[str] = []
    for turn in reversed(history):
        if len(signatures) >= last:
            break
        if isinstance(turn, AssistantTurn):
            signatures += [_signature(call) for call in reversed(turn.tool_calls)]
    return signatures[:last][::-1]


def size_of(turn: Turn) -> int:
    """Return how many characters a turn has, for an estimate of its tokens (§5.5)."""
    if isinstance(turn, AssistantTurn):
        calls = (_signature(call) for call in turn.tool_calls)
        return len(turn.content) + len(turn.reasoning or "") + sum(map(len, calls))
    if isinstance(turn, ToolResultsTurn):
        return sum(len(str(result.content)) for result in turn.results)
    return len(turn.content)


def _messages(turn: Turn) -> Iterator[Message]:
    match turn:
        case UserTurn() | SteeringTurn():
            yield Message.user(turn.content)
        case SystemTurn():
            yield Message.developer(turn.content)
        case AssistantTurn():
            # An answer without any content is no message a provider takes back.
            if any(_says_something(part) for part in turn.message.content):
                yield turn.message
        case ToolResultsTurn():
            for one in turn.results:
                yield Message.tool_result(one.tool_call_id, one.content, is_error=one.is_error)


def _says_something(part: ContentPart) -> bool:
    return part.kind != ContentKind.TEXT or bool(part.text)


def _signature(call: ToolCall) -> str:
    if call.fault:
        return f"{call.name} {call.raw_arguments}"
    return f"{call.name} {json.dumps(call.arguments, sort_keys=True)}"
