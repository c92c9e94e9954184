"""A stand-in for Bedrock (bearer token or signature), Azure and Vertex, which a twin answers."""

import json
import re
import struct
from base64 import b64encode
from binascii import crc32
from collections.abc import Iterator
from urllib.parse import unquote

import httpx

from attractor.twins.server.provider_twin import ProviderTwin
from tests.backends.stand_in import SilentHandler, StandIn
from tests.llm.clouds import google

KEY = "key-of-the-cloud-0123456789"


class CloudService(StandIn):
    """A cloud; `seen` are the paths that it let in, `tokens` those that it gave."""

    def __init__(self, twin: ProviderTwin) -> None:
        super().__init__(_Handler)
        self.twin, self.seen, self.tokens = twin, list[str](), list[str]()
        self.next_token = KEY

    @property
    def bedrock(self) -> dict[str, str]:
        address = {"AWS_BEDROCK_RUNTIME_ENDPOINT": self.url, "AWS_REGION": "eu-west-1"}
        return {"AWS_BEARER_TOKEN_BEDROCK": KEY, **address}

    @property
    def azure(self) -> dict[str, str]:
        return {"AZURE_API_KEY": KEY, "AZURE_API_BASE": self.url}

    @property
    def vertex_ai(self) -> dict[str, str]:
        return google(self.url)


class _Handler(SilentHandler):
    service: CloudService

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/token":
            self.service.tokens.append(self.service.next_token)
            token = {
                "access_token": self.service.next_token,
                "expires_in": 3600,
                "token_type": "Bearer",
            }
            self._answer(200, "application/json", json.dumps(token).encode())
            return
        signed = self.headers.get("authorization", "")
        is_signed = signed.startswith("AWS4-HMAC-SHA256 Credential=AKID/") and (
            "/eu-west-1/bedrock/aws4_request" in signed
        )
        if self.headers.get("api-key", signed.removeprefix("Bearer ")) != KEY and not is_signed:
            told = {"message": f"not let in: {dict(self.headers.items())}"}
            self._answer(403, "application/json", json.dumps(told).encode())
            return
        self.service.seen.append(self.path)
        if self.path.startswith("/openai/"):
            url = f"{self.service.twin.base_url('openai')}/responses"
            headers = {"authorization": "Bearer twin"}
            answer = httpx.post(url, content=body, headers=headers, timeout=60)
            self._answer(answer.status_code, answer.headers["content-type"], answer.content)
            return
        is_vertex = self.path.startswith("/v1/projects/")
        model, action = re.split("[/:](?=[^/:]+$)", unquote(self.path).split("?")[0])
        streams = "stream" in action.lower()
        asked = {**json.loads(body), "model": model.split("/")[-1], "stream": streams}
        version = "vertex-2023-10-16" if is_vertex else "bedrock-2023-05-31"
        assert asked.pop("anthropic_version") == version
        asked.pop("anthropic_beta", None)
        url = f"{self.service.twin.base_url('anthropic')}/v1/messages"
        headers = {"x-api-key": "twin", "anthropic-version": "2023-06-01"}
        answer = httpx.post(url, json=asked, headers=headers, timeout=60)
        if streams and answer.is_success and not is_vertex:
            content = b"".join(map(frame, events_in(answer.text)))
            self._answer(200, "application/vnd.amazon.eventstream", content)
        else:
            self._answer(answer.status_code, answer.headers["content-type"], answer.content)

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


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
