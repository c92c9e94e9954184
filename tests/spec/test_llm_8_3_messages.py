"""unified-llm 8.3, message and content model."""

from pathlib import Path
from typing import Any

import pytest

from attractor.llm import (
    AudioData,
    Client,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    InvalidRequestError,
    Message,
    Role,
    StreamEvent,
    ToolResultData,
)
from tests.llm.asking import PROVIDERS, SHELL, a_request, ask, last_body, speaking
from tests.llm.generated import within
from tests.tables import table

TEXT = ContentPart(ContentKind.TEXT, text="What is this?")
SCRIPT = """
[[rules]]
when = { step = 0 }
[rules.answer]
text = "I look."
thinking = "Hm."
redacted_thinking = "Secret."
tool_calls = [{ name = "shell", arguments = { command = "ls" } }]
[[rules]]
when = { step = 1, tool_result = "todo.py" }
answer.text = "Found."
"""


@table("provider", PROVIDERS)
def test_8_3_text_only_messages_work(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        assert ask(twin, a_request(provider, "look")).text == "I look."


@table("provider", PROVIDERS)
@table("source", ["url", "data", "path"])
def test_8_3_images_are_sent_with_text(provider: str, source: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    image, sent = {
        "url": (ImageData(url="https://x.org/a.png"), "https://x.org/a.png"),
        "data": (ImageData(data=b"png", media_type="image/png"), "cG5n"),
        "path": (ImageData(url=str(tmp_path / "a.png")), "cG5n"),
    }[source]
    message = Message(Role.USER, [TEXT, ContentPart(ContentKind.IMAGE, image=image)])
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, message))
        body = str(last_body(twin))
    assert sent in body
    assert "What is this?" in body


@table("provider", PROVIDERS)
@table("source", ["url", "data", "path"])
def test_8_3_documents_are_sent_with_text(provider: str, source: str, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"pdf")
    document, sent = {
        "url": (DocumentData(url="https://x.org/a.pdf"), "https://x.org/a.pdf"),
        "data": (DocumentData(data=b"pdf", media_type="application/pdf"), "cGRm"),
        "path": (DocumentData(url=str(tmp_path / "a.pdf")), "cGRm"),
    }[source]
    message = Message(Role.USER, [TEXT, ContentPart(ContentKind.DOCUMENT, document=document)])
    with speaking(SCRIPT) as twin:
        assert ask(twin, a_request(provider, message)).text == "I look."
        body = str(last_body(twin))
    assert sent in body
    assert "What is this?" in body


@table("provider", ["anthropic", "openai"])
def test_8_3_the_name_of_a_document_is_sent_where_the_provider_takes_one(provider: str) -> None:
    document = DocumentData(data=b"pdf", file_name="plan.pdf")
    message = Message(Role.USER, [ContentPart(ContentKind.DOCUMENT, document=document)])
    with speaking(SCRIPT) as twin:
        assert not ask(twin, a_request(provider, message)).warnings
        assert "plan.pdf" in str(last_body(twin))


@table("provider", PROVIDERS)
def test_8_3_results_of_tools_bring_documents(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        first = ask(twin, a_request(provider, "look", tools=[SHELL]))
        (call,) = first.tool_calls
        brought = ToolResultData(call.id, "todo.py", document=DocumentData(data=b"pdf"))
        result = Message(Role.TOOL, [ContentPart(ContentKind.TOOL_RESULT, tool_result=brought)])
        second = ask(twin, a_request(provider, "look", first.message, result, tools=[SHELL]))
        assert "cGRm" in str(last_body(twin))
    assert second.text == "Found."


def test_8_3_gemini_takes_audio() -> None:
    part = ContentPart(ContentKind.AUDIO, audio=AudioData(data=b"wav"))
    with speaking(SCRIPT) as twin:
        ask(twin, a_request("gemini", Message(Role.USER, [TEXT, part])))
        contents: Any = last_body(twin)["contents"]
    assert contents[0]["parts"][1] == {"inlineData": {"mimeType": "audio/wav", "data": "d2F2"}}


REFUSED = {
    "audio": ContentPart(ContentKind.AUDIO, audio=AudioData(data=b"wav")),
    "zip": ContentPart(
        ContentKind.DOCUMENT, document=DocumentData(data=b"zip", media_type="application/zip")
    ),
}


@table("streamed", [False, True])
@table(
    ("provider", "kind", "who"),
    [
        ("anthropic", "audio", "gemini"),
        ("openai", "audio", "gemini"),
        ("anthropic", "zip", "openai"),
    ],
)
def test_8_3_unsupported_media_is_refused(
    provider: str, kind: str, who: str, streamed: bool
) -> None:
    request = a_request(provider, Message(Role.USER, [TEXT, REFUSED[kind]]))

    async def work(client: Client) -> list[StreamEvent]:
        return [event async for event in client.stream(request)]

    with speaking(SCRIPT) as twin:
        with pytest.raises(InvalidRequestError) as caught:
            within(twin, work) if streamed else ask(twin, request)
        assert len(twin.requests) == 0
    assert (provider in str(caught.value), who in caught.value.hint) == (True, True)


@table("provider", PROVIDERS)
@table("role", [Role.SYSTEM, Role.DEVELOPER])
def test_8_3_instructions_without_text_are_refused(provider: str, role: Role) -> None:
    image = ContentPart(ContentKind.IMAGE, image=ImageData(data=b"png"))
    with speaking(SCRIPT) as twin:
        with pytest.raises(InvalidRequestError, match="instructions are text only"):
            ask(twin, a_request(provider, Message(role, [image]), "look"))
        assert len(twin.requests) == 0


@table("provider", PROVIDERS)
def test_8_3_tool_calls_round_trip(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        first = ask(twin, a_request(provider, "look", tools=[SHELL]))
        (call,) = first.tool_calls
        result = Message.tool_result(call.id, "todo.py")
        second = ask(twin, a_request(provider, "look", first.message, result, tools=[SHELL]))
    assert second.text == "Found."


def test_8_3_anthropic_thinking_is_round_tripped_verbatim_with_signature_and_redacted() -> None:
    with speaking(SCRIPT) as twin:
        first = ask(twin, a_request("anthropic", "look"))
        (call,) = first.tool_calls
        result = Message.tool_result(call.id, "todo.py")
        ask(twin, a_request("anthropic", "look", first.message, result))
        turns: Any = last_body(twin)["messages"]
    received: Any = (first.raw or {})["content"]
    assert [block["type"] for block in received[:2]] == ["thinking", "redacted_thinking"]
    assert received[0]["signature"]
    assert turns[1]["content"][:2] == received[:2]


def test_8_3_gemini_thought_signatures_are_round_tripped_byte_for_byte() -> None:
    with speaking(SCRIPT) as twin:
        first = ask(twin, a_request("gemini", "look", reasoning_effort="low"))
        (call,) = first.tool_calls
        result = Message.tool_result(call.id, "todo.py")
        ask(twin, a_request("gemini", "look", first.message, result))
        turns: Any = last_body(twin)["contents"]
    candidates: Any = (first.raw or {})["candidates"]
    received = candidates[0]["content"]
    assert [bool(part.get("thoughtSignature")) for part in received["parts"]] == [True, False, True]
    assert turns[1] == received
