"""Records of an agent's events in the stage's transcript and the journal.

Answers are recorded so that they can be sent back to the model, with the provider's own data.
Provider data in which a secret was redacted is dropped, because the provider would reject the data.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from attractor.agent.session_state import EventKind, SessionEvent
from attractor.agent.tool_execution import TruncationMode, truncate_output
from attractor.agent.turns import (
    AssistantTurn,
    SteeringTurn,
    SystemTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
)
from attractor.backends.agent_report import REPORT_OUTCOME, Reporting
from attractor.base.errors import UsageError
from attractor.base.json import Json, JsonObject
from attractor.engine.errors import RecordBroken
from attractor.engine.seams import Stage
from attractor.engine.storage.json_files import Fields
from attractor.engine.storage.secrets import PLACEHOLDER
from attractor.llm.messages import (
    ContentKind,
    ContentPart,
    Message,
    ProviderData,
    Role,
    ThinkingData,
    ToolCallData,
)
from attractor.llm.request import ToolResult
from attractor.llm.response import FinishReason, Response, Usage

TRANSCRIPT = "transcript.jsonl"
# An endless output of one tool must not displace the output of the others.
LONGEST_IN_TRANSCRIPT = 100_000
LONGEST_IN_JOURNAL = 500


class Record:
    """Records the events of a session."""

    def __init__(self, stage: Stage, reporting: Reporting) -> None:
        self._stage = stage
        self._reporting = reporting

    def take(self, event: SessionEvent) -> None:
        """Record an event; a refused report is also passed to `refused`."""
        told = {
            "time": event.timestamp.isoformat(),
            "session": event.session_id,
            "kind": event.kind.value,
        }
        line = told | _shortened(event.data, LONGEST_IN_TRANSCRIPT)
        self._stage.files.append(TRANSCRIPT, json.dumps(line, ensure_ascii=False))
        self._stage.emit(event.kind.value, **_shortened(event.data, LONGEST_IN_JOURNAL))
        error = event.data.get("error")
        is_report = event.data.get("tool_name") == REPORT_OUTCOME
        if event.kind is EventKind.TOOL_CALL_END and is_report and isinstance(error, str):
            self._reporting.refuse(error)


def _shortened(data: JsonObject, longest: int) -> dict[str, Json]:
    return {name: _short(value, longest) for name, value in data.items()}


def _short(value: Json, longest: int) -> Json:
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)
        return value if len(text) <= longest else _cut(text, longest)
    return _cut(value, longest) if isinstance(value, str) else value


def _cut(text: str, longest: int) -> str:
    return truncate_output(text, longest, TruncationMode.HEAD_TAIL)


_MEDIA = (ContentKind.IMAGE, ContentKind.AUDIO, ContentKind.DOCUMENT, ContentKind.TOOL_RESULT)


def parts_to_record(parts: Iterable[ContentPart]) -> list[Json]:
    """Return the parts of an answer as a record, without the data of images."""
    return [_part_to_record(one) for one in parts]


def answer_from_record(parts: Iterable[Fields]) -> Message:
    """Return an answer from its record, without parts that providers would reject."""
    read = (_part_from_record(one) for one in parts)
    return Message(Role.ASSISTANT, tuple(part for part in read if not _is_spoilt(part)))


def _part_to_record(part: ContentPart) -> dict[str, Json]:
    if part.kind in _MEDIA:
        return {"kind": ContentKind.TEXT.value, "text": f"[{part.kind} omitted]"}
    record: dict[str, Json] = {"kind": str(part.kind)}
    if part.text is not None:
        record["text"] = part.text
    if call := part.tool_call:
        arguments = call.arguments
        record["call"] = {
            "id": call.id,
            "name": call.name,
            "type": call.type,
            "arguments": arguments if isinstance(arguments, str) else dict(arguments),
        }
    if thought := part.thinking:
        record["thinking"] = {
            "text": thought.text,
            "signature": thought.signature,
            "redacted": thought.redacted,
        }
    if own := part.provider_data:
        record["own"] = {"provider": own.provider, "item": dict(own.item), "model": own.model}
    return record


def _part_from_record(fields: Fields) -> ContentPart:
    kind = fields.text("kind")
    try:
        return ContentPart(
            ContentKind(kind) if kind in list(ContentKind) else kind,
            text=fields.text("text") if fields.has("text") else None,
            tool_call=_call(fields.inner("call")) if fields.has("call") else None,
            thinking=_thought(fields.inner("thinking")) if fields.has("thinking") else None,
            provider_data=_own(fields.inner("own")) if fields.has("own") else None,
        )
    except UsageError as cause:
        raise RecordBroken(f"invalid answer of a model: {cause.message}") from cause


def _call(fields: Fields) -> ToolCallData:
    text = fields.all().get("arguments")
    arguments: JsonObject | str = text if isinstance(text, str) else fields.members("arguments")
    return ToolCallData(fields.text("id"), fields.text("name"), arguments, fields.text("type"))


def _thought(fields: Fields) -> ThinkingData:
    signature = fields.text("signature") if fields.has("signature") else None
    return ThinkingData(fields.text("text"), signature, fields.flag("redacted"))


def _own(fields: Fields) -> ProviderData:
    model = fields.text("model") if fields.has("model") else None
    return ProviderData(fields.text("provider"), fields.members("item"), model)


def _is_spoilt(part: ContentPart) -> bool:
    """Return whether a secret was redacted in the provider data of a part."""
    if part.thinking:
        return PLACEHOLDER in part.thinking.text or PLACEHOLDER in (part.thinking.signature or "")
    if part.provider_data:
        return PLACEHOLDER in json.dumps(part.provider_data.item, ensure_ascii=False)
    return False


_Said = type[UserTurn] | type[SteeringTurn] | type[SystemTurn]
_SAID: Mapping[str, _Said] = {"user": UserTurn, "steering": SteeringTurn, "system": SystemTurn}
_ANSWER, _RESULTS = "assistant", "tool_results"
_ENDED = FinishReason("stop")


def turn_to_record(turn: Turn) -> dict[str, Json]:
    """Return the record of a turn."""
    time = turn.timestamp.isoformat()
    match turn:
        case AssistantTurn():
            return {
                "turn": _ANSWER,
                "time": time,
                "response": turn.response_id,
                "provider": turn.provider,
                "model": turn.model,
                "input_tokens": turn.usage.input_tokens,
                "output_tokens": turn.usage.output_tokens,
                "parts": parts_to_record(turn.message.content),
            }
        case ToolResultsTurn():
            return {"turn": _RESULTS, "time": time, "results": [*map(_result, turn.results)]}
        case UserTurn() | SteeringTurn() | SystemTurn():
            name = next(name for name, kind in _SAID.items() if isinstance(turn, kind))
            return {"turn": name, "time": time, "content": turn.content}


def turn_from_record(fields: Fields) -> Turn:
    """Return a turn from its record."""
    kind, time = fields.text("turn"), fields.time("time")
    if kind == _ANSWER:
        return _answer_from_record(fields, time)
    if kind == _RESULTS:
        return ToolResultsTurn(tuple(map(_result_from_record, fields.inners("results"))), time)
    if kind not in _SAID:
        raise RecordBroken(f"unknown kind of turn {kind!r}")
    return _SAID[kind](fields.text("content"), time)


def _answer_from_record(fields: Fields, time: datetime) -> AssistantTurn:
    response = Response(
        id=fields.text("response"),
        # Older records do not contain the provider and the model.
        model=fields.text("model") if fields.has("model") else "",
        provider=fields.text("provider") if fields.has("provider") else "",
        message=answer_from_record(fields.inners("parts")),
        finish_reason=_ENDED,
        usage=Usage(fields.number("input_tokens"), fields.number("output_tokens")),
    )
    return AssistantTurn.from_response(response, time)


def _result(result: ToolResult) -> Json:
    content = result.content
    if isinstance(content, Mapping):
        content = dict(content)
    elif not isinstance(content, str):
        content = list(content)
    return {"call": result.tool_call_id, "is_error": result.is_error, "content": content}


def _result_from_record(fields: Fields) -> ToolResult:
    content = fields.all().get("content")
    if not isinstance(content, str | list | dict):
        raise RecordBroken("the result of a tool must be a text, an object or a list")
    return ToolResult(fields.text("call"), content, fields.flag("is_error"))
