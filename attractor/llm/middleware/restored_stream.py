"""Puts secrets back into a stream, also where a placeholder comes in pieces."""

from collections.abc import Iterator
from dataclasses import replace

from attractor.llm.content import ContentPart
from attractor.llm.middleware.placeholders import Restoring
from attractor.llm.response import Response
from attractor.llm.stream_event import StreamEvent, StreamEventType
from attractor.llm.tools import ToolCall

_ENDS = (StreamEventType.FINISH, StreamEventType.ERROR)


def restored(response: Response, restoring: Restoring) -> Response:
    """Return an answer with its secrets: in texts and tool calls, not in what was thought."""
    said = [_part(one, restoring) for one in response.message.content]
    return replace(response, message=replace(response.message, content=said))


class RestoredStream:
    """Restores one stream event by event, and holds back what may be half a placeholder."""

    def __init__(self, restoring: Restoring) -> None:
        self._restoring = restoring
        # The newest event of each text and each call, with what is held back of it.
        self._held: dict[str, tuple[StreamEvent, str]] = {}

    def events(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """Yield what is to be told for one event of the provider."""
        match event.type:
            case StreamEventType.TEXT_DELTA:
                yield from self._piece(f"text {event.text_id}", event, event.delta or "")
            case StreamEventType.TOOL_CALL_DELTA if event.tool_call:
                piece = event.tool_call.raw_arguments or ""
                yield from self._piece(f"call {event.tool_call.id}", event, piece)
            case StreamEventType.TEXT_END:
                yield from self._rest(f"text {event.text_id}")
                yield self._whole(event)
            case _:
                for key in [*self._held] if event.type in _ENDS else []:
                    yield from self._rest(key)
                if event.tool_call and event.type == StreamEventType.TOOL_CALL_END:
                    yield from self._rest(f"call {event.tool_call.id}")
                yield self._whole(event)

    def _piece(self, key: str, event: StreamEvent, piece: str) -> Iterator[StreamEvent]:
        _, held = self._held.pop(key, (event, ""))
        text = held + piece
        begun = self._restoring.begun(text)
        if begun < len(text):
            self._held[key] = event, text[begun:]
            text = text[:begun]
        if text or not piece:
            yield self._told(event, text)

    def _rest(self, key: str) -> Iterator[StreamEvent]:
        if key in self._held:
            event, text = self._held.pop(key)
            yield self._told(event, text)

    def _told(self, event: StreamEvent, text: str) -> StreamEvent:
        if event.tool_call is None:
            return replace(event, delta=self._restoring.text(text))
        call = replace(event.tool_call, raw_arguments=self._restoring.written(text))
        return replace(event, tool_call=call)

    def _whole(self, event: StreamEvent) -> StreamEvent:
        if event.type == StreamEventType.TEXT_END and event.text is not None:
            return replace(event, text=self._restoring.text(event.text))
        if event.tool_call is not None:
            return replace(event, tool_call=self._call(event.tool_call))
        if event.response is not None:
            return replace(event, response=restored(event.response, self._restoring))
        return event

    def _call(self, call: ToolCall) -> ToolCall:
        arguments, raw = self._restoring.arguments(call.arguments), call.raw_arguments
        if isinstance(arguments, str):
            return call
        raw = raw and self._restoring.written(raw)
        return replace(call, arguments=arguments, raw_arguments=raw)


def _part(part: ContentPart, restoring: Restoring) -> ContentPart:
    if part.text is not None:
        return replace(part, text=restoring.text(part.text))
    if call := part.tool_call:
        return replace(part, tool_call=replace(call, arguments=restoring.arguments(call.arguments)))
    return part
