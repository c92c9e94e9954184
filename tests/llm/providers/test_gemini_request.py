import base64
from pathlib import Path
from typing import Any

import pytest

from attractor.base.json import JsonObject
from attractor.llm import (
    AudioData,
    ConfigurationError,
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
    ToolDefinition,
    ToolResultData,
)
from attractor.llm.providers.gemini_request import (
    GeminiRequest,
    Thinking,
    write_request,
    write_schema,
    write_thinking,
    write_tools,
)
from tests.llm.asking import SHELL
from tests.tables import table

SKIP = {"thoughtSignature": "skip_thought_signature_validator"}
PNG = {"inlineData": {"mimeType": "image/png", "data": "cG5n"}}


def written(*messages: Message, model: str = "gemini-3-pro", **more: Any) -> GeminiRequest:
    return write_request(Request(model=model, messages=messages, **more), provider="gemini")


def contents(*messages: Message, **more: Any) -> Any:
    return written(*messages, **more).body["contents"]


def parts(*said: ContentPart, role: Role = Role.ASSISTANT, **more: Any) -> Any:
    (content,) = contents(Message(role, said), **more)
    return content["parts"]


def called(id: str = "1", kept: JsonObject | None = None) -> ContentPart:
    """Make a call of the model, with the provider's data beside it."""
    own = ProviderData("gemini", kept) if kept else None
    call = ToolCallData(id, "shell", {"a": 1})
    return ContentPart(ContentKind.TOOL_CALL, tool_call=call, provider_data=own)


def test_results_of_parallel_calls_share_one_turn() -> None:
    model = Message(Role.ASSISTANT, [called("1", SKIP), called("2")])
    sent = contents(
        Message.user("a"),
        model,
        Message.tool_result("1", "x"),
        Message.tool_result("2", "y"),
        Message.user("b"),
        Message.user("c"),
    )
    assert [one["role"] for one in sent] == ["user", "model", "user", "user"]
    assert [len(one["parts"]) for one in sent] == [1, 2, 2, 2]


def test_a_result_is_an_object_under_the_name_of_its_function() -> None:
    for content, is_error, response in (
        ("done", False, {"result": "done"}),
        ({"a": 1}, False, {"a": 1}),
        (["a"], False, {"result": ["a"]}),
        ("broken", True, {"error": "broken"}),
        ({"a": 1}, True, {"error": {"a": 1}}),
    ):
        result = Message.tool_result("1", content, is_error=is_error)
        _, sent = contents(Message(Role.ASSISTANT, [called()]), result)
        assert sent["parts"] == [{"functionResponse": {"name": "shell", "response": response}}]


def test_id_of_the_provider_is_sent_back() -> None:
    own = called("theirs", {"functionCall": {"id": "theirs"}, "thoughtSignature": "s"})
    model, result = contents(
        Message(Role.ASSISTANT, [own, called("ours")]),
        Message.tool_result("theirs", "x"),
        Message.tool_result("ours", "y"),
    )
    assert model["parts"] == [
        {
            "functionCall": {"name": "shell", "args": {"a": 1}, "id": "theirs"},
            "thoughtSignature": "s",
        },
        {"functionCall": {"name": "shell", "args": {"a": 1}}},
    ]
    assert [one["functionResponse"].get("id") for one in result["parts"]] == ["theirs", None]


def test_a_result_of_no_call_is_refused() -> None:
    with pytest.raises(
        InvalidRequestError, match="missing call of the tool result 'nobody'"
    ) as caught:
        written(Message.tool_result("nobody", "x"))
    assert caught.value.hint


def test_a_result_may_bring_a_document(tmp_path: Path) -> None:
    pdf = {"inlineData": {"mimeType": "application/pdf", "data": "cGRm"}}
    there = {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.org/a.pdf"}}
    for document, model, within, beside in (
        (DocumentData(data=b"pdf"), "gemini-3-pro", [pdf], []),
        (DocumentData(data=b"pdf"), "gemini-2.5-pro", None, [pdf]),
        (DocumentData(url="https://x.org/a.pdf"), "gemini-3-pro", None, [there]),
    ):
        brought = ToolResultData("1", "read", document=document)
        _, sent = contents(
            Message(Role.ASSISTANT, [called()]),
            Message(Role.TOOL, [ContentPart(ContentKind.TOOL_RESULT, tool_result=brought)]),
            model=model,
        )
        first, *others = sent["parts"]
        assert (first["functionResponse"].get("parts"), others) == (within, beside)


def test_own_parts_are_sent_back_unchanged() -> None:
    thought: JsonObject = {"text": "hm", "thought": True, "thoughtSignature": "s", "odd": [1]}
    signed: JsonObject = {"thoughtSignature": "t"}
    code: JsonObject = {"executableCode": {"code": "1"}}
    thinking = ThinkingData("hm", "s")
    ours, others = ProviderData("gemini", thought), ProviderData("anthropic", thought)
    assert parts(
        ContentPart(ContentKind.THINKING, thinking=thinking, provider_data=ours),
        ContentPart(ContentKind.THINKING, thinking=thinking, provider_data=others),
        ContentPart(ContentKind.THINKING, thinking=thinking),
        ContentPart("gemini.executableCode", provider_data=ProviderData("gemini", code)),
        ContentPart("web_search_call", provider_data=others),
        ContentPart(ContentKind.TEXT, text="hi", provider_data=ProviderData("gemini", signed)),
        ContentPart(ContentKind.TEXT, text="", provider_data=ProviderData("gemini", signed)),
        ContentPart(ContentKind.TEXT, text="kept", provider_data=others),
        ContentPart(ContentKind.TEXT, text=""),
    ) == [thought, code, {"text": "hi", **signed}, {"text": "", **signed}, {"text": "kept"}]


def test_generated_image_is_sent_back_as_received() -> None:
    drawn: Any = {**PNG, "thoughtSignature": "s"}
    made = ImageData(data=b"png")
    for provider, sent in (("gemini", drawn), ("openai", PNG)):
        kept = ProviderData(provider, drawn)
        assert parts(ContentPart(ContentKind.IMAGE, image=made, provider_data=kept)) == [sent]


def test_the_first_of_calls_made_elsewhere_is_marked_where_the_model_wants_signatures() -> None:
    call = {"functionCall": {"name": "shell", "args": {"a": 1}}}
    assert parts(called("1"), called("2")) == [{**call, **SKIP}, call]
    assert parts(called("1"), called("2"), model="gemini-2.5-pro") == [call, call]
    signed: JsonObject = {"thoughtSignature": "s"}
    assert parts(called("1", signed), called("2")) == [{**call, **signed}, call]


def test_arguments_are_always_sent_as_an_object() -> None:
    for arguments, sent in (('{"a": 1}', {"a": 1}), ("{broken", {})):
        call = ToolCallData("1", "shell", arguments)
        (part,) = parts(ContentPart(ContentKind.TOOL_CALL, tool_call=call))
        assert part["functionCall"] == {"name": "shell", "args": sent}


def test_media_are_sent_by_address_by_content_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"pdf")
    jpeg, pdf = "https://x.org/a.jpeg?b=1", base64.b64encode(b"pdf").decode()
    assert parts(
        ContentPart(ContentKind.IMAGE, image=ImageData(url=jpeg, detail="low")),
        ContentPart(ContentKind.IMAGE, image=ImageData(data=b"png")),
        ContentPart(ContentKind.DOCUMENT, document=DocumentData(url=str(file))),
        ContentPart(ContentKind.DOCUMENT, document=DocumentData(data=b"png", file_name="a.txt")),
        ContentPart(ContentKind.DOCUMENT, document=DocumentData(url="https://x.org/1")),
        ContentPart(ContentKind.AUDIO, audio=AudioData(data=b"png", media_type="audio/mp3")),
        role=Role.USER,
    ) == [
        {"fileData": {"mimeType": "image/jpeg", "fileUri": jpeg}},
        PNG,
        {"inlineData": {"mimeType": "application/pdf", "data": pdf}},
        {"inlineData": {"mimeType": "text/plain", "data": "cG5n"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.org/1"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "cG5n"}},
    ]
    file.unlink()
    missing = ContentPart(ContentKind.DOCUMENT, document=DocumentData(url=str(file)))
    with pytest.raises(ConfigurationError, match="the document .*a.pdf"):
        parts(missing, role=Role.USER)


def test_effort_is_a_level_or_a_budget_and_thoughts_are_shown() -> None:
    for model, effort, sent in (
        ("gemini-3-flash-preview", "low", {"thinkingLevel": "low"}),
        ("gemini-3.1-pro-preview", "high", {"thinkingLevel": "high"}),
        ("gemini-flash-latest", "minimal", {"thinkingLevel": "minimal"}),
        ("gemini-2.5-pro", "low", {"thinkingBudget": 1024}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192}),
        ("models/gemini-2.5-flash", "high", {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", "max", {"thinkingBudget": 24576}),
        ("gemini-3-flash-preview", "xhigh", {"thinkingLevel": "high"}),
        ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "low"}),
    ):
        config: Any = written(model=model, reasoning_effort=effort).body["generationConfig"]
        assert config == {"thinkingConfig": {**sent, "includeThoughts": True}}


def test_unsupported_options_are_warned_about() -> None:
    document = DocumentData(data=b"pdf", file_name="a.pdf")
    said = Message(Role.USER, [ContentPart(ContentKind.DOCUMENT, document=document)])
    sent = written(said, metadata={"run": "1"}, reasoning_effort="odd")
    assert [one.code for one in sent.warnings] == ["unsupported_parameter"] * 3
    text = [one.message for one in sent.warnings]
    assert "'odd' (use one of minimal, low" in text[1]
    assert text[2] == "Gemini does not support the file_name 'a.pdf' of a document"
    assert set(sent.body) == {"contents"}


JSON = {"responseMimeType": "application/json"}
SCHEMA: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}


def test_a_form_is_part_of_the_settings() -> None:
    for wanted, sent in (
        (ResponseFormat("text"), None),
        (ResponseFormat("json"), JSON),
        (ResponseFormat("json_schema", SCHEMA), {**JSON, "responseSchema": SCHEMA}),
    ):
        for tools in ([], [SHELL]):
            request = written(response_format=wanted, tools=tools)
            assert request.body.get("generationConfig") == sent
            assert (request.warnings, "systemInstruction" in request.body) == ([], False)


def test_older_model_with_tools_gets_the_format_as_an_instruction() -> None:
    wanted = ResponseFormat("json_schema", SCHEMA)
    sent = written(model="gemini-2.5-pro", response_format=wanted, tools=[SHELL])
    assert "generationConfig" not in sent.body
    assert '"properties": {"a"' in str(sent.body["systemInstruction"])
    assert [one.code for one in sent.warnings] == ["schema_not_enforced"]
    without = written(model="gemini-2.5-pro", response_format=wanted)
    assert "systemInstruction" not in without.body


def declared(**schema: Any) -> dict[str, Any]:
    """Return the declaration of a tool's parameters."""
    tools: Any = write_tools([ToolDefinition("t", "d", {"type": "object", **schema})])
    ((declaration,),) = [one["functionDeclarations"] for one in tools]
    assert (declaration.pop("name"), declaration.pop("description")) == ("t", "d")
    return declaration


def test_all_functions_are_declared_in_one_tool() -> None:
    other = ToolDefinition("now", "Tell the time.", {"type": "object", "properties": {}})
    assert write_tools([SHELL, other]) == [
        {
            "functionDeclarations": [
                {"name": "shell", "description": "Run a command.", "parameters": SHELL.parameters},
                {"name": "now", "description": "Tell the time."},
            ]
        }
    ]


def test_a_plain_schema_is_written_in_the_providers_own_kind() -> None:
    for inner in (
        {"type": "string", "enum": ["a", "b"], "description": "x"},
        {"type": "array", "items": {"type": "integer", "minimum": 1}},
        {"type": "object", "properties": {"b": {"type": "number", "nullable": True}}},
        {"anyOf": [{"type": "string"}, {"type": "integer"}]},
    ):
        assert list(declared(properties={"a": inner})) == ["parameters"]


OTHERS: list[Any] = [
    {"type": ["string", "null"]},
    {"const": 1},
    {"type": "integer", "enum": [1, 2]},
    {"type": "object"},
    {"type": "array", "items": {"$ref": "#/$defs/x"}},
    {"anyOf": [{"type": "object", "properties": {"b": {"oneOf": []}}}]},
    True,
]


@table("inner", OTHERS)
def test_any_other_schema_is_written_as_json_schema(inner: Any) -> None:
    properties = {"a": inner}
    assert declared(properties=properties) == {
        "parametersJsonSchema": {"type": "object", "properties": properties}
    }


def test_root_keywords_outside_the_native_schema_are_kept() -> None:
    closed = {"properties": {"a": {"type": "string"}}, "additionalProperties": False}
    assert declared(**closed) == {"parametersJsonSchema": {"type": "object", **closed}}
    free = {"additionalProperties": {"type": "string"}}
    assert declared(**free) == {"parametersJsonSchema": {"type": "object", **free}}


@table("schema", [{}, {"properties": {}, "additionalProperties": False}])
def test_a_tool_without_parameters_has_none(schema: dict[str, Any]) -> None:
    assert declared(**schema) == {}


@table(
    ("schema", "key"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, "responseSchema"),
        ({"type": "object", "properties": {"a": {"const": 1}}}, "responseJsonSchema"),
        ({"type": "object"}, "responseJsonSchema"),
    ],
)
def test_answer_schema_uses_the_dialect_that_supports_it(schema: dict[str, Any], key: str) -> None:
    assert write_schema(schema) == {key: schema}


def gemini_thinking_written(
    model: str, effort: str | None, options: JsonObject | None = None
) -> Thinking:
    request = Request(
        model, [], reasoning_effort=effort, provider_options={"gemini": options or {}}
    )
    return write_thinking(request, provider="gemini")


def test_changed_effort_level_is_warned_about() -> None:
    assert gemini_thinking_written("gemini-3-flash-preview", "high").ignored == []
    (found,) = gemini_thinking_written("gemini-3-flash-preview", "max").ignored
    assert found == "reasoning_effort 'max' (used: 'high')"
    (found,) = gemini_thinking_written("gemini-3.1-pro-preview", "minimal").ignored
    assert found == "reasoning_effort 'minimal' (used: 'low')"


def test_thinking_options_override_the_effort() -> None:
    for setting in ({"thinkingBudget": 0}, {"thinkingLevel": "low"}):
        options: Any = {"generationConfig": {"thinkingConfig": setting}}
        config, (message,) = gemini_thinking_written("gemini-3-flash-preview", "high", options)
        assert (config, "thinkingConfig" in message) == (None, True)
    shown: Any = {"generationConfig": {"thinkingConfig": {"includeThoughts": False}}}
    assert gemini_thinking_written("gemini-3-flash-preview", "high", shown).config
