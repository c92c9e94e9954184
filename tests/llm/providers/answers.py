"""Reads an answer given as JSON, as if a provider had sent it."""

from collections.abc import Callable
from typing import Any, get_args

from attractor.base.json import Json, JsonObject, canonical_json
from attractor.llm import Response, SDKError
from attractor.llm.providers import (
    anthropic_response,
    chat_response,
    gemini_response,
    openai_response,
)
from attractor.llm.response import Reason
from attractor.llm.transport.fields import Fields
from attractor.llm.transport.http import Reply


def require_whole(response: Response) -> None:
    """Require the declared types in a parsed answer, however odd the answer was."""
    assert isinstance(response.text, str)
    assert response.finish_reason.reason in get_args(Reason)
    assert min(response.usage.input_tokens, response.usage.output_tokens) >= 0
    assert all(isinstance(call.name, str) for call in response.tool_calls)
    # The stored parts can be serialized again.
    canonical_json(response.raw)


def require_read(read: Callable[[Any], Response], body: Json) -> None:
    """Require that an answer is parsed completely, or refused with an error of ours."""
    try:
        response = read(body)
    except SDKError:
        return
    require_whole(response)


def read_openai(body: JsonObject | Json) -> Response:
    reply = Reply(Fields(body, provider="openai"), {})
    return openai_response.read_response(reply, (), provider="openai", model="asked")


def read_anthropic(body: JsonObject | Json) -> Response:
    reply = Reply(Fields(body, provider="anthropic"), {})
    return anthropic_response.read_response(reply, (), provider="anthropic", model="asked")


def read_gemini(body: JsonObject | Json) -> Response:
    reply = Reply(Fields(body, provider="gemini"), {})
    return gemini_response.read_response(reply, (), provider="gemini", model="gemini-3")


def read_compatible(body: JsonObject | Json, model: str = "asked") -> Response:
    name = "openai_compatible"
    reply = Reply(Fields(body, provider=name), {})
    speaker = chat_response.ChatDialect(name, model)
    return chat_response.read_response(reply, (), speaker=speaker, seed="seed")
