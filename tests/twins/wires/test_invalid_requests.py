"""Requests that a provider rejects are rejected with its status, type and code."""

from collections.abc import Sequence
from typing import Any

from tests.tables import table
from tests.twins.exchanging import HELLO, answer, refusal
from tests.twins.wires import (
    test_anthropic as anthropic,
    test_gemini as gemini,
    test_openai as openai,
    test_openai_chat as chat,
)

CALL, RESULT = anthropic.CALL, anthropic.RESULT
PNG = anthropic.PNG
PDF = {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}
PLAIN = {"type": "text", "media_type": "text/plain", "data": "a"}


def block(kind: str, source: Any) -> dict[str, Any]:
    return {"type": kind, "source": source}


INVALID_MEDIA = [
    block("image", PNG | {"data": "no base64"}),
    block("image", PNG | {"media_type": "image/tiff"}),
    block("image", PDF),
    block("image", PLAIN),
    block("image", {"type": "url", "url": "data:image/png;base64,cG5n"}),
    block("document", PNG),
    block("document", PDF | {"data": ""}),
    block("document", PLAIN | {"media_type": "text/html"}),
    {"type": "document"},
]
TEXT = {"type": "text", "text": "a"}
MARK = {"cache_control": {"type": "ephemeral"}}
MARKED = TEXT | MARK
INVALID_TURNS: list[Sequence[Any]] = [
    *([[one]] for one in INVALID_MEDIA),
    *(["a", [CALL], [RESULT | {"content": [one]}]] for one in INVALID_MEDIA),
    ["a", [CALL]],
    ["a", [CALL], "b"],
    [[RESULT]],
    ["a", [CALL], [RESULT], "b", [RESULT]],
    [[{"type": "text", "text": ""}]],
    [""],
    ["a", [CALL, CALL], [RESULT]],
    ["a", [CALL], [RESULT, RESULT]],
    ["a", [block("image", PNG)], "b"],
    ["a", [CALL], [TEXT, RESULT]],
    [[MARKED] * 5],
]

# Anthropic: settings by model version
NEW, MIDDLE, OLD = "claude-opus-4-7", "claude-opus-4-6", "claude-sonnet-4-5"
ADAPTIVE = {"thinking": {"type": "adaptive"}}
HIGH = {"output_config": {"effort": "high"}}


def budget(tokens: int) -> dict[str, Any]:
    return {"thinking": {"type": "enabled", "budget_tokens": tokens}, "max_tokens": 4096}


VALID_SETTINGS: list[tuple[str, dict[str, Any]]] = [
    (NEW, ADAPTIVE | HIGH),
    (MIDDLE, ADAPTIVE | HIGH | {"temperature": 1, "top_p": 0.95}),
    (MIDDLE, budget(2048)),
    (OLD, budget(1024)),
    ("claude-opus-4-5", budget(1024) | HIGH),
    (OLD, {"temperature": 0.5}),
    ("claude", ADAPTIVE | {"thinking": {"type": "disabled"}, "temperature": 0.5}),
]
INVALID_SETTINGS: list[tuple[str, dict[str, Any], str]] = [
    (OLD, ADAPTIVE, "thinking.type"),
    (NEW, budget(2048), "thinking.type"),
    (OLD, budget(1000), "thinking.budget_tokens"),
    (OLD, budget(4096), "thinking.budget_tokens"),
    (OLD, HIGH, "output_config.effort"),
    (MIDDLE, {"output_config": {"effort": "ultra"}}, "output_config.effort"),
    (MIDDLE, {"output_config": {"effort": "xhigh"}}, "output_config.effort"),
    (MIDDLE, ADAPTIVE | {"temperature": 0.5}, "temperature"),
    (MIDDLE, ADAPTIVE | {"top_p": 0.5}, "top_p"),
    (NEW, {"temperature": 0.5}, "temperature"),
    (MIDDLE, ADAPTIVE | {"tool_choice": {"type": "any"}}, "tool_choice"),
    ("m", {"max_tokens": None}, "max_tokens"),
    ("m", {"max_tokens": 0}, "max_tokens"),
    ("m", {"messages": []}, "messages"),
]


def test_anthropic_rejects_invalid_content() -> None:
    for turns in INVALID_TURNS:
        status, error = refusal("anthropic", anthropic.ask(*turns))
        assert (status, error["type"]) == (400, "invalid_request_error"), turns


def test_anthropic_accepts_media_and_results_first() -> None:
    media = [
        block("image", PNG),
        block("image", {"type": "url", "url": "https://x.org/a"}),
        block("document", PDF) | {"title": "a.pdf"} | MARK,
        block("document", PLAIN),
        block("document", {"type": "content", "content": "a"}),
    ]
    results = [RESULT | {"content": media}, TEXT]
    assert answer("anthropic", anthropic.ask([TEXT, *media], [CALL], results))
    assert answer("anthropic", anthropic.ask([MARKED, MARKED], system=[MARKED], tools=[MARKED]))


def test_anthropic_checks_settings_by_model_version() -> None:
    for model, settings in VALID_SETTINGS:
        assert answer("anthropic", anthropic.ask("a", **{"model": model, **settings}))
    for model, settings, field in INVALID_SETTINGS:
        status, error = refusal("anthropic", anthropic.ask("a", **{"model": model, **settings}))
        assert (status, error["message"].partition(":")[0]) == (400, field)


def test_anthropic_thinking_must_start_at_the_beginning_of_a_turn() -> None:
    body = anthropic.ask("a", [CALL], [RESULT], **{"model": OLD, **budget(1024)})
    assert refusal("anthropic", body)[0] == 400
    assert answer("anthropic", body | {"model": MIDDLE} | ADAPTIVE)
    new_turn = anthropic.ask("a", [CALL], [RESULT], [TEXT], "b", **{"model": OLD, **budget(1024)})
    assert answer("anthropic", new_turn)


# OpenAI Responses
IMAGE_PART = {"type": "input_image", "image_url": "data:image/png;base64,cG5n"}
FILE_PART = {
    "type": "input_file",
    "filename": "a.pdf",
    "file_data": "data:application/pdf;base64,cGRm",
}
INVALID_PARTS: list[dict[str, Any]] = [
    IMAGE_PART | {"image_url": "data:image/png;base64,no base64"},
    IMAGE_PART | {"image_url": "data:application/pdf;base64,cGRm"},
    IMAGE_PART | {"image_url": "/tmp/a.png"},
    FILE_PART | {"file_data": "cGRm"},
    FILE_PART | {"file_data": "data:application/pdf;base64,!"},
    FILE_PART | {"filename": ""},
    FILE_PART | {"file_url": "https://x.org/a.pdf"},
    {"type": "input_file", "file_url": "a.pdf"},
    {"type": "input_audio", "input_audio": {}},
    {"type": "output_text", "text": "a"},
]


def test_openai_rejects_invalid_parts() -> None:
    call, result = openai.CALL, openai.RESULT
    for part in INVALID_PARTS:
        for items in (
            [{"role": "user", "content": [part]}],
            [openai.user("a"), call, result | {"output": [part]}],
        ):
            status, error = refusal("openai", openai.ask(*items))
            assert (status, error["type"]) == (400, "invalid_request_error"), items
    for part in (IMAGE_PART, {"type": "input_text", "text": "a"}):
        item = {"type": "message", "role": "assistant", "content": [part]}
        assert refusal("openai", openai.ask(item))[0] == 400
    for items in ([call], [result]):
        assert refusal("openai", openai.ask(openai.user("a"), *items))[0] == 400


def test_openai_accepts_images_and_files() -> None:
    parts = [
        *(IMAGE_PART, FILE_PART),
        {"type": "input_file", "file_url": "https://x.org/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_image", "file_id": "file-1"},
    ]
    message = {"role": "user", "content": parts}
    assert answer("openai", openai.ask(message, openai.CALL, openai.RESULT | {"output": parts}))


# OpenAI Chat Completions
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
SHELL: dict[str, Any] = {"type": "function", "function": {"name": "shell"}}
VALID_CHATS: list[dict[str, Any]] = [
    chat.ask(chat.CALL, *chat.RESULTS, chat.user("b")),
    chat.ask(chat.user([IMAGE])),
    chat.ask(chat.user("as JSON"), response_format={"type": "json_object"}),
    chat.ask(max_tokens=9),
    chat.ask(max_completion_tokens=9),
    chat.ask(tools=[SHELL], tool_choice="required"),
    chat.ask(response_format={"type": "text"}, stop=["a"] * 4, n=1),
    chat.ask(response_format={"type": "json_schema", "json_schema": {"name": "a"}}),
    chat.ask(stop="a", tools=None, stream=None, tool_choice=None),
]
INVALID_CHATS: list[dict[str, Any]] = [
    chat.ask(chat.CALL),
    chat.ask(chat.CALL, chat.RESULTS[0]),
    chat.ask(chat.CALL, chat.user("b"), *chat.RESULTS),
    chat.ask(chat.RESULTS[0]),
    chat.ask(chat.CALL, *chat.RESULTS, chat.user("b"), chat.RESULTS[0]),
    chat.ask({"role": "system", "content": [IMAGE]}),
    chat.ask({"role": "assistant", "content": [IMAGE]}),
    chat.ask({"role": "user"}),
    chat.ask({"role": "assistant", "content": None}),
    chat.ask(max_tokens=9, max_completion_tokens=9),
    chat.ask(max_tokens=0),
    chat.ask(stream_options={"include_usage": True}),
    chat.ask(tool_choice="auto"),
    chat.ask(tools=[{"type": "function", "function": {"name": "a b"}}]),
    chat.ask(response_format={"type": "json_schema"}),
    chat.ask(response_format={"type": "json"}),
    chat.ask(response_format={"type": "json_object"}),
    chat.ask(stop=["a"] * 5),
    chat.ask(n=2),
    chat.ask(messages=[]),
]


def test_chat_completions_check_messages_and_settings() -> None:
    for body in VALID_CHATS:
        assert answer("openai_chat", body)
    for body in INVALID_CHATS:
        status, error = refusal("openai_chat", body)
        assert (status, error["type"]) == (400, "invalid_request_error"), body


# Gemini
INLINE = {"mimeType": "image/png", "data": "cG5n"}
G_CALL, G_RESULT, response = gemini.CALL, gemini.RESULT, gemini.response
UNSIGNED = {"functionCall": G_CALL["functionCall"]}
INVALID_GEMINI_PARTS: list[dict[str, Any]] = [
    {"inlineData": INLINE | {"data": "no base64"}},
    {"inlineData": INLINE | {"data": ""}},
    {"inlineData": INLINE | {"mimeType": "application/zip"}},
    {"fileData": {"fileUri": "https://x.org/a"}},
    {"inlineData": {"data": "cG5n"}},
]
INVALID_RESULT_PARTS: list[dict[str, Any]] = [
    {"inlineData": INLINE | {"mimeType": "audio/wav"}},
    {"fileData": {"fileUri": "u", "mimeType": "image/png"}},
]
INVALID_CONTENTS: list[Sequence[Any]] = [
    ["a", [G_CALL]],
    ["a", [G_CALL], "b"],
    ["a", [G_CALL, G_CALL], [G_RESULT]],
    [[G_RESULT]],
    ["a", [G_CALL], [response("other")]],
    ["a", [G_CALL], [response("")]],
    ["a", [G_CALL], [response("shell", "x")]],
    [gemini.NO_PARTS],
    ["a", [UNSIGNED], [G_RESULT]],
    *([[part]] for part in INVALID_GEMINI_PARTS),
    *(
        ["a", [G_CALL], [{"functionResponse": G_RESULT["functionResponse"] | {"parts": [part]}}]]
        for part in INVALID_RESULT_PARTS
    ),
]


def test_gemini_rejects_invalid_contents() -> None:
    bodies = [gemini.ask(*turns) for turns in INVALID_CONTENTS]
    bodies.append(gemini.ask() | {"contents": [{"role": "system", "parts": [{"text": "a"}]}]})
    for body in bodies:
        status, error = refusal("gemini", body)
        assert (status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT"), body


def test_gemini_accepts_files_and_unsigned_calls_of_earlier_turns_and_models() -> None:
    pdf = {"mime_type": "application/pdf", "file_uri": "https://x.org/a.pdf"}
    result = {
        "functionResponse": G_RESULT["functionResponse"] | {"parts": [{"inlineData": INLINE}]}
    }
    assert answer(
        "gemini", gemini.ask([{"inlineData": INLINE}, {"file_data": pdf}], [G_CALL], [result])
    )
    assert answer("gemini", gemini.ask("a", [UNSIGNED], [G_RESULT], "b", "c"))
    older = gemini.ask("a", [UNSIGNED], [G_RESULT]) | {"model": "gemini-2.5-pro"}
    assert answer("gemini", older)


# Every wire
KNOWN_FIELDS: dict[str, dict[str, Any]] = {
    "anthropic": {"container": None, "mcp_servers": [], "service_tier": "auto", "top_k": 1},
    "openai": {"truncation": "auto", "service_tier": "flex"},
    "openai_chat": {"seed": 1, "verbosity": "low", "top_k": 1, "chat_template_kwargs": {}},
    "gemini": {"safetySettings": [], "safety_settings": []},
}


@table("wire", list(HELLO))
def test_unknown_fields_are_rejected_by_name(wire: str) -> None:
    for name in ("temprature", "größe", "messages" if wire in ("openai", "gemini") else "input"):
        status, error = refusal(wire, {**HELLO[wire], name: None})
        assert (status, error["message"]) == (400, f"{name}: unknown field")
        if wire.startswith("openai"):
            assert (error["code"], error["param"]) == ("unknown_parameter", name)
    assert answer(wire, HELLO[wire] | KNOWN_FIELDS[wire])
