"""Exchanges one request with a wire, without a server."""

import json
from typing import Any

from attractor.twins.exchange.answer import Reply
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.script.script import parse_script
from attractor.twins.server.provider_state import IncomingRequest, reply_to

KEYS = {
    "openai": {"authorization": "Bearer k"},
    "openai_chat": {"authorization": "Bearer k"},
    "anthropic": {"x-api-key": "k", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "k"},
}
PATHS = {
    "openai": "/v1/responses",
    "openai_chat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-3-flash-preview:generateContent",
}
HELLO: dict[str, dict[str, Any]] = {
    "openai": {"model": "gpt-5", "input": "hello"},
    "anthropic": {
        "model": "claude",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "hello"}],
    },
    "openai_chat": {"model": "gpt-5", "messages": [{"role": "user", "content": "hello"}]},
    "gemini": {
        # The model is a part of the path, and is copied into the body.
        "model": "gemini-3-flash-preview",
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
        "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
    },
}
ANY = 'rules = [{ answer = { text = "Hi." } }]'


def reply(
    wire: str,
    body: dict[str, Any] | bytes,
    script: str = ANY,
    *,
    headers: dict[str, str] | None = None,
    attempt: int = 1,
) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    incoming = IncomingRequest(wire_registry()[wire], headers or KEYS[wire], content, attempt)
    return reply_to(incoming, parse_script(script))


def answer(wire: str, body: dict[str, Any], script: str = ANY) -> Any:
    """Return the body of a successful reply."""
    found = reply(wire, body, script)
    assert found.status == 200, found.body
    return json.loads(found.body)


def refusal(wire: str, body: dict[str, Any] | bytes, **more: Any) -> tuple[int, Any]:
    """Return the status and the error of a reply."""
    found = reply(wire, body, **more)
    return found.status, json.loads(found.body)["error"]
