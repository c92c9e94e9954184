"""A stand-in for Bedrock (a bearer token or a signature) and Azure, with the answers of a twin."""

import json
import struct
from base64 import b64encode
from binascii import crc32
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import httpx

from attractor.twins.server.provider_twin import ProviderTwin

KEY = "key-of-the-cloud-0123456789"


class CloudService:
    """Answers at `url`; `seen` are the paths of the requests that it let in."""

    def __init__(self, twin: ProviderTwin) -> None:
        self.twin, self.seen = twin, list[str]()
        handler = type("Handler", (_Handler,), {"service": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def bedrock(self) -> dict[str, str]:
        address = {"AWS_BEDROCK_RUNTIME_ENDPOINT": self.url, "AWS_REGION": "eu-west-1"}
        return {"AWS_BEARER_TOKEN_BEDROCK": KEY, **address}

    @property
    def azure(self) -> dict[str, str]:
        return {"AZURE_API_KEY": KEY, "AZURE_API_BASE": self.url}

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    service: CloudService

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = self.headers.get("authorization", "")
        is_signed = signed.startswith("AWS4-HMAC-SHA256 Credential=AKID/") and (
            "/eu-west-1/bedrock/aws4_request" in signed
        )
        if self.headers.get("api-key", signed.removeprefix("Bearer ")) != KEY and not is_signed:
            self._answer(403, "application/json", b'{"message": "not let in"}')
            return
        self.service.seen.append(self.path)
        if self.path.startswith("/openai/"):
            url = f"{self.service.twin.base_url('openai')}/responses"
            headers = {"authorization": "Bearer twin"}
            answer = httpx.post(url, content=body, headers=headers, timeout=60)
            self._answer(answer.status_code, answer.headers["content-type"], answer.content)
            return
        _, _, model, action = unquote(self.path).split("/")
        streams = action.endswith("-stream")
        asked = {**json.loads(body), "model": model, "stream": streams}
        assert asked.pop("anthropic_version") == "bedrock-2023-05-31"
        asked.pop("anthropic_beta", None)
        url = f"{self.service.twin.base_url('anthropic')}/v1/messages"
        headers = {"x-api-key": "twin", "anthropic-version": "2023-06-01"}
        answer = httpx.post(url, json=asked, headers=headers, timeout=60)
        if streams and answer.is_success:
            content = b"".join(map(frame, events_in(answer.text)))
            self._answer(200, "application/vnd.amazon.eventstream", content)
        else:
            self._answer(answer.status_code, "application/json", answer.content)

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def events_in(text: str) -> Iterator[bytes]:
    """Yield the events of a stream of server-sent events."""
    for line in text.splitlines():
        if line.startswith("data:"):
            yield line.removeprefix("data:").strip().encode()


def frame(event: bytes) -> bytes:
    """Return an event in the form of AWS."""
    payload = json.dumps({"bytes": b64encode(event).decode(), "p": "abc"}).encode()
    texts = {":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
        for name, text in texts.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return start + struct.pack(">I", crc32(start))
