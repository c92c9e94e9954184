"""Requests for litellm, and its answers and streams."""

from collections.abc import Sequence
from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import (
    AudioData,
    ContentKind,
    ContentPart,
    InvalidRequestError,
    Message,
    ProviderData,
    Request,
    Response,
    ResponseFormat,
    Role,
    SDKError,
    StreamEvent,
    StreamEventType,
    ThinkingData,
    ToolChoice,
)
from attractor.llm.providers.chat_response import ChatDialect, ChatStream, read_response
from attractor.llm.providers.litellm_translation import (
    LiteLLMStream,
    dialect_of,
    end,
    step,
    write_request,
)
from attractor.llm.providers.openai_request import OpenAIRequest
from attractor.llm.transport.fields import Fields, stream_fields
from attractor.llm.transport.http import Reply
from attractor.llm.transport.stream_reading import StreamOrigin
from tests.llm.asking import SHELL
from tests.llm.providers.answers import require_read, require_whole
from tests.llm.providers.garbage import Garbage, every_number
from tests.llm.providers.streams import whole
from tests.llm.providers.test_chat_response import STREAM
from tests.tables import table

PROPERTIES: Json = {"a": {"type": "string"}}
CLOSED: dict[str, Json] = {"type": "object", "properties": PROPERTIES, "required": ["a"]}
SCHEMA = ResponseFormat("json_schema", CLOSED, strict=True)


def written(*said: Message, taken: list[str] | None = None, **more: Any) -> OpenAIRequest:
    messages = said or (Message.user("hi"),)
    return write_request(Request("m", messages, "groq", **more), provider="groq", taken=taken)


def test_litellm_does_not_retry() -> None:
    body = written(
        provider_options={"groq": {"num_retries": 5}, "litellm": {"max_retries": 5}}
    ).body
    assert (body["num_retries"], body["max_retries"]) == (0, 0)


def test_unknown_role_becomes_system() -> None:
    body = written(Message.developer("Be brief."), Message.user("hi")).body
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


def test_unsupported_parameters_are_omitted_with_a_warning() -> None:
    body, warnings = written(taken=["temperature"], temperature=0.5, stop_sequences=["END"])
    assert body["temperature"] == 0.5
    assert "stop" not in body
    assert [(one.message, one.code) for one in warnings] == [
        ("litellm does not send stop to groq", "unsupported_parameter")
    ]


def test_unenforced_schema_becomes_an_instruction() -> None:
    body, warnings = written(taken=[], response_format=SCHEMA)
    assert "response_format" not in body
    assert "valid against this JSON Schema" in str(body["messages"])
    assert {one.code for one in warnings} == {"schema_not_enforced", "unsupported_parameter"}
    held = written(response_format=SCHEMA)
    assert held.warnings == []
    assert "JSON Schema" not in str(held.body["messages"])
    assert held.body["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "answer",
            "schema": {**CLOSED, "additionalProperties": False},
            "strict": True,
        },
    }


def test_open_schema_is_not_sent_as_strict() -> None:
    opened: dict[str, Json] = {"type": "object", "properties": PROPERTIES}
    for strict, codes in ((True, ["schema_not_enforced"]), (False, [])):
        body, warnings = written(response_format=ResponseFormat("json_schema", opened, strict))
        named = {"name": "answer", "schema": opened, "strict": False}
        assert body["response_format"] == {"type": "json_schema", "json_schema": named}
        assert [one.code for one in warnings] == codes


def test_names_are_sent_to_providers_that_support_them() -> None:
    body, warnings = written(Message("user", "hi", name="ann"))
    assert body["messages"] == [{"role": "user", "content": "hi", "name": "ann"}]
    assert [(one.message, one.code) for one in warnings] == [
        (
            "litellm does not send the name 'ann' of a message (user) to every provider",
            "unsupported_parameter",
        )
    ]


def test_tools_are_not_left_out_in_silence() -> None:
    with pytest.raises(
        InvalidRequestError, match="litellm does not send tools to the model 'm' of groq"
    ):
        written(taken=[], tools=[SHELL])
    auto = written(taken=["tools"], tools=[SHELL]).body
    assert "tools" in auto
    assert "tool_choice" not in auto
    assert (
        "tools" not in written(taken=["tools"], tools=[SHELL], tool_choice=ToolChoice("none")).body
    )


def test_thoughts_go_back_to_their_own_provider_alone() -> None:
    block = {"type": "thinking", "thinking": "Well.", "signature": "s"}
    found = [
        ContentPart(
            ContentKind.THINKING,
            thinking=ThinkingData("Well.", "s"),
            provider_data=ProviderData(provider, block),
        )
        for provider in ("groq", "anthropic")
    ]
    said = Message(Role.ASSISTANT, [*found, ContentPart(ContentKind.TEXT, text="So.")])
    message = {"role": "assistant", "content": "So.", "thinking_blocks": [block]}
    assert written(said).body["messages"] == [message]


def test_signed_thoughts_go_back_to_their_own_model_alone() -> None:
    block: dict[str, Json] = {"type": "thinking", "thinking": "Well.", "signature": "s"}
    for model, sent in (("m", {"thinking_blocks": [block]}), ("another", {})):
        thought = ContentPart(
            ContentKind.THINKING,
            thinking=ThinkingData("Well.", "s"),
            provider_data=ProviderData("groq", block, model),
        )
        said = Message(Role.ASSISTANT, [thought, ContentPart(ContentKind.TEXT, text="So.")])
        message = {"role": "assistant", "content": "So.", **sent}
        assert written(said).body["messages"] == [message]


def test_untranslatable_content_is_refused() -> None:
    sound = ContentPart(ContentKind.AUDIO, audio=AudioData(data=b"x"))
    with pytest.raises(InvalidRequestError, match="litellm does not send audio to groq"):
        written(Message(Role.USER, [sound]))


GROQ = dialect_of("groq", "groq", "groq", "m")
BLOCKS: list[Json] = [
    {"type": "thinking", "thinking": "Well.", "signature": "s"},
    {"type": "redacted_thinking", "data": "xyz"},
]


def read(
    message: object, reason: str | None = "stop", /, speaker: ChatDialect = GROQ, **more: Any
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


def test_finish_reason_keeps_the_raw_value() -> None:
    for reason, meant in (
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("a new one", "other"),
    ):
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


def test_response_names_the_model_of_the_request() -> None:
    assert read({}, model="groq/m").model == "m"
    assert read({}, speaker=dialect_of("litellm", "groq", "groq", "m")).model == "groq/m"
    ollama = dialect_of("ollama", "ollama", "ollama_chat", "m")
    assert read({}, speaker=ollama, model="ollama_chat/m").model == "m"


@table(("provider", "fresh"), [("groq", 100), ("anthropic", 30)])
def test_cached_tokens_are_counted_as_the_provider_counts_them(provider: str, fresh: int) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_creation_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    found = read({}, speaker=dialect_of("litellm", provider, provider, "m"), usage=usage).usage
    assert (found.input_tokens, found.cache_read_tokens, found.cache_write_tokens) == (
        fresh,
        60,
        10,
    )
    assert (found.output_tokens, found.reasoning_tokens) == (5, 3)


@table("odd", [{"choices": []}, {"choices": 1}, {"usage": []}])
def test_malformed_answer_is_an_sdk_error(odd: dict[str, Any]) -> None:
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
def test_any_message_is_read_or_an_sdk_error(garbage: Garbage) -> None:
    require_read(read, garbage.odd(WHOLE))


@every_number
def test_any_answer_is_read_or_an_sdk_error(garbage: Garbage) -> None:
    require_read(lambda odd: read(WHOLE, **odd), garbage.body())


EMPTY = LiteLLMStream(ChatStream(StreamOrigin("groq", {}), GROQ, "seed"))


def folded(chunks: Sequence[Json]) -> Sequence[StreamEvent]:
    state, received = EMPTY, list[StreamEvent]()
    for chunk in chunks:
        state, events = step(state, stream_fields(chunk, provider="groq"))
        received += events
    return [*received, *end(state)]


def heard(*deltas: dict[str, Json], reason: str | None = "stop") -> Sequence[StreamEvent]:
    choices: list[Json] = [{"delta": one} for one in deltas]
    last: list[Json] = [{"delta": {}, "finish_reason": reason}] if reason else []
    return folded([{"id": "1", "model": "m", "choices": [one]} for one in [*choices, *last]])


def test_a_stream_puts_thoughts_and_calls_together() -> None:
    events = heard(
        {"reasoning_content": "We", "thinking_blocks": [{"type": "thinking", "thinking": "We"}]},
        {
            "reasoning_content": "ll.",
            "thinking_blocks": [{"type": "thinking", "thinking": "ll.", "signature": "s"}],
        },
        {"thinking_blocks": [BLOCKS[1]]},
        {"content": "So."},
        {"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a'}}]},
        {"tool_calls": [{"index": 1, "id": "2", "function": {"name": "g"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '": 1}'}}]},
    )
    whole = events[-1].response
    assert whole is not None
    assert [(one.name, one.arguments) for one in whole.tool_calls] == [("f", {"a": 1}), ("g", {})]
    kept = [part.provider_data.item for part in whole.message.content if part.provider_data]
    assert kept == BLOCKS
    ended = [one.text for one in events if one.type == StreamEventType.REASONING_END]
    assert ended == ["Well."]
    assert whole.finish_reason.reason == "tool_calls"


def test_a_stream_without_a_reason_has_no_end() -> None:
    assert [one.type for one in heard({"content": "So."}, reason=None)][-1] == "text_delta"
    assert end(EMPTY) == ()


@table("odd", [{"content": 1}, {"tool_calls": 1}, {"tool_calls": [{"index": -1}]}])
def test_invalid_piece_is_an_sdk_error(odd: dict[str, Any]) -> None:
    with pytest.raises(SDKError):
        heard(odd)


def thinking(*blocks: Json) -> Json:
    return {"id": "1", "model": "m", "choices": [{"delta": {"thinking_blocks": list(blocks)}}]}


THOUGHTS = [thinking({"type": "thinking", "thinking": "We"}), thinking(*BLOCKS)]


def odd_thoughts(value: Json, body: dict[str, Json]) -> Json:
    return thinking({"type": "thinking", **body}, value)


@every_number
def test_any_pieces_are_read_or_an_sdk_error(garbage: Garbage) -> None:
    chunks = garbage.stream([*THOUGHTS, *STREAM], odd_thoughts)
    try:
        require_whole(whole(folded(chunks)))
    except SDKError:
        return
