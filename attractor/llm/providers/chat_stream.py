"""Reads a stream of Chat Completions (7.7, 7.10).

The pieces grow into the message that a whole answer would have. What the model thinks and says
comes by turns: one goes on until the other begins. Calls end when the answer does.
"""

from collections.abc import Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json, JsonObject
from attractor.llm.fields import Fields
from attractor.llm.headers import OPENAI_LIMITS, read_rate_limit
from attractor.llm.providers.chat_calls import CallsBegun, grow_calls
from attractor.llm.providers.chat_response import (
    THOUGHTS,
    Speaker,
    objects_or_none,
    raise_failure,
    read_id,
    read_response,
)
from attractor.llm.stream_event import StreamEvent, StreamEventType, StreamStart
from attractor.llm.streaming import Origin, Step, fields_of, finish, pass_on
from attractor.llm.transport import Reply

_TEXTS = ("content", "refusal")


@dataclass(frozen=True)
class ChatStream:
    """The answer as far as it came, and which of its texts is being told."""

    origin: Origin
    speaker: Speaker
    # For the ids that the server does not give.
    seed: str
    has_begun: bool = False
    body: JsonObject = field(default_factory=dict[str, Json])
    choice: JsonObject = field(default_factory=dict[str, Json])
    message: JsonObject = field(default_factory=dict[str, Json])
    calls: CallsBegun = CallsBegun()
    # The field that goes on, where in it the present turn began, and how many turns there were.
    open: str = ""
    since: int = 0
    turns: int = 0


def step(state: ChatStream, event: Fields) -> Step[ChatStream]:
    """Take one chunk of the answer."""
    raise_failure(event, state.origin.provider)
    if not {"choices", "usage"} & event.raw.keys():
        return Step(state, [pass_on(event.raw)])
    state = replace(state, body={**state.body, **_said(event.raw, but="choices")})
    told: list[StreamEvent] = []
    for choice in objects_or_none(event, "choices"):
        # Options may ask for more answers than one; the first is the answer.
        if not choice.count("index"):
            state, more = _choice(state, choice)
            told += more
    return Step(state, told)


def is_whole(state: ChatStream) -> bool:
    """Tell whether the model said why it stopped."""
    return bool(state.choice.get("finish_reason"))


def end(state: ChatStream) -> Sequence[StreamEvent]:
    """Tell that the answer is whole, if the model said why it stopped."""
    if not is_whole(state):
        return ()
    origin = state.origin
    calls: list[Json] = [dict(one) for one in state.calls.made]
    message: Json = {**state.message, **({"tool_calls": calls} if calls else {})}
    choices: Json = [{**state.choice, "message": message}]
    whole = {**state.body, "object": "chat.completion", "choices": choices}
    response = read_response(
        Reply(fields_of(whole, provider=origin.provider), origin.headers),
        origin.warnings,
        speaker=state.speaker,
        seed=state.seed,
    )
    ended = [
        StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call) for call in response.tool_calls
    ]
    return [*_closing(state), *ended, finish(response)]


def _said(raw: JsonObject, *, but: str) -> dict[str, Json]:
    return {key: value for key, value in raw.items() if key != but and value is not None}


def _choice(state: ChatStream, choice: Fields) -> Step[ChatStream]:
    told = [] if state.has_begun else [_start(state)]
    merged = {**state.choice, **_said(choice.raw, but="delta")}
    state = replace(state, has_begun=True, choice=merged)
    delta = choice.object("delta")
    role = delta.text_or_none("role")
    if role:
        state = replace(state, message={**state.message, "role": role})
    pieces = [(name, delta.text_or_none(name)) for name in (*THOUGHTS, *_TEXTS)]
    if pieces[0][1]:
        # Some servers tell a thought under both names.
        del pieces[1]
    for name, piece in pieces:
        if piece:
            state, more = _grow(state, name, piece)
            told += more
    state, more = _call(state, delta)
    return Step(state, [*told, *more])


def _start(state: ChatStream) -> StreamEvent:
    origin = state.origin
    body = fields_of(state.body, provider=origin.provider)
    start = StreamStart(
        read_id(body, state.seed),
        state.speaker.model_of(body),
        origin.provider,
        origin.warnings,
        read_rate_limit(origin.headers, OPENAI_LIMITS),
    )
    return StreamEvent(StreamEventType.STREAM_START, start=start)


def _grow(state: ChatStream, name: str, piece: str) -> Step[ChatStream]:
    before = str(state.message.get(name, ""))
    grown = replace(state, message={**state.message, name: before + piece})
    if state.open == name:
        return Step(grown, [_delta(grown, piece)])
    turned = replace(grown, open=name, since=len(before), turns=state.turns + 1)
    is_thought = name in THOUGHTS
    kind = StreamEventType.REASONING_START if is_thought else StreamEventType.TEXT_START
    begun = StreamEvent(kind, text_id=None if is_thought else _text_id(turned))
    return Step(turned, [*_closing(state), begun, _delta(turned, piece)])


def _delta(state: ChatStream, piece: str) -> StreamEvent:
    if state.open in THOUGHTS:
        return StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=piece)
    return StreamEvent(StreamEventType.TEXT_DELTA, delta=piece, text_id=_text_id(state))


def _closing(state: ChatStream) -> Sequence[StreamEvent]:
    if not state.open:
        return ()
    text = str(state.message[state.open])[state.since :]
    if state.open in THOUGHTS:
        return [StreamEvent(StreamEventType.REASONING_END, text=text)]
    return [StreamEvent(StreamEventType.TEXT_END, text_id=_text_id(state), text=text)]


def _text_id(state: ChatStream) -> str:
    return f"text_{state.turns}"


def _call(state: ChatStream, delta: Fields) -> Step[ChatStream]:
    pieces = objects_or_none(delta, "tool_calls")
    if not pieces:
        return Step(state)
    calls, told = grow_calls(state.calls, pieces, state.seed)
    closing = _closing(state)
    return Step(replace(state, calls=calls, open=""), [*closing, *told])
