"""A stand-in for models of clouds and gateways, which speaks each provider's own wire.

It gives scripted answers in order, and keeps the requests.
"""

import binascii
import json
import struct
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from attractor.base.json import Json, JsonObject

PROMPT, ANSWER = 1000, 50
"""The tokens of every call."""


@dataclass(frozen=True)
class Said:
    """An answer: a text, calls of tools (name and arguments), an error, or a stream that is cut.

    `part` is the share of the bytes that is sent.
    """

    text: str = ""
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    status: int = 200
    part: float = 1.0


@dataclass(frozen=True)
class Cloud:
    """A provider: a model, its variables at an address, and the writer of its streams."""

    model: str
    variables: Callable[[str], dict[str, str]]
    write: Callable[[Said], bytes]
    kind: str = "text/event-stream"

    def environ(self, address: str) -> dict[str, str]:
        return self.variables(address)


@dataclass
class Standing:
    """The requests (path and body) to a stand-in that is running."""

    address: str
    requests: list[tuple[str, JsonObject]] = field(default_factory=list[tuple[str, JsonObject]])

    def tools(self) -> set[str]:
        """Return the names of all offered tools, on any wire."""
        return {name for _, body in self.requests for name in _names(dict(body))}


def _names(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _names(one)
    elif isinstance(value, dict):
        name = value.get("name")
        if isinstance(name, str) and "description" in value:
            yield name
        else:
            for one in value.values():
                yield from _names(one)


@contextmanager
def standing(cloud: Cloud, *answers: Said) -> Generator[Standing]:
    """Serve the answers in order, the last one again and again."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path in ("/token", "/api/show"):
                self._send(200, "application/json", _TOKEN)
                return
            here.requests.append((self.path, json.loads(body)))
            said = answers[min(len(here.requests), len(answers)) - 1]
            if said.status != 200:
                error = {"error": {"message": said.text}, "message": said.text}
                self._send(said.status, "application/json", json.dumps(error).encode())
                return
            content = cloud.write(said)
            self._send(200, cloud.kind, content[: int(len(content) * said.part)])

        def _send(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            if status == 429:
                self.send_header("retry-after", "1")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Standing(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield here
        finally:
            server.shutdown()


_TOKEN = json.dumps({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}).encode()


def _sse(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks)


def _chat(said: Said) -> bytes:
    """Write chunks of Chat Completions."""
    calls: list[dict[str, Any]] = [
        {"index": index, "id": f"c{index}", "type": "function"}
        | {"function": {"name": name, "arguments": json.dumps(given)}}
        for index, (name, given) in enumerate(said.calls)
    ]
    delta: dict[str, Any] = {"role": "assistant", "content": said.text}
    delta |= {"tool_calls": calls} if calls else {}
    ended = "tool_calls" if calls else "stop"
    base: dict[str, Any] = {"id": "x", "object": "chat.completion.chunk", "created": 1}
    base |= {"model": "m"}
    counts = {"prompt_tokens": PROMPT, "completion_tokens": ANSWER}
    usage = counts | {"total_tokens": PROMPT + ANSWER}
    chunks: list[object] = [
        base | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        base | {"choices": [{"index": 0, "delta": {}, "finish_reason": ended}]},
        base | {"choices": [], "usage": usage},
    ]
    return _sse(*chunks) + b"data: [DONE]\n\n"


def _ollama(said: Said) -> bytes:
    """Write the lines of /api/chat."""
    calls = [{"function": {"name": name, "arguments": given}} for name, given in said.calls]
    message = {"role": "assistant", "content": said.text, "tool_calls": calls}
    counts = {"prompt_eval_count": PROMPT, "eval_count": ANSWER}
    lines = [
        {"model": "m", "message": message, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True}
        | {"done_reason": "stop"}
        | counts,
    ]
    return b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def _frame(kind: str, payload: object) -> bytes:
    """Write one message of the event stream of AWS."""
    names = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value))
        + value.encode()
        for name, value in names.items()
    )  # fmt: skip
    content = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(content), len(headers))
    frame = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + content
    return frame + struct.pack("!I", binascii.crc32(frame))


def _converse(said: Said) -> bytes:
    """Write the events of converse-stream."""
    frames = [_frame("messageStart", {"role": "assistant"})]
    if said.text:
        text = {"contentBlockIndex": 0, "delta": {"text": said.text}}
        frames += [_frame("contentBlockDelta", text)]
        frames += [_frame("contentBlockStop", {"contentBlockIndex": 0})]
    for index, (name, given) in enumerate(said.calls, 1):
        use = {"toolUse": {"toolUseId": f"c{index}", "name": name}}
        delta = {"toolUse": {"input": json.dumps(given)}}
        frames += [
            _frame("contentBlockStart", {"contentBlockIndex": index, "start": use}),
            _frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}),
            _frame("contentBlockStop", {"contentBlockIndex": index}),
        ]
    counts = {"inputTokens": PROMPT, "outputTokens": ANSWER, "totalTokens": PROMPT + ANSWER}
    ended = "tool_use" if said.calls else "end_turn"
    frames += [_frame("messageStop", {"stopReason": ended})]
    return b"".join([*frames, _frame("metadata", {"usage": counts, "metrics": {"latencyMs": 1}})])


def _messages(said: Said) -> bytes:
    """Write the events of Anthropic's Messages."""
    usage = {"input_tokens": PROMPT, "output_tokens": 1}
    message: dict[str, object] = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "content": [],
        "usage": usage,
    }
    blocks: list[tuple[object, object]] = [
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": said.text})
    ]
    for name, given in said.calls:
        use: dict[str, object] = {
            "type": "tool_use",
            "id": f"c{len(blocks)}",
            "name": name,
            "input": {},
        }
        blocks.append((use, {"type": "input_json_delta", "partial_json": json.dumps(given)}))
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for index, (block, delta) in enumerate(blocks if said.text else blocks[1:]):
        events += [
            {"type": "content_block_start", "index": index, "content_block": block},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    ended = {"stop_reason": "tool_use" if said.calls else "end_turn"}
    events.append({"type": "message_delta", "delta": ended, "usage": {"output_tokens": ANSWER}})
    return _sse(*events, {"type": "message_stop"})


def _gemini(said: Said) -> bytes:
    """Write the pieces of streamGenerateContent."""
    parts: list[dict[str, Any]] = [{"text": said.text}] if said.text else []
    parts += [{"functionCall": {"name": name, "args": given}} for name, given in said.calls]
    counts = {"promptTokenCount": PROMPT, "candidatesTokenCount": ANSWER}
    content = {"role": "model", "parts": parts}
    return _sse(
        {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}]}
        | {"usageMetadata": counts | {"totalTokenCount": PROMPT + ANSWER}}
    )


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(*form, serialization.NoEncryption()).decode()


def google(address: str) -> dict[str, str]:
    """Return the variables of Vertex with a service account, whose tokens come from the address."""
    account = {"type": "service_account", "project_id": "p", "client_email": "a@example.com"}
    account |= {"private_key": _private_key(), "token_uri": f"{address}/token"}
    return {
        "VERTEXAI_PROJECT": "p",
        "VERTEXAI_LOCATION": "us-east5",
        "VERTEXAI_CREDENTIALS": json.dumps(account),
        "VERTEXAI_API_BASE": address,
    }


def _at(key: str, base: str, path: str = "") -> Callable[[str], dict[str, str]]:
    return lambda address: {key: "sk-of-the-cloud", base: address + path}


def _aws(address: str) -> dict[str, str]:
    return {
        "AWS_BEARER_TOKEN_BEDROCK": "sk-of-the-cloud",
        "AWS_REGION": "us-east-1",
        "AWS_BEDROCK_RUNTIME_ENDPOINT": address,
    }


_EVENTS = "application/vnd.amazon.eventstream"
CLOUDS: Mapping[str, Cloud] = {
    "azure": Cloud("azure/gpt-4.1", _at("AZURE_API_KEY", "AZURE_API_BASE"), _chat),
    "bedrock": Cloud(
        "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", _aws, _converse, _EVENTS
    ),
    "nova": Cloud("bedrock/amazon.nova-pro-v1:0", _aws, _converse, _EVENTS),
    "vertex_claude": Cloud("vertex_ai/claude-sonnet-4-5", google, _messages),
    "vertex_gemini": Cloud("vertex_ai/gemini-2.5-pro", google, _gemini),
    "groq": Cloud("groq/openai/gpt-oss-120b", _at("GROQ_API_KEY", "GROQ_API_BASE"), _chat),
    "openrouter": Cloud(
        "openrouter/google/gemini-2.5-flash",
        _at("OPENROUTER_API_KEY", "OPENROUTER_API_BASE"),
        _chat,
    ),
    "ollama": Cloud(
        "ollama/llama3.1", _at("OLLAMA_API_KEY", "OLLAMA_API_BASE"), _ollama, "application/x-ndjson"
    ),
    "hosted_vllm": Cloud(
        "hosted_vllm/Qwen/Qwen3-Coder", _at("HOSTED_VLLM_API_KEY", "HOSTED_VLLM_API_BASE"), _chat
    ),
}
