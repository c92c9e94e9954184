from pathlib import Path
from typing import Any

import pytest

from attractor.base.canonical import JsonObject
from attractor.llm import (
    AudioData,
    ContentKind,
    ContentPart,
    ImageData,
    InvalidRequestError,
    Message,
    ProviderData,
    Request,
    ResponseFormat,
    Role,
    ThinkingData,
    ToolCallData,
    ToolChoice,
    ToolResultData,
)
from attractor.llm.providers.openai_request import write_request
from tests.llm.asking import SHELL

TEXT = ContentPart(ContentKind.TEXT, text="hi")


def thought(item: JsonObject, provider: str = "openai") -> ContentPart:
    kept = ProviderData(provider, item)
    return ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm"), provider_data=kept)


def body(*messages: Message, model: str = "gpt-4.1", **more: Any) -> JsonObject:
    return write_request(Request(model=model, messages=messages, **more), provider="openai").body


def items(*parts: ContentPart, role: Role = Role.ASSISTANT, **more: Any) -> Any:
    return body(Message(role, parts), **more)["input"]


def test_each_role_has_its_place() -> None:
    assert body(
        Message.system("a"), Message.system("b"), Message.developer("c"), Message.user("d")
    ) == {
        "model": "gpt-4.1",
        "instructions": "a\n\nb",
        "store": False,
        "input": [
            {
                "type": "message",
                "role": "developer",
                "content": [{"type": "input_text", "text": "c"}],
            },
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "d"}]},
        ],
    }


def test_calls_and_thoughts_stand_beside_messages_in_the_order_they_came() -> None:
    call = ToolCallData("call_1", "shell", '{"command":   "ls"}')
    item: JsonObject = {"type": "reasoning", "id": "rs_1", "encrypted_content": "x", "odd": [1]}
    said = {"type": "message", "role": "assistant"}
    assert items(
        thought(item), TEXT, TEXT, ContentPart(ContentKind.TOOL_CALL, tool_call=call), TEXT
    ) == [
        item,
        {**said, "content": [{"type": "output_text", "text": "hi"}] * 2},
        {
            "type": "function_call",
            "call_id": "call_1",
            "name": "shell",
            "arguments": '{"command":   "ls"}',
        },
        {**said, "content": [{"type": "output_text", "text": "hi"}]},
    ]


def test_arguments_that_came_as_an_object_are_written_as_text() -> None:
    call = ToolCallData("1", "shell", {"a": "é"})
    (item,) = items(ContentPart(ContentKind.TOOL_CALL, tool_call=call))
    assert item["arguments"] == '{"a": "é"}'


def test_a_result_is_a_text_however_it_was_given() -> None:
    for content, text in (("done", "done"), ({"a": 1}, '{"a": 1}'), (["é"], '["é"]')):
        message = Message.tool_result("call_1", content, is_error=True)
        assert body(message)["input"] == [
            {"type": "function_call_output", "call_id": "call_1", "output": text}
        ]


def test_a_result_may_show_an_image() -> None:
    result = ToolResultData("1", "seen", image_data=b"png", image_media_type="image/gif")
    (item,) = items(ContentPart(ContentKind.TOOL_RESULT, tool_result=result), role=Role.TOOL)
    assert item["output"] == [
        {"type": "input_text", "text": "seen"},
        {"type": "input_image", "image_url": "data:image/gif;base64,cG5n"},
    ]


def test_a_thought_nobody_could_look_up_is_left_out() -> None:
    bare: JsonObject = {"type": "reasoning", "id": "rs_1"}
    assert items(thought(bare)) == []
    assert items(thought(bare), provider_options={"openai": {"store": True}}) == [bare]
    assert items(thought({"encrypted_content": "x"}, "anthropic")) == []
    assert items(ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm", "sig"))) == []


def test_an_item_of_a_kind_of_its_own_goes_back_to_its_provider_alone() -> None:
    for provider, sent in (("openai", [{"id": "ws_1"}]), ("acme", [])):
        kept = ProviderData(provider, {"id": "ws_1"})
        assert items(ContentPart("web_search_call", provider_data=kept)) == sent


@pytest.mark.parametrize(
    ("model", "effort", "encrypted"),
    [
        ("gpt-5.2", None, True),
        ("o3-mini", None, True),
        ("codex-mini-latest", None, True),
        ("gpt-4.1", None, False),
        ("gpt-5-chat-latest", None, False),
        ("gpt-4.1", "low", True),
    ],
)
def test_thoughts_are_asked_for_where_the_model_has_them(
    model: str, effort: str | None, encrypted: bool
) -> None:
    sent = body(model=model, reasoning_effort=effort)
    assert sent.get("include") == (["reasoning.encrypted_content"] if encrypted else None)
    assert sent.get("reasoning") == ({"effort": effort} if effort else None)


def test_what_is_given_is_sent_and_what_is_not_is_left_to_the_provider() -> None:
    given: dict[str, Any] = {"temperature": 0.0, "top_p": 0.5, "max_tokens": 7}
    sent = body(**given, metadata={"run": "1"})
    assert (sent["temperature"], sent["top_p"], sent["max_output_tokens"]) == (0.0, 0.5, 7)
    assert sent["metadata"] == {"run": "1"}
    assert set(body()) == {"model", "input", "store"}


def test_tools_and_the_choice_among_them() -> None:
    sent = body(tools=[SHELL])
    assert sent["tools"] == [
        {
            "type": "function",
            "name": "shell",
            "description": "Run a command.",
            "parameters": SHELL.parameters,
            "strict": False,
        }
    ]
    assert sent["tool_choice"] == "auto"
    for mode in ("none", "required"):
        assert body(tools=[SHELL], tool_choice=ToolChoice(mode))["tool_choice"] == mode
    named = body(tools=[SHELL], tool_choice=ToolChoice("named", "shell"))
    assert named["tool_choice"] == {"type": "function", "name": "shell"}


def test_options_add_to_what_is_sent() -> None:
    options = {"openai": {"tools": [{"type": "web_search"}], "reasoning": {"summary": "auto"}}}
    sent = body(tools=[SHELL], reasoning_effort="high", provider_options=options)
    tools: Any = sent["tools"]
    assert [tool["type"] for tool in tools] == ["function", "web_search"]
    assert sent["reasoning"] == {"effort": "high", "summary": "auto"}


def test_stop_sequences_are_warned_about() -> None:
    request = Request(model="m", messages=[], stop_sequences=["END"])
    (warning,) = write_request(request, provider="openai").warnings
    assert warning.code == "unsupported_parameter"


def test_a_form_is_asked_for_and_a_schema_that_holds_nobody_is_warned_about() -> None:
    optional: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}
    closed: JsonObject = {**optional, "required": ["a"]}
    for schema, codes in ((optional, ["schema_not_enforced"]), (closed, [])):
        wanted = ResponseFormat("json_schema", schema, strict=True)
        request = Request(model="gpt-4.1", messages=[], response_format=wanted)
        sent = write_request(request, provider="openai")
        assert [one.code for one in sent.warnings] == codes
        form: Any = sent.body["text"]
        assert form["format"]["strict"] == (not codes)


def test_json_without_a_schema_is_asked_for_in_words_too() -> None:
    sent = body(Message.system("a"), response_format=ResponseFormat("json"))
    assert sent["text"] == {"format": {"type": "json_object"}}
    assert str(sent["instructions"]).startswith("a\n\nAnswer with one JSON object")


def test_images_keep_their_detail(tmp_path: Path) -> None:
    image = ImageData(url="https://x.org/a.png", detail="low")
    (item,) = items(ContentPart(ContentKind.IMAGE, image=image), role=Role.USER)
    assert item["content"] == [
        {"type": "input_image", "image_url": "https://x.org/a.png", "detail": "low"}
    ]


def test_what_cannot_be_sent_yet_is_refused() -> None:
    audio = ContentPart(ContentKind.AUDIO, audio=AudioData(data=b""))
    with pytest.raises(InvalidRequestError, match="audio is not supported yet for openai"):
        items(audio, role=Role.USER)
