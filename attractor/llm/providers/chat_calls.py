"""Puts together the calls of tools that Chat Completions stream in pieces (7.10).

A piece says by its index to which call it belongs. Servers differ: some leave the index out, some
give every call the same one, some leave ids out, and some write arguments as an object.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.fields import Fields
from attractor.llm.providers.chat_response import call_id
from attractor.llm.stream_event import StreamEvent, StreamEventType
from attractor.llm.streaming import Step
from attractor.llm.tools import ToolCall


@dataclass(frozen=True)
class CallsBegun:
    """The calls as far as they came, as a whole answer has them, and which index means which."""

    made: Sequence[JsonObject] = ()
    places: Mapping[int, int] = field(default_factory=dict[int, int])


def grow_calls(calls: CallsBegun, pieces: Sequence[Fields], seed: str) -> Step[CallsBegun]:
    """Take what a chunk brings of calls; the seed makes the ids that are left out."""
    told: list[StreamEvent] = []
    for piece in pieces:
        calls, more = _grow(calls, piece, seed)
        told += more
    return Step(calls, told)


def _grow(calls: CallsBegun, piece: Fields, seed: str) -> Step[CallsBegun]:
    index, function = piece.count_or_none("index"), piece.object("function")
    place = _place(calls, piece, index)
    known = calls.made[place] if place < len(calls.made) else _begun(piece, seed, place)
    name = _name(known) or function.text_or_none("name") or ""
    arguments = _longer(_arguments(known), function)
    call: JsonObject = {
        **known,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    made = [*calls.made[:place], call, *calls.made[place + 1 :]]
    places = calls.places if index is None else {**calls.places, index: place}
    return Step(CallsBegun(made, places), _told(known, call, function))


def _begun(piece: Fields, seed: str, place: int) -> JsonObject:
    return {"id": piece.text_or_none("id") or call_id(seed, place)}


def _place(calls: CallsBegun, piece: Fields, index: int | None) -> int:
    """Return which call a piece belongs to; a new one stands behind all others."""
    own_id, name = piece.text_or_none("id"), piece.object("function").text_or_none("name")
    last = len(calls.made) - 1
    place = last if index is None else calls.places.get(index, len(calls.made))
    if not 0 <= place <= last:
        return len(calls.made)
    if not name or own_id == calls.made[place]["id"]:
        return place
    # A name begins a call, unless it is only repeated behind an index.
    is_repeated = not own_id and index is not None
    return place if is_repeated or not _name(calls.made[place]) else len(calls.made)


def _name(call: JsonObject) -> str:
    function = call.get("function")
    return str(function["name"]) if isinstance(function, dict) else ""


def _arguments(call: JsonObject) -> Json:
    function = call.get("function")
    return function["arguments"] if isinstance(function, dict) else ""


def _longer(known: Json, function: Fields) -> Json:
    given = function.raw.get("arguments")
    if isinstance(given, dict):
        return given
    piece = function.text_or_none("arguments") or ""
    return known + piece if isinstance(known, str) else known


def _told(known: JsonObject, call: JsonObject, function: Fields) -> Sequence[StreamEvent]:
    """A call is told of when its name is known, with what came of its arguments until then."""
    name = _name(call)
    if not name:
        return ()
    has_begun = bool(_name(known))
    given = function.raw.get("arguments") if has_begun else _arguments(call)
    piece = given if isinstance(given, str) else json.dumps(given) if given else ""
    bare = ToolCall(str(call["id"]), name, {})
    begun = [] if has_begun else [StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=bare)]
    if not piece:
        return begun
    told = ToolCall(bare.id, name, {}, piece)
    return [*begun, StreamEvent(StreamEventType.TOOL_CALL_DELTA, tool_call=told)]
