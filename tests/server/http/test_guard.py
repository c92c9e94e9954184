"""The guard refuses requests of unknown senders, hosts and pages, and limits all others."""

import socket
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from attractor.server.access.limits import LIMITS, UNLIMITED
from attractor.server.http import exchange
from attractor.server.http.exchange import HEADERS
from attractor.server.http.problems import PROBLEM
from attractor.server.service import Service
from tests.counts import count
from tests.server.conftest import RunningServer, serving

VERSION = "/api/v1/version"
FOREIGN = {"origin": "http://evil.example"}
BROWSER = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}

BEHIND_TLS = {"host": "named.example", "x-forwarded-proto": "https"}
"""The headers that a reverse proxy with TLS sends."""

REQUESTS: list[tuple[str, str, dict[str, str], int]] = [
    ("GET", VERSION, {}, 200),
    ("GET", VERSION, {"host": "LOCALHOST"}, 200),
    ("GET", VERSION, {"host": "named.example:99"}, 200),
    ("GET", VERSION, {"host": "evil.example"}, 403),
    ("GET", VERSION, {"host": "127.0.0.2"}, 403),
    ("GET", VERSION, {"host": "[::1"}, 403),
    ("GET", VERSION, {"host": ""}, 403),
    ("GET", VERSION, {"host": "x@127.0.0.1"}, 403),
    ("GET", VERSION, {"host": "127.0.0.1/x"}, 403),
    ("GET", VERSION, {"host": "127.0.0.1:x"}, 403),
    ("POST", VERSION, {"host": "named.example", "origin": "http://named.example"}, 405),
    ("POST", VERSION, {"host": "named.example", "origin": "https://named.example"}, 403),
    ("POST", VERSION, {"host": "named.example", "origin": "ftp://named.example"}, 403),
    ("POST", VERSION, {"host": "named.example", "origin": "http://x@named.example"}, 403),
    ("POST", VERSION, BEHIND_TLS | {"origin": "https://named.example"}, 405),
    ("POST", VERSION, BEHIND_TLS | {"origin": "http://named.example"}, 403),
    ("GET", VERSION, FOREIGN, 403),
    ("GET", VERSION, {"origin": "null"}, 403),
    ("GET", VERSION, {"sec-fetch-site": "same-site"}, 403),
    ("GET", VERSION, {"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe"}, 403),
    ("GET", VERSION, BROWSER, 200),
    ("POST", "/logout", BROWSER, 403),
    ("POST", "/logout", FOREIGN, 403),
    ("GET", VERSION, {"authorization": "Bearer guessed"}, 401),
    ("GET", "/static/0/pages.css", {"authorization": ""}, 401),
    ("GET", "/no/such/page", {"authorization": ""}, 401),
]


def test_requests_of_others_are_refused_with_a_reason(service: Service) -> None:
    with serving(service, names=["named.example"]) as server, server.client("read") as client:
        for method, path, headers, status in REQUESTS:
            answer = client.request(method, path, headers=headers)
            assert answer.status_code == status, headers
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert status == 200 or answer.headers["content-type"] == PROBLEM
    assert [(one.path, one.status) for one in server.log] == [(one[1], one[3]) for one in REQUESTS]
    assert [bool(one.reason) for one in server.log] == [one[3] != 200 for one in REQUESTS]


async def _echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


async def _stream(request: Request) -> Response:
    async def parts() -> AsyncGenerator[str]:
        while True:
            yield "part\n"
            await anyio.sleep(0.01)

    return StreamingResponse(parts())


async def _talk(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text("part")
        await anyio.sleep(0.01)


async def _fail(request: Request) -> Response:
    raise LookupError("a defect")


ROUTES = [
    Route("/echo", _echo, methods=["POST"]),
    Route("/stream", _stream),
    Route("/fail", _fail),
    WebSocketRoute("/talk", _talk),
]
SMALL = replace(LIMITS, body_bytes=1000, body_s=0.3, open_requests=3)


@pytest.fixture
def small(service: Service) -> Iterator[RunningServer]:
    """A server with small limits, and with routes that show them."""
    with serving(service, limits=SMALL, routes=ROUTES) as server:
        yield server


def _chunks(count: int, pause: float = 0) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * 100
        time.sleep(pause)


def test_body_that_is_too_large_or_too_slow_is_refused(small: RunningServer) -> None:
    with small.client() as client:
        cases: list[tuple[bytes | Iterator[bytes], int]] = [
            (b"x" * 1000, 200),
            (_chunks(10), 200),
            (b"x" * 1001, 413),
            (b"x" * (8 << 20), 413),
            (_chunks(11), 413),
            (_chunks(9, pause=0.1), 408),
        ]
        for content, status in cases:
            answer = client.post("/echo", content=content)
            assert answer.status_code == status
            assert status == 200 or answer.headers["content-type"] == PROBLEM


def test_huge_body_is_not_read(small: RunningServer) -> None:
    token = small.token()
    host, port = small.url.removeprefix("http://").split(":")
    for path, size in (("/echo", 999999999999), ("/webhooks/github", LIMITS.webhook_bytes + 1)):
        with socket.create_connection((host, int(port))) as sender:
            sender.sendall(
                f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Length: {size}\r\n\r\nbegin".encode()
            )
            assert b" 413 " in sender.recv(1000)


def test_caller_has_a_limited_number_of_open_requests(small: RunningServer) -> None:
    with small.client() as client, ExitStack() as streams:
        for _ in range(3):
            stream = streams.enter_context(client.stream("GET", "/stream"))
            assert stream.status_code == 200
        answer = client.get(VERSION)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        with small.client() as other:
            assert other.get(VERSION).status_code == 200


def test_caller_has_a_limited_rate(service: Service) -> None:
    limits = replace(LIMITS, burst=5, requests_per_s=0.001)
    with serving(service, limits=limits) as server, server.client() as client:
        assert [client.get(VERSION).status_code for _ in range(7)] == [200] * 5 + [429] * 2
        with server.client() as other:
            assert other.get(VERSION).status_code == 200


def test_guessed_tokens_are_refused_without_a_line_each(service: Service) -> None:
    limits = replace(UNLIMITED, refusals=5)
    with serving(service, limits=limits) as server, server.client() as client:
        guesses = [
            client.get(VERSION, headers={"authorization": f"Bearer {one}"}).status_code
            for one in range(count(ci=100, full=10_000))
        ]
        assert guesses == [401] * 5 + [429] * (len(guesses) - 5)
        assert client.get(VERSION).status_code == 200
    assert [one.status for one in server.log] == [401] * 5 + [200]


def test_websocket_is_guarded(small: RunningServer) -> None:
    address = small.url.replace("http", "ws") + "/talk"
    bearer = {"authorization": f"Bearer {small.token()}"}
    for headers, status in [
        ({}, 401),
        (bearer | FOREIGN, 403),
        (bearer | {"sec-fetch-site": "same-site"}, 403),
    ]:
        with pytest.raises(InvalidStatus) as refused, connect(address, additional_headers=headers):
            pass
        assert refused.value.response.status_code == status
    own = bearer | {"origin": small.url}
    with connect(address, additional_headers=own, compression=None) as websocket:
        assert websocket.recv() == "part"


def _read_all(websocket: ClientConnection) -> None:
    while True:
        websocket.recv()


def test_long_answer_ends_with_the_token(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "VALID_S", 0)
    store = service.access.tokens
    with serving(service, routes=ROUTES) as server, server.client() as client:
        address = server.url.replace("http", "ws") + "/talk"
        bearer = {"authorization": client.headers["authorization"]}
        with (
            client.stream("GET", "/stream") as stream,
            connect(address, additional_headers=bearer) as websocket,
        ):
            lines = stream.iter_lines()
            assert (next(lines), websocket.recv()) == ("part", "part")
            [token] = store.list()
            store.revoke(token.name, by="ann", now=token.created)
            assert set(lines) <= {"part"}
            with pytest.raises(ConnectionClosed):
                _read_all(websocket)
    assert [one.reason for one in server.log] == ["the token or session ended"] * 2


def test_message_of_a_revoked_token_is_not_received(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "VALID_S", 0)
    heard: list[str] = []

    async def listen(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            heard.append(text)

    with serving(service, routes=[WebSocketRoute("/listen", listen)]) as server:
        bearer = {"authorization": f"Bearer {server.token()}"}
        address = server.url.replace("http", "ws") + "/listen"
        with connect(address, additional_headers=bearer) as websocket:
            websocket.send("before")
            [token] = service.access.tokens.list()
            service.access.tokens.revoke(token.name, by="ann", now=token.created)
            # The server may close the connection before this message.
            with suppress(ConnectionClosed):
                websocket.send("after")
            with pytest.raises(ConnectionClosed):
                websocket.recv()
    assert "after" not in heard


def test_defect_is_answered_and_logged(service: Service) -> None:
    with serving(service, routes=ROUTES) as server, server.client() as client:
        answer = client.get("/fail")
    assert (answer.status_code, answer.json()["detail"]) == (500, "A defect of the server")
    assert "LookupError: a defect" in server.log[0].reason
    assert answer.headers["x-content-type-options"] == "nosniff"
