"""Generates objects that match a schema, as a whole or as a stream."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias, Unpack

import jiter

from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, parse_json, parse_object
from attractor.llm.errors import ConfigurationError, NoObjectGeneratedError
from attractor.llm.generation.options import GenerateOptions, Generation, read_generation
from attractor.llm.generation.text import (
    StreamResult,
    complete_answer,
    run_generation,
    stream_generation,
)
from attractor.llm.json_schema import check_schema, find_faults
from attractor.llm.request import ResponseFormat, as_schema
from attractor.llm.response import GenerateResult, ObjectResult, Warning
from attractor.llm.stream_events import StreamEventType

if TYPE_CHECKING:
    from pydantic import BaseModel

_CODE_BLOCK = re.compile(r"```\w*+[^\S\n]*+\n(.*?)```", re.DOTALL)
_EXTRA_TEXT = Warning("the answer contains text around the object", "words_around_object")
_LONGEST_QUOTE = 80


class ExtractedObject(NamedTuple):
    """An object found in a text."""

    value: JsonObject
    is_whole_text: bool


async def generate_object(
    model: str,
    prompt: str | None = None,
    *,
    schema: "JsonObject | type[BaseModel]",
    **options: Unpack[GenerateOptions],
) -> ObjectResult:
    """Return the answer of a model, with an object that is valid against the schema as `output`.

    The schema of a pydantic class is used, but the object is a dict.
    """
    schema = as_schema(schema)
    generation = read_object_generation(model, prompt, schema, options)
    result = await run_generation(generation, partial(complete_answer, generation))
    return read_object(result, schema)


def read_object_generation(
    model: str, prompt: str | None, schema: JsonObject, options: GenerateOptions
) -> Generation:
    """Check the options of a generation of an object, and return the generation."""
    if options.get("response_format") is not None:
        raise ConfigurationError(
            "response_format is set by the schema",
            hint="remove response_format, or use generate or stream",
        )
    check_schema(schema, "schema of the answer")
    format_ = ResponseFormat("json_schema", schema, strict=True)
    return replace(read_generation(model, prompt, options), response_format=format_)


def read_object(result: GenerateResult, schema: JsonObject) -> ObjectResult:
    """Return a result with the object found in the last answer.

    If the answer contains several objects, the first valid object is used. Without a valid object,
    raise a NoObjectGeneratedError.
    """
    faults: Sequence[str] = ()
    for found in find_objects(result.text):
        object_faults = find_faults(found.value, schema)
        if not object_faults:
            *steps, last = result.steps
            if not found.is_whole_text:
                last = replace(last, response=last.response.with_warnings([_EXTRA_TEXT]))
            return ObjectResult([*steps, last], dict(found.value))
        faults = faults or object_faults
    if not faults:
        raise NoObjectGeneratedError(_reason(result), text=result.text)
    raise NoObjectGeneratedError(
        f"the object does not match its schema: {'; '.join(faults)}", text=result.text
    )


def find_objects(text: str) -> Iterator[ExtractedObject]:
    """If the whole text is a JSON object, yield this object.

    Otherwise yield the objects in the text, code blocks first.
    """
    try:
        whole = parse_json(text)
    except NotCanonical:
        for candidate in _candidates(text):
            if (value := parse_object(candidate)) is not None:
                yield ExtractedObject(value, is_whole_text=False)
        return
    if isinstance(whole, dict):
        yield ExtractedObject(whole, is_whole_text=True)


def _candidates(text: str) -> Iterator[str]:
    yield from _CODE_BLOCK.findall(text)
    # Text around an object may contain braces, too. Nested objects are not candidates.
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            if _is_truncated(error, text):
                # Objects inside a truncated object are only parts of it.
                return
            at += 1
            continue
        yield text[at:end]
        at = end


def _is_truncated(error: Exception, text: str) -> bool:
    """Return whether a parse error means that an object is incomplete at the end of the text."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")


def _reason(result: GenerateResult) -> str:
    match result.finish_reason.reason:
        case "length":
            return "the answer reached max_tokens before its object was complete"
        case "content_filter":
            return "a safety filter of the provider blocked the answer"
        case "tool_calls":
            names = ", ".join(call.name for call in result.tool_calls)
            return f"the model called {names} instead of answering"
        case _:
            text = " ".join(result.text.split())
            quote = text[:_LONGEST_QUOTE] + ("…" if len(text) > _LONGEST_QUOTE else "")
            return f"the answer contains no JSON object: {quote!r}"


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
    schema: "JsonObject | type[BaseModel]",
    **options: Unpack[GenerateOptions],
) -> "ObjectStreamResult":
    """Stream an object while the model writes it; the last object is valid against the schema.

    The options are the options of `generate_object`. The first read sends the request.
    """
    schema = as_schema(schema)
    generation = read_object_generation(model, prompt, schema, options)
    return ObjectStreamResult(stream_generation(generation), schema)


class ObjectStreamResult:
    """Yields the growing object after each change.

    The last object is complete and valid; otherwise a NoObjectGeneratedError is raised.
    """

    def __init__(self, events: StreamResult, schema: JsonObject) -> None:
        self._events = events
        self._schema = schema
        self._partial = PartialObject()
        self._latest: JsonObject | None = None
        self._result: ObjectResult | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JsonObject:
        async for event in self._events:
            if event.type == "step_finish":
                # The next step has its own answer.
                self._partial = PartialObject()
            is_text = event.type == StreamEventType.TEXT_DELTA
            grows = is_text and self._partial.add(event.delta or "")
            if grows and self._partial.value is not None:
                self._latest = self._partial.value
                return self._latest
        complete = self.complete_object()
        if complete == self._latest:
            raise StopAsyncIteration
        self._latest = complete
        return complete

    @property
    def partial_object(self) -> JsonObject | None:
        """The newest object; None before an object begins."""
        return self._latest

    async def object(self) -> JsonObject:
        """Read the rest and return the complete object."""
        await self.result()
        return self.complete_object()

    async def result(self) -> ObjectResult:
        """Read the rest and return all steps with the object as their `output`."""
        async for _ in self:
            pass
        return self.outcome()

    def outcome(self) -> ObjectResult:
        """Return the result of a finished stream, or raise the error of the stream."""
        if self._result is None:
            self._result = read_object(self._events.outcome(), self._schema)
        return self._result

    def complete_object(self) -> JsonObject:
        """Return the object of a finished stream, or raise the error of the stream."""
        return self.outcome().output

    async def aclose(self) -> None:
        """Close the connection and cancel running tools."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: _Exit) -> None:
        await self.aclose()


class PartialObject:
    """The first object that begins at the start of a line, parsed while the text grows.

    Each value only grows: a string at the end, an object or array by new members. A number is only
    added when the character after the number arrives. Text that is not JSON ends the growth.
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
        # In a line without an object, only the first character decides whether an object may begin.
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
