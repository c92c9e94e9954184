"""Asks a model for an object of a JSON schema and checks the answer (4.5)."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Unpack

from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, parse_json
from attractor.llm.errors import ConfigurationError, NoObjectGeneratedError
from attractor.llm.generation.options import GenerateOptions, Generation, read_generation
from attractor.llm.generation.text import complete_answer, run_generation
from attractor.llm.json_schema import check_schema, find_faults
from attractor.llm.request import ResponseFormat
from attractor.llm.response import GenerateResult, StepResult, Warning

_CODE_BLOCK = re.compile(r"```\w*\s*\n(.*?)```", re.DOTALL)
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
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> GenerateResult:
    """Return the answer of a model with an object as its `output`, valid against the schema."""
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


def read_object(result: GenerateResult, schema: JsonObject) -> GenerateResult:
    """Return a result with the object of its last answer; raises a NoObjectGeneratedError.

    Of several objects, the first valid one is returned.
    """
    faults: Sequence[str] = ()
    for found in find_objects(result.text):
        object_faults = find_faults(found.value, schema)
        if not object_faults:
            steps = result.steps if found.is_whole_text else _with_warning(result)
            return replace(result, steps=steps, output=dict(found.value))
        faults = faults or object_faults
    if not faults:
        raise NoObjectGeneratedError(_reason(result), text=result.text)
    raise NoObjectGeneratedError(
        f"the object does not match its schema: {'; '.join(faults)}", text=result.text
    )


def find_objects(text: str) -> Iterator[ExtractedObject]:
    """Yield the JSON object that a text is, or those it contains, code blocks first."""
    try:
        whole = parse_json(text)
    except NotCanonical:
        for candidate in _candidates(text):
            if (value := _parse(candidate)) is not None:
                yield ExtractedObject(value, is_whole_text=False)
        return
    if isinstance(whole, dict):
        yield ExtractedObject(whole, is_whole_text=True)


def _candidates(text: str) -> Iterator[str]:
    yield from _CODE_BLOCK.findall(text)
    # Text around an object may contain braces too. An object inside another is no candidate.
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
    """Return whether the rest of the text may belong to one object."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    return error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")


def _parse(text: str) -> JsonObject | None:
    try:
        value = parse_json(text)
    except NotCanonical:
        return None
    return value if isinstance(value, dict) else None


def _with_warning(result: GenerateResult) -> Sequence[StepResult]:
    *earlier, last = result.steps
    return [*earlier, replace(last, response=last.response.with_warnings([_EXTRA_TEXT]))]


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
