"""Values and cookies that a trial takes from responses, at a real service with a login."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from attractor.scenarios.check import Observation
from tests.ports import free_port
from tests.scenarios.suites import write_files
from tests.scenarios.test_play import played, scenario

SERVICE = """\
import json, os, sys, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KNOWN = {}


class Service(BaseHTTPRequestHandler):
    def answer(self, status, value, **headers):
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def do_POST(self):
        user = json.loads(self.rfile.read(int(self.headers["content-length"])))["user"]
        token = uuid.uuid4().hex
        KNOWN[token] = user
        cookie = f"session={token}; Path=/; Secure; HttpOnly"
        self.answer(200, {"token": token, "size": 7}, set_cookie=cookie, location=f"/me/{token}")

    def do_GET(self):
        if self.path == "/leave":
            self.answer(200, {}, set_cookie="session=; Max-Age=0")
            return
        cookie = (self.headers["cookie"] or "").removeprefix("session=")
        token = (self.headers["authorization"] or "").removeprefix("Bearer ")
        user = KNOWN.get(cookie) or KNOWN.get(token) or KNOWN.get(self.path.rpartition("/")[2])
        self.answer(200 if user else 401, {"user": user})


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
"""


def observed(tmp_path: Path, *requests: dict[str, Any]) -> Observation:
    """Play requests at the service, and more steps."""
    port = free_port()
    write_files(tmp_path, {"service.py": SERVICE})
    serve = {"name": "serve", "service": f"python3 service.py {port}", "port": port}
    steps = [
        {"name": f"r{number}", **({} if "run" in one else {"port": port}), **one}
        for number, one in enumerate(requests)
    ]
    return played(tmp_path, scenario([serve, *steps]))[0]


LOGIN = {"method": "POST", "path": "/login", "json": {"user": "Ann"}}


def test_what_a_login_gives_is_used_later(tmp_path: Path) -> None:
    found = observed(
        tmp_path,
        {
            **LOGIN,
            "take": {
                "token": "$.token",
                "size": "$.size",
                "place": "header:location",
                "id": "cookie:session",
                "short": 'pattern:"token": "(.{8})',
            },
        },
        {"path": "/", "headers": {"authorization": "Bearer ${token}"}},
        {"path": "/me/${id}"},
        {"path": "/"},
        {"run": 'echo "$place $size ${token#"$short"}" | wc -c'},
    )
    statuses = [found.steps[f"r{number}"].http_status for number in range(4)]
    assert statuses == [200, 200, 200, 401]
    assert found.steps["r4"].stdout.strip() == str(len("/me/") + 32 + 3 + 24 + 1)


def test_each_jar_keeps_its_own_cookies(tmp_path: Path) -> None:
    found = observed(
        tmp_path,
        {**LOGIN, "cookies": "ann"},
        {"path": "/", "cookies": "ann"},
        {"path": "/", "cookies": "bob"},
        {"path": "/leave", "cookies": "ann"},
        {"path": "/", "cookies": "ann"},
    )
    statuses = [found.steps[f"r{number}"].http_status for number in range(5)]
    assert statuses == [200, 200, 401, 200, 401]


@pytest.mark.parametrize(
    "source", ["$.missing", "$", "header:x-id", "cookie:other", "pattern:no (.+)"]
)
def test_a_capture_that_finds_nothing_ends_the_trial(tmp_path: Path, source: str) -> None:
    found = observed(tmp_path, {**LOGIN, "take": {"one": source}}, {"path": "/${one}"})
    assert found.failure == f"step r0: the response has no {source} to take as one"
    assert "r1" not in found.steps


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([{**LOGIN, "take": {"one": "token"}}], "header:location"),
        ([{**LOGIN, "take": {"one": "pattern:("}}], "invalid regular expression"),
        ([{**LOGIN, "take": {"a b": "$.token"}}], "take"),
        (
            [{**LOGIN, "take": {"one": "$.token"}}, {"path": "/${two}"}],
            "no step before takes 'two'",
        ),
        (
            [{"path": "/${one}"}, {**LOGIN, "take": {"one": "$.token"}}],
            "no step before takes 'one'",
        ),
    ],
)
def test_a_mistake_is_found_at_registration(steps: list[dict[str, Any]], words: str) -> None:
    named = [{"name": f"r{number}", "port": 80, **one} for number, one in enumerate(steps)]
    with pytest.raises(ValidationError, match=words):
        scenario(named)
