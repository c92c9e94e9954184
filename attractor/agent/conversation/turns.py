"""The turns of a session's history, and their messages (§2.4)."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime

from attractor.base.dataclasses import dataclass
from attractor.llm.messages import ContentKind, Message
from attractor.llm.request import ToolCall, ToolResult
from attractor.llm.response import Response, Usage


@dataclass(frozen=True)
class UserTurn:
    """An input of the user."""

    content: str
    timestamp: datetime


@dataclass(frozen=True)
class SteeringTurn:
    """A message to the model during its work."""

    content: str
    timestamp: datetime


@dataclass(frozen=True)
class SystemTurn:
    """An instruction of the application during the conversation."""

    content: str
    timestamp: datetime


@dataclass(frozen=True)
class AssistantTurn:
    """An answer of the model; `message` is sent back unchanged, including thinking."""

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
        """Return the turn of a response."""
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
    """The results of the tool calls of an answer, in order."""

    results: Sequence[ToolResult]
    timestamp: datetime


@dataclass(frozen=True)
class SummaryTurn:
    """A summary that replaces the first `replaced` turns of the history for the model."""

    content: str
    replaced: int
    timestamp: datetime


Turn = UserTurn | SteeringTurn | SystemTurn | AssistantTurn | ToolResultsTurn | SummaryTurn

OnTurn = Callable[[Turn], None]


def ignore_turn(turn: Turn) -> None:
    """Ignore a turn."""


def visible_turns(history: Sequence[Turn]) -> Sequence[Turn]:
    """Return the turns that the model gets: the last summary and the turns that it keeps."""
    for place in range(len(history) - 1, -1, -1):
        turn = history[place]
        if isinstance(turn, SummaryTurn):
            return [turn, *history[turn.replaced : place], *history[place + 1 :]]
    return history


def convert_history_to_messages(history: Sequence[Turn]) -> Sequence[Message]:
    """Return the messages of a history."""
    messages: list[Message] = []
    for turn in visible_turns(history):
        match turn:
            case UserTurn() | SteeringTurn() | SummaryTurn():
                messages.append(Message.user(turn.content))
            case SystemTurn():
                messages.append(Message.developer(turn.content))
            case AssistantTurn():
                # Providers reject messages without content.
                parts = turn.message.content
                if any(part.kind != ContentKind.TEXT or part.text for part in parts):
                    messages.append(turn.message)
            case ToolResultsTurn():
                messages += [
                    Message.tool_result(
                        result.tool_call_id,
                        result.content,
                        is_error=result.is_error,
                        image_data=result.image_data,
                        image_media_type=result.image_media_type,
                    )
                    for result in turn.results
                ]
    return messages


def tool_call_signatures(history: Sequence[Turn], *, last: int) -> Sequence[str]:
    """Return the names and arguments of the last tool calls, in order."""
    signatures: list[str] = []
    for turn in reversed(history):
        if len(signatures) >= last:
            break
        if isinstance(turn, AssistantTurn):
            signatures += [_signature(call) for call in reversed(turn.tool_calls)]
    return signatures[:last][::-1]


def size_of(turn: Turn) -> int:
    """Return the number of characters in a turn, to estimate its tokens (§5.5)."""
    if isinstance(turn, AssistantTurn):
        calls = (_signature(call) for call in turn.tool_calls)
        return len(turn.content) + len(turn.reasoning or "") + sum(map(len, calls))
    if isinstance(turn, ToolResultsTurn):
        return sum(len(str(result.content)) for result in turn.results)
    return len(turn.content)


def _signature(call: ToolCall) -> str:
    if call.fault:
        return f"{call.name} {call.raw_arguments}"
    return f"{call.name} {json.dumps(call.arguments, sort_keys=True)}"
