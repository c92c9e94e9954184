"""Contract of messengers."""

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from attractor.base.json import JsonObject
from attractor.pipeline.notifications import Messenger, messengers
from attractor.pipeline.project.project import Notify
from tests.patience import PATIENCE_S

NOTICE: JsonObject = {"run_id": "R", "node": "gate", "question": {"id": "gate@1.1", "text": "✓?"}}


@dataclass(frozen=True)
class Place:
    """A messenger, and the place of its messages."""

    messenger: Messenger
    good: Notify
    bad: Notify
    silent: Notify
    file: Path

    def tell(self, notify: Notify) -> str:
        return asyncio.run(self.messenger(NOTICE, notify))


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/silent":
                over.wait(PATIENCE_S)
            elif self.path == "/good":
                (tmp_path / "told").write_bytes(body)
            self.send_response(500 if self.path == "/bad" else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    over.set()
    server.shutdown()
    server.server_close()
    serving.join(PATIENCE_S)


@pytest.fixture(params=["command", "url"])
def place(request: pytest.FixtureRequest, tmp_path: Path, address: str) -> Place:
    file = tmp_path / "told"
    plain = Notify(folder=tmp_path, variables={"PATH": "/usr/bin:/bin"})
    ways = {
        "command": [
            replace(plain, command=one) for one in ("cat > told", "exit 3", "exec sleep 60")
        ],
        "url": [replace(plain, url=f"{address}/{one}") for one in ("good", "bad", "silent")],
    }
    good, bad, silent = ways[request.param]
    return Place(messengers()[request.param], good, bad, silent, file)


def test_messenger_sends_the_complete_notice(place: Place) -> None:
    assert place.tell(place.good) == ""
    assert json.loads(place.file.read_text("utf-8")) == NOTICE


def test_messenger_returns_its_error(place: Place) -> None:
    assert place.tell(place.bad)


def test_messenger_respects_the_time_limit(place: Place) -> None:
    assert place.tell(replace(place.silent, time_limit=timedelta(seconds=0.2)))


def test_every_messenger_is_tested_by_the_contract() -> None:
    assert set(messengers()) == {"command", "url"}
