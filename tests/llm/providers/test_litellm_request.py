"""What litellm is told; that it arrives is seen in test_litellm."""

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
    ResponseFormat,
    Role,
    ThinkingData,
    ToolChoice,
)
from attractor.llm.providers.litellm_request import Written, write_request
from tests.llm.asking import SHELL

PROPERTIES: Json = {"a": {"type": "string"}}
CLOSED: dict[str, Json] = {"type": "object", "properties": PROPERTIES, "required": ["a"]}
SCHEMA = ResponseFormat("json_schema", CLOSED, strict=True)


def written(*said: Message, taken: list[str] | None = None, **more: Any) -> Written:
    messages = said or (Message.user("hi"),)
    return write_request(Request("m", messages, "groq", **more), provider="groq", taken=taken)


def test_nothing_is_tried_twice() -> None:
    body = written(
        provider_options={"groq": {"num_retries": 5}, "litellm": {"max_retries": 5}}
    ).body
    assert (body["num_retries"], body["max_retries"]) == (0, 0)


def test_whom_nobody_else_knows_is_the_system() -> None:
    body = written(Message.developer("Be brief."), Message.user("hi")).body
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]


def test_what_a_model_is_not_told_is_left_out_with_a_warning() -> None:
    body, warnings = written(taken=["temperature"], temperature=0.5, stop_sequences=["END"])
    assert body["temperature"] == 0.5
    assert "stop" not in body
    assert [(one.message, one.code) for one in warnings] == [
        ("groq is told no stop by litellm", "unsupported_parameter")
    ]


def test_a_schema_that_nobody_enforces_is_asked_for_in_words() -> None:
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


def test_who_speaks_as_openai_does_is_not_told_to_hold_the_model_to_an_open_schema() -> None:
    opened: dict[str, Json] = {"type": "object", "properties": PROPERTIES}
    for strict, codes in ((True, ["schema_not_enforced"]), (False, [])):
        body, warnings = written(response_format=ResponseFormat("json_schema", opened, strict))
        named = {"name": "answer", "schema": opened, "strict": False}
        assert body["response_format"] == {"type": "json_schema", "json_schema": named}
        assert [one.code for one in warnings] == codes


def test_names_go_along_though_not_every_provider_is_told() -> None:
    body, warnings = written(Message("user", "hi", name="ann"))
    assert body["messages"] == [{"role": "user", "content": "hi", "name": "ann"}]
    assert [(one.message, one.code) for one in warnings] == [
        (
            "not every provider is told the name 'ann' of a message (user) by litellm",
            "unsupported_parameter",
        )
    ]


def test_tools_are_not_left_out_in_silence() -> None:
    with pytest.raises(InvalidRequestError, match="no tools on to the model 'm' of groq"):
        written(taken=[], tools=[SHELL])
    auto = written(taken=["tools"], tools=[SHELL]).body
    assert "tools" in auto
    assert "tool_choice" not in auto
    assert (
        "tools" not in written(taken=["tools"], tools=[SHELL], tool_choice=ToolChoice("none")).body
    )


def test_thoughts_go_back_to_their_own_provider_alone() -> None:
    block = {"type": "thinking", "thinking": "Well.", "signature": "s"}
    told = [
        ContentPart(
            ContentKind.THINKING,
            thinking=ThinkingData("Well.", "s"),
            provider_data=ProviderData(provider, block),
        )
        for provider in ("groq", "anthropic")
    ]
    said = Message(Role.ASSISTANT, [*told, ContentPart(ContentKind.TEXT, text="So.")])
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


def test_what_cannot_be_said_is_refused() -> None:
    sound = ContentPart(ContentKind.AUDIO, audio=AudioData(data=b"x"))
    with pytest.raises(InvalidRequestError, match="groq is handed no audio by litellm"):
        written(Message(Role.USER, [sound]))
