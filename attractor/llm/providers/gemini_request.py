"""Writes a request as Gemini's generateContent takes it (7.3)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from attractor.base.json import Json, JsonObject
from attractor.llm.message import Role
from attractor.llm.options import merge_options
from attractor.llm.providers.gemini_content import (
    Part,
    Talk,
    find_calls,
    is_older,
    sign,
    write_parts,
)
from attractor.llm.providers.gemini_thinking import write_thinking
from attractor.llm.providers.gemini_tools import write_choice, write_schema, write_tools
from attractor.llm.providers.names import untold_names
from attractor.llm.providers.refusals import INSTRUCTIONS, check_instructions
from attractor.llm.request import Request
from attractor.llm.response import Warning
from attractor.llm.response_format import NOT_ENFORCED, format_in_words
from attractor.llm.tools import ToolChoice


class Written(NamedTuple):
    """Where to send which body, and what of the request did not fit into it."""

    path: str
    body: JsonObject
    warnings: Sequence[Warning]


def write_request(request: Request, *, provider: str) -> Written:
    """Translate a request; the provider's own options come last and win."""
    check_instructions(request.messages, provider)
    body: dict[str, Json] = {"contents": _contents(request, provider)}
    system: list[Json] = [{"text": text} for text in _instructions(request)]
    if system:
        body["systemInstruction"] = {"parts": system}
    if request.tools:
        body["tools"] = write_tools(request.tools)
        body["toolConfig"] = write_choice(request.tool_choice or ToolChoice())
    thinking = write_thinking(request, provider=provider)
    if config := _config(request, thinking.config):
        body["generationConfig"] = config
    merged = merge_options(body, request.options_for(provider))
    return Written(_path(request.model), merged, list(_warnings(request, thinking.ignored)))


def _path(model: str) -> str:
    # Tuned models and the like stand in folders of their own.
    name = model if "/" in model else f"models/{model}"
    return f"{quote(name)}:generateContent"


def _instructions(request: Request) -> Iterator[str]:
    messages = request.messages
    yield from (one.text for one in messages if one.role in INSTRUCTIONS and one.text)
    if not _takes_format(request) and (asked := format_in_words(request.response_format)):
        yield asked


def _takes_format(request: Request) -> bool:
    """Models before Gemini 3 refuse a format beside tools."""
    return not (request.tools and is_older(request.model))


def _format(request: Request) -> dict[str, Json]:
    wanted = request.response_format
    if wanted is None or wanted.type == "text" or not _takes_format(request):
        return {}
    schema = write_schema(wanted.json_schema) if wanted.json_schema else {}
    return {"responseMimeType": "application/json", **schema}


def _config(request: Request, thinking: Json) -> dict[str, Json]:
    given: dict[str, Json] = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "maxOutputTokens": request.max_tokens,
        "stopSequences": list(request.stop_sequences) or None,
        "thinkingConfig": thinking,
        **_format(request),
    }
    return {name: value for name, value in given.items() if value is not None}


def _warnings(request: Request, ignored: Sequence[str]) -> Iterator[Warning]:
    metadata = [f"metadata {name!r}" for name in request.metadata]
    for one in [*metadata, *ignored, *_file_names(request), *untold_names(request.messages)]:
        yield Warning(f"Gemini does not take {one}", "unsupported_parameter")
    if not _takes_format(request) and format_in_words(request.response_format):
        told = "before Gemini 3 a model with tools is asked for JSON in words alone"
        yield Warning(told, NOT_ENFORCED)


def _file_names(request: Request) -> Iterator[str]:
    parts = [part for message in request.messages for part in message.content]
    documents = [
        part.document or (part.tool_result and part.tool_result.document) for part in parts
    ]
    names = [document.file_name for document in documents if document]
    yield from (f"the file_name {name!r} of a document" for name in names if name)


def _contents(request: Request, provider: str) -> list[Json]:
    """Write the turns: results of calls made together stay together, and apart from other words."""
    messages = [one for one in request.messages if one.role not in INSTRUCTIONS]
    talk = Talk(provider, request.model, find_calls(messages, provider))
    turns: list[tuple[Role, list[Part]]] = []
    for message in messages:
        parts = list(write_parts(message.content, talk))
        if turns and turns[-1][0] is message.role:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((message.role, parts))
    return [_content(role, parts, request.model) for role, parts in turns]


def _content(role: Role, parts: Sequence[Part], model: str) -> Json:
    if role is Role.ASSISTANT:
        return {"role": "model", "parts": list(sign(parts, model))}
    return {"role": "user", "parts": list(parts)}
