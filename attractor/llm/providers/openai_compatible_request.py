"""Writes a request as Chat Completions, in the words that most servers take (7.10)."""

from collections.abc import Iterator

from attractor.base.json import Json
from attractor.llm.options import merge_options
from attractor.llm.providers.chat_messages import NAMED, write_messages
from attractor.llm.providers.chat_request import write_choice, write_settings, write_tools
from attractor.llm.providers.names import untold_names
from attractor.llm.providers.openai_format import NOT_EVERYWHERE_HELD, held_to_schema, name_schema
from attractor.llm.providers.openai_request import Written
from attractor.llm.request import Request
from attractor.llm.response import Warning
from attractor.llm.response_format import NOT_ENFORCED, format_in_words

_USAGE: Json = {"include_usage": True}


def write_request(request: Request, *, provider: str, is_stream: bool = False) -> Written:
    """Translate a request; options for this provider come last and win."""
    messages: Json = list(write_messages(request, provider, words=_words(request)))
    body: dict[str, Json] = {"model": request.model, "messages": messages}
    body |= write_settings(request, name_schema)
    if request.tools:
        body["tools"] = write_tools(request.tools)
    if request.tools and request.tool_choice is not None:
        body["tool_choice"] = write_choice(request.tool_choice)
    if is_stream:
        body |= {"stream": True, "stream_options": _USAGE}
    merged = merge_options(body, request.options_for(provider))
    if not is_stream:
        # Options for streams may be given for every request, but are refused in this one.
        merged.pop("stream_options", None)
    return Written(merged, list(_warnings(request)))


def _words(request: Request) -> str:
    wanted = request.response_format
    # Without a word of JSON in the request some refuse this form.
    return format_in_words(wanted) if wanted is not None and wanted.type == "json" else ""


def _warnings(request: Request) -> Iterator[Warning]:
    for one in untold_names(request.messages, told=NAMED):
        told = f"{one} is not sent: instructions go as one message"
        yield Warning(told, "unsupported_parameter")
    for name in request.metadata:
        told = (
            f"metadata {name!r} is not sent: many servers of Chat Completions refuse it "
            "(provider_options can add it)"
        )
        yield Warning(told, "unsupported_parameter")
    if request.tool_choice is not None and not request.tools:
        told = f"without tools the tool choice {request.tool_choice.mode!r} is not sent"
        yield Warning(told, "unsupported_parameter")
    wanted = request.response_format
    if wanted is not None and wanted.strict and not held_to_schema(wanted):
        yield Warning(NOT_EVERYWHERE_HELD, NOT_ENFORCED)
