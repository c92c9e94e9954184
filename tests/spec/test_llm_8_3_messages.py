"""unified-llm 8.3, message and content model: the boxes that are built."""

from pathlib import Path
from typing import Any

import pytest

from attractor.llm import (
    AudioData,
    ContentKind,
    ContentPart,
    DocumentData,
    ImageData,
    InvalidRequestError,
    Message,
    Role,
)
from tests.llm.asking import PROVIDERS, SHELL, a_request, ask, last_body, speaking

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


@pytest.mark.parametrize("provider", PROVIDERS)
def test_8_3_text_only_messages_work(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        assert ask(twin, a_request(provider, "look")).text == "I look."


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("source", ["url", "data", "path"])
def test_8_3_images_are_sent_beside_text_as_url_data_or_file(
    provider: str, source: str, tmp_path: Path
) -> None:
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


def test_8_3_gemini_takes_audio_and_documents() -> None:
    for part, sent in (
        (ContentPart(ContentKind.AUDIO, audio=AudioData(data=b"png")), "audio/wav"),
        (ContentPart(ContentKind.DOCUMENT, document=DocumentData(data=b"png")), "application/pdf"),
    ):
        with speaking(SCRIPT) as twin:
            ask(twin, a_request("gemini", Message(Role.USER, [TEXT, part])))
            contents: Any = last_body(twin)["contents"]
        assert contents[0]["parts"][1] == {"inlineData": {"mimeType": sent, "data": "cG5n"}}


@pytest.mark.parametrize("provider", ["anthropic", "openai"])
def test_8_3_audio_and_documents_are_gracefully_rejected(provider: str) -> None:
    for part in (
        ContentPart(ContentKind.AUDIO, audio=AudioData(data=b"")),
        ContentPart(ContentKind.DOCUMENT, document=DocumentData(data=b"")),
    ):
        message = Message(Role.USER, [TEXT, part])
        with speaking(SCRIPT) as twin, pytest.raises(InvalidRequestError, match="not supported"):
            ask(twin, a_request(provider, message))


@pytest.mark.parametrize("provider", PROVIDERS)
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
