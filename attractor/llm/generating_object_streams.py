"""Tells an object while a model is still writing it, and checks it when it is whole (4.6)."""

import re
from typing import Self, TypeAlias, Unpack

from attractor.base.json import JsonObject
from attractor.llm.generate_result import GenerateResult
from attractor.llm.generating_objects import read_object, read_object_generation
from attractor.llm.generating_streams import stream_generation
from attractor.llm.generation import GenerateOptions
from attractor.llm.growing_object import GrowingObject
from attractor.llm.stream_event import StreamEvent, StreamEventType
from attractor.llm.stream_result import StreamResult

# The method of this name hides the type in its class.
_Exit: TypeAlias = object
_BEGINNING = re.compile(r"^[ \t]*(?=\{)", re.MULTILINE)


def stream_object(
    model: str,
    prompt: str | None = None,
    *,
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> "ObjectStreamResult":
    """Ask a model for an object and see it grow; at its end it is valid against the schema.

    It takes what `generate_object` takes, and asks when the first part is asked for.
    """
    wanted = read_object_generation(model, prompt, schema, options)
    return ObjectStreamResult(stream_generation(wanted), schema)


class ObjectStreamResult:
    """The object as far as it is sure, again and again; each holds what the one before held.

    The last one is whole and valid, or a NoObjectGeneratedError is raised. What is whole within is
    shared among them: change nothing in them.
    """

    def __init__(self, events: StreamResult, schema: JsonObject) -> None:
        self._events = events
        self._schema = schema
        self._writing = _Writing()
        self._partial: JsonObject | None = None
        self._result: GenerateResult | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JsonObject:
        async for event in self._events:
            if self._hears_more(event):
                self._partial = self._writing.value
                if self._partial is not None:
                    return self._partial
        whole = self.whole()
        if whole == self._partial:
            raise StopAsyncIteration
        self._partial = whole
        return whole

    @property
    def partial_object(self) -> JsonObject | None:
        """The object as far as it is sure, None before it begins."""
        return self._partial

    async def object(self) -> JsonObject:
        """Return the whole object, after listening to what is left."""
        await self.result()
        return self.whole()

    async def result(self) -> GenerateResult:
        """Return all steps with the object as their `output`, after listening to what is left."""
        async for _ in self:
            pass
        return self.outcome()

    def outcome(self) -> GenerateResult:
        """Return what came of a stream that has come to its end; raises what it ended with."""
        if self._result is None:
            self._result = read_object(self._events.outcome(), self._schema)
        return self._result

    def whole(self) -> JsonObject:
        """Return the object of a stream that has come to its end; raises what it ended with."""
        output = self.outcome().output
        assert isinstance(output, dict)
        return output

    async def aclose(self) -> None:
        """End it: close the connection, and end the tools that are at work."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: _Exit) -> None:
        await self.aclose()

    def _hears_more(self, event: StreamEvent) -> bool:
        if event.type == "step_finish":
            # What the model says to the results of its tools is another answer.
            self._writing = _Writing()
        is_text = event.type == StreamEventType.TEXT_DELTA
        return is_text and self._writing.goes_on(event.delta or "")


class _Writing:
    """What a model writes: an object that begins a line, maybe with words around it."""

    def __init__(self) -> None:
        self._line = ""
        self._object: GrowingObject | None = None

    @property
    def value(self) -> JsonObject | None:
        return None if self._object is None else self._object.value

    def goes_on(self, piece: str) -> bool:
        """Read one more piece; tell whether more of the object is sure now."""
        if self._object is not None:
            return self._object.feed(piece)
        text = self._line + piece
        found = _BEGINNING.search(text)
        if found is None:
            # Of a line only matters whether it may still begin with the object.
            line = text.rpartition("\n")[2]
            self._line = line.strip()[:1] or line[:1]
            return False
        self._object = GrowingObject()
        return self._object.feed(text[found.end() :])
