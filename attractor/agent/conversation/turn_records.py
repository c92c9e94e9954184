"""Turns as JSON records, from which a session can be continued (§2.4)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from attractor.agent.conversation.turns import (
    AssistantTurn,
    SteeringTurn,
    SummaryTurn,
    SystemTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
)
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.base.records import read_record, write_record
from attractor.llm.messages import ContentKind, ContentPart, Message
from attractor.llm.request import ToolResult
from attractor.llm.response import FinishReason, Response, Usage

_MEDIA = (ContentKind.IMAGE, ContentKind.AUDIO, ContentKind.DOCUMENT, ContentKind.TOOL_RESULT)
_ENDED = FinishReason("stop")


@dataclass(frozen=True)
class _Answer:
    """The fields of an AssistantTurn from which the others follow."""

    timestamp: datetime
    message: Message
    usage: Usage = Usage()
    response_id: str = ""
    provider: str = ""
    model: str = ""

    def turn(self) -> AssistantTurn:
        response = Response(
            id=self.response_id,
            model=self.model,
            provider=self.provider,
            message=self.message,
            finish_reason=_ENDED,
            usage=self.usage,
        )
        return AssistantTurn.from_response(response, self.timestamp)


_Kind = (
    type[UserTurn]
    | type[SteeringTurn]
    | type[SystemTurn]
    | type[SummaryTurn]
    | type[ToolResultsTurn]
    | type[_Answer]
)
_KINDS: Mapping[str, _Kind] = {
    "user": UserTurn,
    "steering": SteeringTurn,
    "system": SystemTurn,
    "summary": SummaryTurn,
    "tool_results": ToolResultsTurn,
    "assistant": _Answer,
}


def turn_to_record(turn: Turn) -> dict[str, Json]:
    """Return the record of a turn, without the data of images."""
    value: Turn | _Answer = turn
    if isinstance(turn, ToolResultsTurn):
        value = replace(turn, results=tuple(map(_without_image, turn.results)))
    elif isinstance(turn, AssistantTurn):
        message = replace(turn.message, content=tuple(map(_without_media, turn.message.content)))
        usage = replace(turn.usage, raw=None)
        value = _Answer(turn.timestamp, message, usage, turn.response_id, turn.provider, turn.model)
    name = next(name for name, kind in _KINDS.items() if isinstance(value, kind))
    return {"turn": name, **write_record(value)}


def turn_from_record(record: JsonObject) -> Turn:
    """Return the turn of a record, or raise a UsageError."""
    kind = record.get("turn")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise UsageError(f"unknown kind of turn {kind!r}")
    fields = {name: value for name, value in record.items() if name != "turn"}
    value = read_record(_KINDS[kind], fields)
    return value.turn() if isinstance(value, _Answer) else value


def _without_media(part: ContentPart) -> ContentPart:
    if part.kind in _MEDIA:
        return ContentPart(ContentKind.TEXT, text=f"[{part.kind} omitted]")
    return part


def _without_image(result: ToolResult) -> ToolResult:
    if result.image_data is None:
        return result
    content = f"{result.content}\n[image omitted]"
    return replace(result, content=content, image_data=None, image_media_type=None)
