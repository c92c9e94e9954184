"""Reads an answer given as JSON, as if a provider had sent it."""

from typing import get_args

from hypothesis import strategies as st

from attractor.base.canonical import Json, JsonObject
from attractor.llm import Response
from attractor.llm.fields import Fields
from attractor.llm.providers import (
    anthropic_response,
    chat_response,
    gemini_response,
    openai_response,
)
from attractor.llm.response import Reason
from attractor.llm.transport import Reply

WORDS = st.sampled_from(
    [
        "id",
        "type",
        "text",
        "model",
        "output",
        "content",
        "usage",
        "status",
        "message",
        "reasoning",
        "function_call",
        "tool_use",
        "thinking",
        "redacted_thinking",
        "name",
        "arguments",
        "call_id",
        "input",
        "summary",
        "data",
        "error",
        "code",
        "failed",
        "incomplete",
        "incomplete_details",
        "reason",
        "stop_reason",
        "input_tokens",
        "output_tokens",
        "candidates",
        "parts",
        "thought",
        "thoughtSignature",
        "functionCall",
        "args",
        "inlineData",
        "finishReason",
        "promptFeedback",
        "blockReason",
        "usageMetadata",
        "promptTokenCount",
        "thoughtsTokenCount",
        "responseId",
        "modelVersion",
        "choices",
        "delta",
        "index",
        "reasoning_content",
        "refusal",
        "tool_calls",
        "function",
        "finish_reason",
        "prompt_tokens",
        "completion_tokens_details",
    ]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text()
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6)
)
bodies = st.dictionaries(WORDS, values, max_size=9)


def require_whole(response: Response) -> None:
    """What was read has the types it says, however odd the answer was."""
    assert isinstance(response.text, str)
    assert response.finish_reason.reason in get_args(Reason)
    assert min(response.usage.input_tokens, response.usage.output_tokens) >= 0
    assert all(isinstance(call.name, str) for call in response.tool_calls)


def read_openai(body: JsonObject | Json) -> Response:
    reply = Reply(Fields(body, provider="openai"), {})
    return openai_response.read_response(reply, (), provider="openai")


def read_anthropic(body: JsonObject | Json) -> Response:
    reply = Reply(Fields(body, provider="anthropic"), {})
    return anthropic_response.read_response(reply, (), provider="anthropic")


def read_gemini(body: JsonObject | Json) -> Response:
    reply = Reply(Fields(body, provider="gemini"), {})
    return gemini_response.read_response(reply, (), provider="gemini", model="gemini-3")


def read_compatible(body: JsonObject | Json, model: str = "asked") -> Response:
    name = "openai_compatible"
    reply = Reply(Fields(body, provider=name), {})
    speaker = chat_response.Speaker(name, model)
    return chat_response.read_response(reply, (), speaker=speaker, seed="seed")
