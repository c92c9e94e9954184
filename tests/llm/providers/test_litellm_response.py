"""What litellm's whole answers mean."""

from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import ContentKind, Response, SDKError
from attractor.llm.fields import Fields
from attractor.llm.providers.chat_response import Speaker, read_response
from attractor.llm.providers.litellm_response import speaker_of
from attractor.llm.transport import Reply
from tests.llm.providers.answers import require_read
from tests.llm.providers.garbage import Garbage, every_number

GROQ = speaker_of("groq", "groq", "groq", "m")
BLOCKS: list[Json] = [
    {"type": "thinking", "thinking": "Well.", "signature": "s"},
    {"type": "redacted_thinking", "data": "xyz"},
]


def read(
    message: object, reason: str | None = "stop", /, speaker: Speaker = GROQ, **more: Any
) -> Response:
    choices: list[Any] = [{"finish_reason": reason, "message": message}]
    body: dict[str, Any] = {
        "id": "1",
        "model": "m",
        "choices": choices,
        "usage": {"prompt_tokens": 9},
        **more,
    }
    return read_response(Reply(Fields(body, provider="groq"), {}), (), speaker=speaker)


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("a new one", "other"),
    ],
)
def test_a_reason_is_told_in_both_words(reason: str | None, meant: str) -> None:
    finish = read({"content": "x"}, reason).finish_reason
    assert (finish.reason, finish.raw) == (meant, reason)


def test_a_call_is_why_the_model_stopped() -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": "{}"}}
    assert read({"tool_calls": [call]}).finish_reason.reason == "tool_calls"


def test_thoughts_are_parts_of_their_own() -> None:
    plain = read({"reasoning_content": "Well.", "content": "So."})
    assert (plain.reasoning, plain.text) == ("Well.", "So.")
    signed = read({"reasoning_content": "Well.", "thinking_blocks": BLOCKS})
    kinds = [part.kind for part in signed.message.content]
    assert kinds == [ContentKind.THINKING, ContentKind.REDACTED_THINKING]
    assert [
        part.provider_data and part.provider_data.item for part in signed.message.content
    ] == BLOCKS


def test_a_model_is_named_as_it_would_be_asked() -> None:
    assert read({}, model="groq/m").model == "m"
    assert read({}, speaker=speaker_of("litellm", "groq", "groq", "m")).model == "groq/m"
    ollama = speaker_of("ollama", "ollama", "ollama_chat", "m")
    assert read({}, speaker=ollama, model="ollama_chat/m").model == "m"


@pytest.mark.parametrize(("provider", "fresh"), [("groq", 100), ("anthropic", 30)])
def test_cached_tokens_are_counted_as_the_provider_counts_them(provider: str, fresh: int) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_creation_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    told = read({}, speaker=speaker_of("litellm", provider, provider, "m"), usage=usage).usage
    assert (told.input_tokens, told.cache_read_tokens, told.cache_write_tokens) == (fresh, 60, 10)
    assert (told.output_tokens, told.reasoning_tokens) == (5, 3)


@pytest.mark.parametrize("odd", [{"choices": []}, {"choices": 1}, {"usage": []}])
def test_what_is_no_answer_is_an_error_of_ours(odd: dict[str, Any]) -> None:
    with pytest.raises(SDKError):
        read({}, **odd)


WHOLE: Json = {
    "role": "assistant",
    "content": "So.",
    "reasoning_content": "Well.",
    "thinking_blocks": BLOCKS,
    "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
}


@every_number
def test_whatever_message_comes_is_read_or_an_error_of_ours(garbage: Garbage) -> None:
    require_read(read, garbage.odd(WHOLE))


@every_number
def test_whatever_comes_is_read_or_an_error_of_ours(garbage: Garbage) -> None:
    require_read(lambda odd: read(WHOLE, **odd), garbage.body())
