"""Writes the turns of a session as records, and reads them back."""

from collections.abc import Mapping
from datetime import datetime

from attractor.agent.turns import (
    AssistantTurn,
    SteeringTurn,
    SystemTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
)
from attractor.backends.message_records import answer_from_record, parts_to_record
from attractor.base.json import Json
from attractor.engine.errors import RecordBroken
from attractor.engine.json_files import Fields
from attractor.llm.response import FinishReason, Response, Usage
from attractor.llm.tools import ToolResult

_Said = type[UserTurn] | type[SteeringTurn] | type[SystemTurn]
_SAID: Mapping[str, _Said] = {"user": UserTurn, "steering": SteeringTurn, "system": SystemTurn}
_ANSWER, _RESULTS = "assistant", "tool_results"
_ENDED = FinishReason("stop")


def turn_to_record(turn: Turn) -> dict[str, Json]:
    """Return a turn as a line of a conversation has it."""
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
    """Read a turn back."""
    kind, time = fields.text("turn"), fields.time("time")
    if kind == _ANSWER:
        return _answer_from_record(fields, time)
    if kind == _RESULTS:
        return ToolResultsTurn(tuple(map(_result_from_record, fields.inners("results"))), time)
    if kind not in _SAID:
        raise RecordBroken(f"nobody takes a turn {kind!r} in a conversation")
    return _SAID[kind](fields.text("content"), time)


def _answer_from_record(fields: Fields, time: datetime) -> AssistantTurn:
    response = Response(
        id=fields.text("response"),
        # Who answered was not kept at first.
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
        raise RecordBroken("what a tool answered is neither a text nor an object nor a list")
    return ToolResult(fields.text("call"), content, fields.flag("is_error"))
