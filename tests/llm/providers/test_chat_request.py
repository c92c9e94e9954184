from pathlib import Path
from typing import Any

import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    AudioData,
    ContentKind,
    ContentPart,
    DocumentData,
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
from attractor.llm.providers.chat_request import (
    write_choice,
    write_messages,
    write_settings,
    write_tools,
)
from tests.llm.asking import SHELL
from tests.tables import table

NAME = "openai_compatible"
TEXT = ContentPart(ContentKind.TEXT, text="hi")
IMAGE = ContentPart(ContentKind.IMAGE, image=ImageData(data=b"png"))
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}}
SAID = {"type": "text", "text": "hi"}


def messages(*said: Message, **more: Any) -> Any:
    return list(write_messages(Request(model="m", messages=said, **more), NAME))


def user(*parts: ContentPart) -> Any:
    """Return the content of a message of the user."""
    (message,) = messages(Message(Role.USER, parts))
    assert message["role"] == "user"
    return message["content"]


def call(id: str = "c", arguments: JsonObject | str = "{}") -> ContentPart:
    return ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData(id, "shell", arguments))


def thought(item: JsonObject, provider: str = NAME) -> ContentPart:
    kept = ProviderData(provider, item)
    return ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm"), provider_data=kept)


def audio(**more: Any) -> ContentPart:
    return ContentPart(ContentKind.AUDIO, audio=AudioData(**more))


def document(**more: Any) -> ContentPart:
    return ContentPart(ContentKind.DOCUMENT, document=DocumentData(**more))


def test_instructions_are_the_first_message() -> None:
    late = Message.developer("b")
    assert messages(Message.system("a"), Message.user("hi"), late) == [
        {"role": "system", "content": "a\n\nb"},
        {"role": "user", "content": "hi"},
    ]


def test_a_text_alone_is_a_text() -> None:
    assert user(TEXT) == "hi"
    assert user(TEXT, TEXT) == [SAID, SAID]
    assert user(TEXT, IMAGE) == [SAID, SHOWN]


def test_images_are_sent_by_url_as_bytes_and_from_a_file(tmp_path: Path) -> None:
    url = ContentPart(ContentKind.IMAGE, image=ImageData(url="https://x.org/a.png", detail="low"))
    assert user(url) == [
        {"type": "image_url", "image_url": {"url": "https://x.org/a.png", "detail": "low"}}
    ]
    file = tmp_path / "a.gif"
    file.write_bytes(b"png")
    local = ContentPart(ContentKind.IMAGE, image=ImageData(url=str(file)))
    assert user(local)[0]["image_url"] == {"url": "data:image/gif;base64,cG5n"}


def test_audio_names_its_format() -> None:
    for media_type, form in (
        (None, "wav"),
        ("audio/x-wav", "wav"),
        ("audio/wave", "wav"),
        ("audio/mpeg", "mp3"),
        ("audio/mp3", "mp3"),
        ("audio/flac", "flac"),
    ):
        assert user(audio(data=b"png", media_type=media_type)) == [
            {"type": "input_audio", "input_audio": {"data": "cG5n", "format": form}}
        ]


def test_documents_are_files() -> None:
    sent = {"file_data": "data:application/pdf;base64,cG5n"}
    assert user(document(data=b"png", file_name="a.pdf")) == [
        {"type": "file", "file": {"filename": "a.pdf", **sent}}
    ]
    assert user(document(data=b"png"))[0]["file"] == {"filename": "document", **sent}


@table(
    ("part", "noun"),
    [
        (audio(url="https://x.org/a.wav"), "recording"),
        (document(url="https://x.org/a.pdf"), "document"),
    ],
)
def test_unfetched_media_is_refused(part: ContentPart, noun: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"do not support a {noun} by its URL") as caught:
        user(part)
    assert f"fetch the {noun}" in caught.value.hint


def test_text_and_calls_share_one_message() -> None:
    (message,) = messages(
        Message(Role.ASSISTANT, [TEXT, call("c", '{"a":   1}'), TEXT, call("d", {"a": "é"})])
    )
    shell, other = message["tool_calls"]
    assert (message["role"], message["content"]) == ("assistant", "hihi")
    assert shell == {
        "id": "c",
        "type": "function",
        "function": {"name": "shell", "arguments": '{"a":   1}'},
    }
    assert other["function"]["arguments"] == '{"a": "é"}'


def test_message_without_text_has_null_or_empty_content() -> None:
    called, silent = messages(Message(Role.ASSISTANT, [call()]), Message(Role.ASSISTANT, []))
    assert called["content"] is None
    assert silent == {"role": "assistant", "content": ""}


def test_results_are_messages_of_their_own() -> None:
    for content, text in (("done", "done"), ({"a": 1}, '{"a": 1}'), (["é"], '["é"]')):
        assert messages(Message.tool_result("c", content, is_error=True)) == [
            {"role": "tool", "tool_call_id": "c", "content": text}
        ]
    said = Message(Role.TOOL, [TEXT], tool_call_id="c")
    assert messages(said) == [{"role": "tool", "tool_call_id": "c", "content": "hi"}]


def test_document_of_a_tool_result_follows_the_result() -> None:
    document = DocumentData(data=b"%PDF", media_type="application/pdf", file_name="a.pdf")
    part = ContentPart(
        ContentKind.TOOL_RESULT, tool_result=ToolResultData("c", "read", document=document)
    )
    text, shown = messages(Message(Role.TOOL, [part]))
    assert text == {"role": "tool", "tool_call_id": "c", "content": "read"}
    words, file = shown["content"]
    assert words["text"] == "The document that belongs to the result of c:"
    assert file["file"] == {
        "filename": "a.pdf",
        "file_data": "data:application/pdf;base64,JVBERg==",
    }


def test_images_of_tool_results_follow_the_results() -> None:
    result = ToolResultData("c", "seen", image_data=b"png")
    first = Message(Role.TOOL, [ContentPart(ContentKind.TOOL_RESULT, tool_result=result)])
    sent = messages(
        Message(Role.ASSISTANT, [call("c"), call("d")]),
        first,
        Message.tool_result("d", "too"),
        Message.assistant("So."),
    )
    assert [one["role"] for one in sent] == ["assistant", "tool", "tool", "user", "assistant"]
    words, shown = sent[3]["content"]
    assert ("result of c" in words["text"], shown) == (True, SHOWN)
    assert [one["role"] for one in messages(first)] == ["tool", "user"]


def test_thoughts_go_on_until_the_user_speaks_again() -> None:
    item: JsonObject = {"reasoning": "hm"}
    said = Message(Role.ASSISTANT, [thought(item), call()])
    result = Message.tool_result("c", "done")
    now = messages(Message.user("go"), said, result)
    assert now[1]["reasoning"] == "hm"
    later = messages(Message.user("go"), said, result, Message.user("on"))
    assert "hm" not in str(later)


def test_reasoning_of_other_providers_is_omitted() -> None:
    for part in (
        thought({"reasoning_content": "hm"}, "deepseek"),
        ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm", "signature")),
        ContentPart(ContentKind.REDACTED_THINKING, thinking=ThinkingData("hm", redacted=True)),
        ContentPart("openai.web_search_call", provider_data=ProviderData("openai", {"a": "hm"})),
    ):
        assert messages(Message(Role.ASSISTANT, [part, TEXT])) == [
            {"role": "assistant", "content": "hi"}
        ]


def test_unsupported_part_is_refused() -> None:
    for role, part, words in (
        (Role.ASSISTANT, IMAGE, "kind image in a message of the assistant"),
        (Role.TOOL, IMAGE, "kind image in a tool result"),
        (Role.USER, call(), "kind tool_call in a message of the user"),
        (Role.SYSTEM, IMAGE, "kind image in a message of role system"),
    ):
        with pytest.raises(InvalidRequestError, match=words):
            messages(Message(role, [part]))


def settings(**more: Any) -> dict[str, Json]:
    def name_schema(wanted: ResponseFormat, schema: JsonObject) -> Json:
        return {"name": wanted.type, "schema": dict(schema)}

    request = Request(model="m", messages=[Message.user("hi")], **more)
    return write_settings(request, name_schema)


def test_settings_use_the_common_names() -> None:
    given: dict[str, Any] = {"temperature": 0.0, "top_p": 0.5, "max_tokens": 9}
    found = settings(**given, stop_sequences=["a", "b"], reasoning_effort="low")
    assert found == given | {"stop": ["a", "b"], "reasoning_effort": "low"}


def test_unset_options_are_not_sent() -> None:
    assert settings() == settings(response_format=ResponseFormat("text")) == {}


def test_response_format_is_sent_with_a_schema_name() -> None:
    assert settings(response_format=ResponseFormat("json")) == {
        "response_format": {"type": "json_object"}
    }
    schema: JsonObject = {"type": "object"}
    found = settings(response_format=ResponseFormat("json_schema", schema))["response_format"]
    assert found == {
        "type": "json_schema",
        "json_schema": {"name": "json_schema", "schema": schema},
    }


def test_tools_are_functions() -> None:
    shell = {
        "name": "shell",
        "description": "Run a command.",
        "parameters": SHELL.parameters,
    }
    assert write_tools([SHELL]) == [{"type": "function", "function": shell}]


def test_tool_choices_are_translated() -> None:
    for choice, sent in (
        (ToolChoice("auto"), "auto"),
        (ToolChoice("none"), "none"),
        (ToolChoice("required"), "required"),
        (ToolChoice("named", "shell"), {"type": "function", "function": {"name": "shell"}}),
    ):
        assert write_choice(choice) == sent
