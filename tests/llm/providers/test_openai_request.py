from pathlib import Path
from typing import Any

from attractor.base.json import JsonObject
from attractor.llm import (
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    Message,
    ProviderData,
    Request,
    ResponseFormat,
    Role,
    ThinkingData,
    ToolCallData,
)
from attractor.llm.providers.openai_request import write_format, write_request

TEXT = ContentPart(ContentKind.TEXT, text="hi")


def thought(item: JsonObject, provider: str = "openai") -> ContentPart:
    kept = ProviderData(provider, item)
    return ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm"), provider_data=kept)


def body(*messages: Message, model: str = "gpt-4.1", **more: Any) -> JsonObject:
    return write_request(Request(model=model, messages=messages, **more), provider="openai").body


def items(*parts: ContentPart, role: Role = Role.ASSISTANT, **more: Any) -> Any:
    return body(Message(role, parts), **more)["input"]


def test_calls_and_reasoning_keep_their_order_among_messages() -> None:
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


def test_tool_result_is_sent_as_text() -> None:
    for content, text in (("done", "done"), ({"a": 1}, '{"a": 1}'), (["é"], '["é"]')):
        message = Message.tool_result("call_1", content, is_error=True)
        assert body(message)["input"] == [
            {"type": "function_call_output", "call_id": "call_1", "output": text}
        ]


def test_reasoning_without_stored_content_is_omitted() -> None:
    bare: JsonObject = {"type": "reasoning", "id": "rs_1"}
    assert items(thought(bare)) == []
    assert items(thought(bare), provider_options={"openai": {"store": True}}) == [bare]
    assert items(thought({"encrypted_content": "x"}, "anthropic")) == []
    assert items(ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm", "sig"))) == []


def test_an_item_of_a_kind_of_its_own_goes_back_to_its_provider_alone() -> None:
    for provider, sent in (("openai", [{"id": "ws_1"}]), ("acme", [])):
        kept = ProviderData(provider, {"id": "ws_1"})
        assert items(ContentPart("web_search_call", provider_data=kept)) == sent


def test_reasoning_is_requested_of_models_that_support_it() -> None:
    for model, effort, encrypted in (
        ("gpt-5.2", None, True),
        ("o3-mini", None, True),
        ("codex-mini-latest", None, True),
        ("gpt-4.1", None, False),
        ("gpt-5-chat-latest", None, False),
        ("a-model-of-tomorrow", "low", True),
    ):
        sent = body(model=model, reasoning_effort=effort)
        assert sent.get("include") == (["reasoning.encrypted_content"] if encrypted else None)
        assert sent.get("reasoning") == ({"effort": effort} if effort else None)


def test_only_given_options_are_sent() -> None:
    given: dict[str, Any] = {"temperature": 0.0, "top_p": 0.5, "max_tokens": 7}
    sent = body(**given, metadata={"run": "1"})
    assert (sent["temperature"], sent["top_p"], sent["max_output_tokens"]) == (0.0, 0.5, 7)
    assert sent["metadata"] == {"run": "1"}
    assert set(body()) == {"model", "input", "store"}


def test_stop_sequences_are_warned_about() -> None:
    request = Request(model="m", messages=[], stop_sequences=["END"])
    (warning,) = write_request(request, provider="openai").warnings
    assert warning.code == "unsupported_parameter"


def test_unenforceable_schema_is_warned_about() -> None:
    optional: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}
    closed: JsonObject = {**optional, "required": ["a"]}
    for schema, codes in ((optional, ["schema_not_enforced"]), (closed, [])):
        wanted = ResponseFormat("json_schema", schema, strict=True)
        request = Request(model="gpt-4.1", messages=[], response_format=wanted)
        sent = write_request(request, provider="openai")
        assert [one.code for one in sent.warnings] == codes
        form: Any = sent.body["text"]
        assert form["format"]["strict"] == (not codes)


def test_json_without_a_schema_adds_an_instruction() -> None:
    sent = body(Message.system("a"), response_format=ResponseFormat("json"))
    assert sent["text"] == {"format": {"type": "json_object"}}
    assert str(sent["instructions"]).startswith("a\n\nAnswer with one JSON object")


def test_images_keep_their_detail(tmp_path: Path) -> None:
    image = ImageData(url="https://x.org/a.png", detail="low")
    (item,) = items(ContentPart(ContentKind.IMAGE, image=image), role=Role.USER)
    assert item["content"] == [
        {"type": "input_image", "image_url": "https://x.org/a.png", "detail": "low"}
    ]


def document(**given: Any) -> ContentPart:
    return ContentPart(ContentKind.DOCUMENT, document=DocumentData(**given))


def test_a_document_is_sent_by_address_by_content_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.txt"
    file.write_bytes(b"txt")
    (item,) = items(
        document(url="https://x.org/a.pdf", file_name="told of by its address"),
        document(data=b"pdf", file_name="a.pdf"),
        document(data=b"pdf"),
        document(data=b"zip", media_type="application/zip"),
        document(url=str(file)),
        role=Role.USER,
    )
    pdf, zipped = "data:application/pdf;base64,cGRm", "data:application/zip;base64,emlw"
    assert item["content"] == [
        {"type": "input_file", "file_url": "https://x.org/a.pdf"},
        {"type": "input_file", "filename": "a.pdf", "file_data": pdf},
        {"type": "input_file", "filename": "document.pdf", "file_data": pdf},
        {"type": "input_file", "filename": "document", "file_data": zipped},
        {
            "type": "input_file",
            "filename": "plan.txt",
            "file_data": "data:text/plain;base64,dHh0",
        },
    ]


def test_only_users_show_something_and_only_tools_answer_as_tools() -> None:
    image = ContentPart(ContentKind.IMAGE, image=ImageData(url="https://x.org/a.png"))
    said = items(TEXT, image, TEXT)
    assert [one["role"] for one in said] == ["assistant", "user", "assistant"]
    assert [one["content"][0]["type"] for one in said] == [
        "output_text",
        "input_image",
        "output_text",
    ]
    (said,) = items(TEXT, image, role=Role.TOOL)
    assert said["role"] == "user"


def test_message_metadata_is_sent_back_only_with_its_text() -> None:
    def words(text: str, provider: str, phase: str) -> ContentPart:
        kept = ProviderData(provider, {"phase": phase})
        return ContentPart(ContentKind.TEXT, text=text, provider_data=kept)

    said = items(
        words("a", "openai", "commentary"),
        words("b", "openai", "commentary"),
        words("c", "openai", "final_answer"),
        words("d", "anthropic", "commentary"),
    )
    assert [(one.get("phase"), len(one["content"])) for one in said] == [
        ("commentary", 2),
        ("final_answer", 1),
        (None, 1),
    ]


def test_generated_image_is_sent_back_as_its_item() -> None:
    drawn: JsonObject = {"type": "image_generation_call", "id": "ig_1", "result": "cG5n"}
    kept = ProviderData("openai", drawn)
    made = ImageData(data=b"png")
    part = ContentPart(ContentKind.IMAGE, image=made, provider_data=kept)
    assert items(part) == [drawn]


def test_reasoning_model_gets_no_sampling_settings() -> None:
    for model, effort, is_sent in (
        ("gpt-4.1", None, True),
        ("gpt-5.2", None, True),
        ("gpt-5.2", "none", True),
        ("gpt-5.2", "low", False),
        ("gpt-5-mini", None, False),
        ("o3", None, False),
    ):
        request = Request(model, [], temperature=0.5, top_p=0.5, reasoning_effort=effort)
        sent = write_request(request, provider="openai")
        assert ({"temperature", "top_p"} <= set(sent.body)) is is_sent
        assert len(sent.warnings) == (0 if is_sent else 2)


IMAGE = ImageData(data=b"png", detail="high")


OPENAI_FORMAT_TEXT: Any = {"type": "string"}
CLOSED: Any = {"additionalProperties": False}


def an_object(required: list[str] | None = None, **properties: Any) -> Any:
    needed = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": needed}


def sent(schema: Any, *, strict: bool = True) -> Any:
    written: Any = write_format(ResponseFormat("json_schema", schema, strict))
    assert (written["format"]["type"], written["format"]["name"]) == ("json_schema", "answer")
    return written["format"]["schema"], written["format"]["strict"]


def test_text_and_json_formats_without_a_schema() -> None:
    assert write_format(None) is None
    assert write_format(ResponseFormat("text")) == {"format": {"type": "text"}}
    assert write_format(ResponseFormat("json")) == {"format": {"type": "json_object"}}


def test_a_model_is_held_to_a_schema_whose_objects_are_closed() -> None:
    inner = an_object(b=OPENAI_FORMAT_TEXT)
    listed = {"type": "array", "items": inner}
    schema = {
        **an_object(a=listed, c={"anyOf": [inner, OPENAI_FORMAT_TEXT]}, d={"$ref": "#/$defs/e"})
    }
    schema["$defs"] = {"e": inner}
    closed = {**inner, **CLOSED}
    assert sent(schema) == (
        {
            **an_object(
                a={**listed, "items": closed},
                c={"anyOf": [closed, OPENAI_FORMAT_TEXT]},
                d={"$ref": "#/$defs/e"},
            ),
            **CLOSED,
            "$defs": {"e": closed},
        },
        True,
    )
    assert "additionalProperties" not in schema


def test_unenforceable_schema_is_sent_unchanged() -> None:
    for schema in (
        an_object(["a"], a=OPENAI_FORMAT_TEXT, b=OPENAI_FORMAT_TEXT),
        {**an_object(a=OPENAI_FORMAT_TEXT), "additionalProperties": True},
        an_object(a={"type": "object"}),
        an_object(a={**OPENAI_FORMAT_TEXT, "minLength": 1}),
        an_object(a={"type": ["object", "null"], "properties": {"b": OPENAI_FORMAT_TEXT}}),
        an_object(a={"type": "array", "items": {"oneOf": [OPENAI_FORMAT_TEXT]}}),
        an_object(a=True),
        {**an_object(a=OPENAI_FORMAT_TEXT), "anyOf": [OPENAI_FORMAT_TEXT]},
        {"type": "object"},
    ):
        assert sent(schema) == (schema, False)


def test_schema_is_unchanged_without_strict() -> None:
    schema = an_object(a=OPENAI_FORMAT_TEXT)
    assert sent(schema, strict=False) == (schema, False)


def test_schema_of_an_empty_object_is_accepted() -> None:
    schema = an_object(a={"type": "object", **CLOSED})
    assert sent(schema) == ({**schema, **CLOSED}, True)
