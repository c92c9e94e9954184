"""Reads a stream of OpenAI's Responses API (7.7)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.content import ContentPart
from attractor.llm.fields import Fields
from attractor.llm.headers import OPENAI_LIMITS, read_rate_limit
from attractor.llm.providers.openai_response import failure, read_item, read_response
from attractor.llm.stream_event import StreamEvent, StreamEventType, StreamStart
from attractor.llm.streaming import Origin, Step, fields_of, finish, pass_on
from attractor.llm.tools import ToolCall
from attractor.llm.transport import Reply

_PARAGRAPH = "\n\n"


@dataclass(frozen=True)
class OpenAIStream:
    """What is known of an answer so far; the provider repeats everything when it is whole."""

    origin: Origin
    # Texts, thoughts and calls that were begun, and thoughts of which something was shown.
    told: frozenset[str] = frozenset()
    calls: Mapping[int, ToolCall] = field(default_factory=dict[int, ToolCall])
    items: Mapping[int, JsonObject] = field(default_factory=dict[int, JsonObject])

    def telling(self, *keys: str) -> "OpenAIStream":
        """Return the state in which these were told of."""
        return replace(self, told=self.told | {*keys}) if self.told.isdisjoint(keys) else self


def step(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    """Take one event of the server."""
    return _STEPS.get(event.text("type"), _other)(state, event)


def end(state: OpenAIStream) -> Sequence[StreamEvent]:
    """Tell nothing: the provider says itself when it is done."""
    return ()


def _other(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    return Step(state, [pass_on(event.raw)])


def _created(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    origin, body = state.origin, event.object("response")
    limits = read_rate_limit(origin.headers, OPENAI_LIMITS)
    start = StreamStart(
        body.text("id"), body.text("model"), origin.provider, origin.warnings, limits
    )
    return Step(state, [StreamEvent(StreamEventType.STREAM_START, start=start)])


def _item_added(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index, item = event.count("output_index"), event.object("item")
    match item.text("type"):
        case "function_call":
            call = ToolCall(item.text("call_id"), item.text("name"), {})
            begun = replace(state, calls={**state.calls, index: call})
            return Step(begun, [StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=call)])
        case "reasoning":
            begun = state.telling(_thought(index))
            return Step(begun, [StreamEvent(StreamEventType.REASONING_START)])
        case "message":
            return Step(state)
        case _:
            return _other(state, event)


def _text_delta(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    key = _text(event.count("output_index"), event.count("content_index"))
    begun = [] if key in state.told else [StreamEvent(StreamEventType.TEXT_START, text_id=key)]
    piece = StreamEvent(StreamEventType.TEXT_DELTA, delta=event.text("delta"), text_id=key)
    return Step(state.telling(key), [*begun, piece])


def _thought_delta(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index = event.count("output_index")
    return _think(state, index, event.text("delta"))


def _thought_part(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    if not event.count("summary_index"):
        return Step(state)
    return _think(state, event.count("output_index"), _PARAGRAPH)


def _think(state: OpenAIStream, index: int, piece: str) -> Step[OpenAIStream]:
    key = _thought(index)
    begun = [] if key in state.told else [StreamEvent(StreamEventType.REASONING_START)]
    shown = StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=piece)
    return Step(state.telling(key).telling(_shown(index)), [*begun, shown])


def _arguments_delta(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    call = state.calls.get(event.count("output_index"))
    if call is None:
        raise event.unlike("output_index", "that of a call which has begun")
    piece = replace(call, raw_arguments=event.text("delta"))
    return Step(state, [StreamEvent(StreamEventType.TOOL_CALL_DELTA, tool_call=piece)])


def _item_done(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    index, item = event.count("output_index"), event.object("item")
    parts = list(read_item(item, state.origin.provider))
    known = replace(state, items={**state.items, index: item.raw})
    match item.text("type"):
        case "message":
            told = [one for n, part in enumerate(parts) for one in _said(state, index, n, part)]
            return Step(known.telling(*(_text(index, n) for n, _ in enumerate(parts))), told)
        case "function_call":
            return Step(known, _called(state, index, parts[0]))
        case "reasoning":
            return Step(known, _thought_of(state, index, parts[0]))
        case _:
            return _other(known, event)


def _said(state: OpenAIStream, index: int, n: int, part: ContentPart) -> Sequence[StreamEvent]:
    key = _text(index, n)
    ended = StreamEvent(StreamEventType.TEXT_END, text_id=key, text=part.text)
    if key in state.told:
        return [ended]
    begun = StreamEvent(StreamEventType.TEXT_START, text_id=key)
    return [begun, StreamEvent(StreamEventType.TEXT_DELTA, delta=part.text, text_id=key), ended]


def _called(state: OpenAIStream, index: int, part: ContentPart) -> Sequence[StreamEvent]:
    if part.tool_call is None:
        return ()
    call = ToolCall.from_data(part.tool_call)
    ended = StreamEvent(StreamEventType.TOOL_CALL_END, tool_call=call)
    if index in state.calls:
        return [ended]
    begun = ToolCall(call.id, call.name, {})
    return [StreamEvent(StreamEventType.TOOL_CALL_START, tool_call=begun), ended]


def _thought_of(state: OpenAIStream, index: int, part: ContentPart) -> Sequence[StreamEvent]:
    text = part.thinking.text if part.thinking else ""
    told: list[StreamEvent] = []
    if _thought(index) not in state.told:
        told.append(StreamEvent(StreamEventType.REASONING_START))
    if text and _shown(index) not in state.told:
        told.append(StreamEvent(StreamEventType.REASONING_DELTA, reasoning_delta=text))
    return [*told, StreamEvent(StreamEventType.REASONING_END, text=text)]


def _whole(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    origin = state.origin
    raw = {**event.object("response").raw}
    raw["status"] = event.text("type").rpartition(".")[2]
    if not raw.get("output"):
        # Some gateways do not repeat what they have said.
        raw["output"] = [dict(state.items[index]) for index in sorted(state.items)]
    reply = Reply(fields_of(raw, provider=origin.provider), origin.headers)
    response = read_response(reply, origin.warnings, provider=origin.provider)
    return Step(state, [finish(response)])


def _error(state: OpenAIStream, event: Fields) -> Step[OpenAIStream]:
    # The words stand in the event itself, or as they would in an answer that failed at once.
    details = event if event.raw.get("error") is None else event.object("error")
    raise failure(details, state.origin.provider, event.raw)


def _text(index: int, n: int) -> str:
    return f"text_{index}_{n}"


def _thought(index: int) -> str:
    return f"thought_{index}"


def _shown(index: int) -> str:
    return f"shown_{index}"


_STEPS: Mapping[str, Callable[[OpenAIStream, Fields], Step[OpenAIStream]]] = {
    "response.created": _created,
    "response.output_item.added": _item_added,
    "response.output_text.delta": _text_delta,
    "response.refusal.delta": _text_delta,
    "response.reasoning_summary_part.added": _thought_part,
    "response.reasoning_summary_text.delta": _thought_delta,
    "response.function_call_arguments.delta": _arguments_delta,
    "response.output_item.done": _item_done,
    "response.completed": _whole,
    "response.incomplete": _whole,
    "response.failed": _whole,
    "error": _error,
}
