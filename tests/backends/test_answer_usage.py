"""The usage of an answer is read from every form of it, otherwise estimated."""

import json
import struct

from attractor.backends.answer_usage import UsageReader, is_model_call
from attractor.base.json import Json
from tests.tables import table

ANTHROPIC, CHAT = "/v1/messages", "/chat/completions"
RESPONSES, GEMINI = "/responses", "/v1beta/models/gemini-9:streamGenerateContent"
REQUEST = json.dumps({"model": "asked", "input": "x" * 378}).encode()
START: Json = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9}}}
SAID: Json = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x" * 41}}
END: Json = {"type": "message_delta", "usage": {"output_tokens": 5}}
OVERLOADED: Json = {"type": "error", "error": {"type": "overloaded_error"}}
PIECE: Json = {"model": "m", "choices": [{"delta": {"content": "x" * 41}}]}
STOP: Json = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
CHAT_USAGE: Json = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}
CONTENT: Json = {"candidates": [{"content": {"parts": [{"text": "x" * 41}]}}]}
DONE: Json = {
    "candidates": [{"finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5},
    "modelVersion": "m",
}
FAILED: Json = {"type": "response.failed", "response": {"error": {"code": "usage_limit_reached"}}}
ASKED = 103
"""The estimate of the request, which has 409 bytes."""


def stream(*events: Json, end: str = "\n\n", marks: str = "") -> bytes:
    return "".join(f"event: e\ndata: {json.dumps(one)}{end}" for one in events).encode() + (
        marks.encode()
    )


@table(
    ("path", "answer", "tokens", "is_estimated"),
    [
        (ANTHROPIC, stream(START, SAID, END), (9, 5), False),
        (ANTHROPIC, stream(START, SAID, END, end="\r\n\r\n"), (9, 5), False),
        (ANTHROPIC, stream(START, SAID), (9, 11), True),
        (ANTHROPIC, stream(START, OVERLOADED), (9, 0), True),
        (ANTHROPIC, stream(OVERLOADED), None, False),
        (ANTHROPIC, b"", (ASKED, 0), True),
        (CHAT, stream(PIECE, STOP, CHAT_USAGE, marks="data: [DONE]\n\n"), (9, 5), False),
        # The last blank line is missing, and the last event is cut.
        (CHAT, stream(PIECE, STOP, CHAT_USAGE)[:-2], (9, 5), False),
        (CHAT, stream(PIECE, STOP, CHAT_USAGE)[:-9], (ASKED, 11), True),
        (CHAT, stream(PIECE, STOP, marks="data: [DONE]\n\n"), (ASKED, 11), True),
        (CHAT, json.dumps(CHAT_USAGE).encode(), (9, 5), False),
        (CHAT, b'{"usage": {"prompt_tokens": -1}}', (ASKED, 8), True),
        (CHAT, b"<html>", (ASKED, 2), True),
        (RESPONSES, stream(FAILED), None, False),
        (RESPONSES, b'{"error": {"message": "no"}}', None, False),
        (GEMINI, stream(CONTENT, DONE), (9, 5), False),
        (GEMINI, json.dumps([CONTENT, DONE]).encode(), (9, 5), False),
        (GEMINI, stream(CONTENT), (ASKED, 11), True),
    ],
)
@table("size", [1, 7, 10_000])
def test_usage_of_an_answer(
    path: str, answer: bytes, tokens: tuple[int, int] | None, is_estimated: bool, size: int
) -> None:
    assert is_model_call("POST", path)
    reader = UsageReader(path, "anthropic" if path == ANTHROPIC else "any", REQUEST)
    if answer[:1] in (b"{", b"[", b"<"):
        reader.take_whole(answer)
    else:
        for start in range(0, len(answer), size):
            reader.take(answer[start : start + size])
    call = reader.read()
    if call is None:
        assert tokens is None
        assert reader.error
        return
    assert (call.tokens.input_tokens, call.tokens.output_tokens) == tokens
    assert call.is_estimated == is_estimated
    assert call.models[-1] == ("gemini-9" if path == GEMINI else "asked")


def test_an_image_in_a_request_is_no_text() -> None:
    image = b"A" * 4_000_000
    call = UsageReader(CHAT, "any", b'{"url": "data:image/png;base64,%s"}' % image).read()
    assert call is not None
    assert 1_500 <= call.tokens.input_tokens < 1_600


def test_an_invalid_event_of_aws_is_not_counted() -> None:
    reader = UsageReader("/model/asked/invoke-with-response-stream", "bedrock", REQUEST)
    payload = b'{"bytes": "abcde"}'
    reader.take(struct.pack(">III", 16 + len(payload), 0, 0) + payload + b"sum!")
    call = reader.read()
    assert call is not None
    assert call.is_estimated
