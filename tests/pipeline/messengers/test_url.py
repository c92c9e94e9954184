"""Notification by a URL: time limit and errors."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from attractor.base.json import JsonObject
from attractor.pipeline.messengers.url import send
from attractor.pipeline.project.project import Notify
from tests.patience import PATIENCE_S, until

NOTICE: JsonObject = {"run_id": "R", "question": {"text": "Ship it? \u2713"}}


@dataclass
class Chat:
    """A server that accepts messages, and answers as given."""

    code: int = 204
    waits_for: threading.Event | None = None
    got: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])
    address: str = ""


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            chat.got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            if chat.waits_for:
                chat.waits_for.wait(PATIENCE_S)
            self.send_response(chat.code)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self) -> None:
            chat.got.append((self.path, "", None))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    chat.address = f"http://127.0.0.1:{server.server_port}/hook"
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield chat
    if chat.waits_for:
        chat.waits_for.set()
    server.shutdown()
    server.server_close()
    serving.join(PATIENCE_S)


def send_notice(address: str, seconds: float = 10.0) -> str:
    notify = Notify(url=address, time_limit=timedelta(seconds=seconds))
    return asyncio.run(send(NOTICE, notify))


@pytest.mark.parametrize(
    ("code", "fault"),
    [(500, "HTTP 500 Internal Server Error"), (404, "HTTP 404 Not Found"), (302, "HTTP 302 Found")],
)
def test_http_errors_and_redirects_are_faults(chat: Chat, code: int, fault: str) -> None:
    chat.code = code
    assert send_notice(chat.address) == fault
    assert len(chat.got) == 1


def test_refused_connection_is_an_error(unused_address: str) -> None:
    assert "refused" in send_notice(unused_address)


def test_missing_response_times_out(chat: Chat) -> None:
    chat.waits_for = threading.Event()
    assert send_notice(chat.address, 0.2) == "no response within 200ms"


def test_event_loop_is_not_blocked(chat: Chat) -> None:
    waits = chat.waits_for = threading.Event()

    async def both() -> str:
        notify = Notify(url=chat.address, time_limit=timedelta(seconds=10))
        sending = asyncio.create_task(send(NOTICE, notify))
        await until(lambda: chat.got)
        waits.set()
        return await sending

    assert asyncio.run(both()) == ""


@pytest.fixture
def unused_address() -> str:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return f"http://127.0.0.1:{server.server_port}/"
