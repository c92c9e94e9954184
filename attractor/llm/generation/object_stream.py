"""Streams an object while the model writes it, and checks it at the end (4.6)."""

import re
from typing import Self, TypeAlias, Unpack

import jiter

from attractor.base.json import JsonObject
from attractor.llm.generation.objects import read_object, read_object_generation
from attractor.llm.generation.options import GenerateOptions
from attractor.llm.generation.text_stream import StreamResult, stream_generation
from attractor.llm.response import GenerateResult
from attractor.llm.stream_events import StreamEvent, StreamEventType

# The method `object` hides the type in its class.
_Exit: TypeAlias = object
_OBJECT_START = re.compile(r"^[ \t]*(?=\{)", re.MULTILINE)
# More digits may follow.
_OPEN_NUMBER = re.compile(r"(?<=[:,\[\s])-?\d[\d.eE+-]*$")
_LONGEST_NUMBER = 400
# Longer text is parsed again after it has grown by a 32nd: 100 kB in pieces of 20 characters take
# 0.1 s, and 5 s if every piece is parsed.
_ALWAYS_PARSED = 1000
_PARSES_PER_DOUBLING = 32


def stream_object(
    model: str,
    prompt: str | None = None,
    *,
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> "ObjectStreamResult":
    """Stream an object while the model writes it; the last one is valid against the schema.

    It takes the options of `generate_object`. The first read sends the request.
    """
    generation = read_object_generation(model, prompt, schema, options)
    return ObjectStreamResult(stream_generation(generation), schema)


class ObjectStreamResult:
    """Ever larger beginnings of an object, until it is complete.

    The last one is complete and valid; otherwise a NoObjectGeneratedError is raised.
    """

    def __init__(self, events: StreamResult, schema: JsonObject) -> None:
        self._events = events
        self._schema = schema
        self._partial = PartialObject()
        self._latest: JsonObject | None = None
        self._result: GenerateResult | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JsonObject:
        async for event in self._events:
            if self._grows(event) and self._partial.value is not None:
                self._latest = self._partial.value
                return self._latest
        complete = self.complete_object()
        if complete == self._latest:
            raise StopAsyncIteration
        self._latest = complete
        return complete

    @property
    def partial_object(self) -> JsonObject | None:
        """The newest object; None before it begins."""
        return self._latest

    async def object(self) -> JsonObject:
        """Read the rest and return the complete object."""
        await self.result()
        return self.complete_object()

    async def result(self) -> GenerateResult:
        """Read the rest and return all steps with the object as their `output`."""
        async for _ in self:
            pass
        return self.outcome()

    def outcome(self) -> GenerateResult:
        """Return the result of a finished stream, or raise its error."""
        if self._result is None:
            self._result = read_object(self._events.outcome(), self._schema)
        return self._result

    def complete_object(self) -> JsonObject:
        """Return the object of a finished stream, or raise its error."""
        output = self.outcome().output
        assert isinstance(output, dict)
        return output

    async def aclose(self) -> None:
        """Close the connection and cancel running tools."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: _Exit) -> None:
        await self.aclose()

    def _grows(self, event: StreamEvent) -> bool:
        if event.type == "step_finish":
            # The next step has an answer of its own.
            self._partial = PartialObject()
        is_text = event.type == StreamEventType.TEXT_DELTA
        return is_text and self._partial.add(event.delta or "")


class PartialObject:
    """The first object that begins a line of a text, parsed while the text grows.

    A value only grows: strings at their end, objects and arrays by members. A number appears when a
    later character ends it. Text that is no JSON ends the growth.
    """

    def __init__(self) -> None:
        self.value: JsonObject | None = None
        self._line = ""
        self._pieces: list[str] = []
        self._size = 0
        self._next_parse = 0
        self._is_over = False

    def add(self, piece: str) -> bool:
        """Add text and return whether the object grew."""
        if not self._pieces:
            piece = self._find_start(piece)
        if self._is_over or not piece:
            return False
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size < self._next_parse:
            return False
        self._next_parse = self._size + max(0, self._size - _ALWAYS_PARSED) // _PARSES_PER_DOUBLING
        before = self.value
        self._parse()
        return self.value != before

    def _find_start(self, piece: str) -> str:
        text = self._line + piece
        found = _OBJECT_START.search(text)
        if found is not None:
            return text[found.end() :]
        # Of a line without an object, its first character decides whether one may still begin it.
        line = text.rpartition("\n")[2]
        self._line = line.strip()[:1] or line[:1]
        return ""

    def _parse(self) -> None:
        text = "".join(self._pieces)
        self._pieces = [text]
        number = _OPEN_NUMBER.search(text, max(0, len(text) - _LONGEST_NUMBER))
        try:
            self.value = jiter.from_json(
                text[: number.start() if number else None].encode("utf-8", "surrogatepass"),
                allow_inf_nan=False,
                catch_duplicate_keys=True,
                partial_mode="trailing-strings",
            )
        except ValueError:
            self._is_over = True
