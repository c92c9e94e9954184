"""Asks a model for an object of a JSON schema and checks the answer (4.5)."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, Unpack

from attractor.base.errors import NotCanonical
from attractor.base.json import JsonObject, parse_json
from attractor.llm.errors import ConfigurationError, NoObjectGeneratedError
from attractor.llm.generation.options import GenerateOptions, Generation, read_generation
from attractor.llm.generation.text import WholeAnswers, run_generation
from attractor.llm.json_schema import check_schema, find_faults
from attractor.llm.request import ResponseFormat
from attractor.llm.response import GenerateResult, StepResult, Warning

_FENCE = re.compile(r"```\w*\s*\n(.*?)```", re.DOTALL)
_AROUND = Warning("the model said more than the object it was asked for", "words_around_object")
_LONGEST_QUOTE = 80


class ExtractedObject(NamedTuple):
    """An object, and whether words stood around it."""

    value: JsonObject
    stood_alone: bool


async def generate_object(
    model: str,
    prompt: str | None = None,
    *,
    schema: JsonObject,
    **options: Unpack[GenerateOptions],
) -> GenerateResult:
    """Ask a model for an object; `output` is what it answered, valid against the schema."""
    wanted = read_object_generation(model, prompt, schema, options)
    return read_object(await run_generation(wanted, WholeAnswers(wanted)), schema)


def read_object_generation(
    model: str, prompt: str | None, schema: JsonObject, options: GenerateOptions
) -> Generation:
    """Check what was given where the answer is to be an object of a schema."""
    if options.get("response_format") is not None:
        raise ConfigurationError(
            "an object has its response format from its schema",
            hint="leave response_format out, or use generate or stream",
        )
    check_schema(schema, "the schema of the answer")
    format_ = ResponseFormat("json_schema", schema, strict=True)
    return replace(read_generation(model, prompt, options), response_format=format_)


def read_object(result: GenerateResult, schema: JsonObject) -> GenerateResult:
    """Return a result with the object its last answer holds, or say why there is none.

    Of several objects it is the first that is as the schema wants it.
    """
    faults: Sequence[str] = ()
    for found in find_objects(result.text):
        wrong = find_faults(found.value, schema)
        if not wrong:
            steps = result.steps if found.stood_alone else _with_warning(result)
            return replace(result, steps=steps, output=dict(found.value))
        faults = faults or wrong
    if not faults:
        raise NoObjectGeneratedError(_why_none(result), text=result.text)
    raise NoObjectGeneratedError(
        f"the object is not as its schema wants it: {'; '.join(faults)}", text=result.text
    )


def find_objects(text: str) -> Iterator[ExtractedObject]:
    """Find the JSON object that a text is, or those that it holds, in blocks of code first."""
    try:
        whole = parse_json(text)
    except NotCanonical:
        inner = (_parsed(one) for one in _candidates(text))
        yield from (ExtractedObject(one, stood_alone=False) for one in inner if one is not None)
        return
    if isinstance(whole, dict):
        yield ExtractedObject(whole, stood_alone=True)


def _candidates(text: str) -> Iterator[str]:
    yield from _FENCE.findall(text)
    # Words around an object may have braces too; what is within one is no object of its own.
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as fault:
            if _is_cut_off(fault, text):
                # What stands within is a part of an object, and never meant to be one.
                return
            at += 1
            continue
        yield text[at:end]
        at = end


def _is_cut_off(fault: Exception, text: str) -> bool:
    """Say whether everything up to the end of the text may belong to one object."""
    if not isinstance(fault, json.JSONDecodeError):
        return False
    return fault.pos >= len(text.rstrip()) or fault.msg.startswith("Unterminated string")


def _parsed(text: str) -> JsonObject | None:
    try:
        value = parse_json(text)
    except NotCanonical:
        return None
    return value if isinstance(value, dict) else None


def _with_warning(result: GenerateResult) -> Sequence[StepResult]:
    *earlier, last = result.steps
    response = replace(last.response, warnings=[*last.warnings, _AROUND])
    return [*earlier, replace(last, response=response)]


def _why_none(result: GenerateResult) -> str:
    match result.finish_reason.reason:
        case "length":
            return "the answer was cut off at max_tokens before its object was whole"
        case "content_filter":
            return "a safety filter of the provider blocked the answer"
        case "tool_calls":
            names = ", ".join(one.name for one in result.tool_calls)
            return f"the model called {names} instead of answering"
        case _:
            text = " ".join(result.text.split())
            quoted = text[:_LONGEST_QUOTE] + ("…" if len(text) > _LONGEST_QUOTE else "")
            return f"the answer holds no JSON object: {quoted!r}"
