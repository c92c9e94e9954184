"""Values and cookies that a trial takes from responses, at a real service with a login."""

import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from attractor.scenarios.captures import Captures, NothingTaken
from attractor.scenarios.check import Observation
from attractor.scenarios.http_request import HttpAnswer
from attractor.scenarios.suite import RequestStep, SuiteSettings
from tests.ports import free_port
from tests.scenarios.suites import write_files
from tests.scenarios.test_play import play, played, scenario

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
    ("line", "kept"),
    [
        ("id=two", "two"),
        (' id = "t=w;o" ; Path=/', '"t=w'),
        ("id=two; MAX-AGE = 0", None),
        ("id=two; Max-Age=-1; Expires=Wed, 09 Jun 2100 10:18:14 GMT", None),
        ("id=two; expires=Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("id=two; expires=Thu, 01-Jan-2100 00:00:00 GMT; Max-Age=", "two"),
        ("id", "one"),
        ("=two", "one"),
        (f'other="{chr(92) * 100_000}"', "one"),
    ],
)
def test_a_jar_keeps_cookies_as_a_browser_does_and_in_no_time(line: str, kept: str | None) -> None:
    captures, step = Captures(), RequestStep(name="r", port=80, cookies="jar")
    captures.take(step, HttpAnswer(200, {}, "", ("id=one",)))
    began = time.process_time()
    captures.take(step, HttpAnswer(200, {}, "", (line,)))
    assert time.process_time() - began < 1
    assert (captures.jars["jar"]["id"] or None) == kept


@pytest.mark.parametrize(
    "source", ["$.missing", "$", "header:x-id", "cookie:other", "pattern:no (.+)"]
)
def test_a_capture_that_finds_nothing_ends_the_trial(tmp_path: Path, source: str) -> None:
    found = observed(tmp_path, {**LOGIN, "take": {"one": source}}, {"path": "/${one}"})
    assert found.failure == f"step r0: the response has no {source} to take as one"
    assert "r1" not in found.steps


@pytest.mark.parametrize("said", ["a\\u0000b", "\\ud800"])
def test_a_value_that_no_program_can_have_as_a_variable_is_the_fault_of_the_candidate(
    said: str,
) -> None:
    step = RequestStep(name="login", port=80, take={"token": "$.token"})
    with pytest.raises(NothingTaken, match=r"\$.token has a character"):
        Captures().take(step, HttpAnswer(200, {}, f'{{"token": "{said}"}}'))


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


MAILING = """\
import json, os, smtplib, sys, threading, time, uuid
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CODES = {}


def mail(user, code):
    time.sleep(0.2)
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "app@x.example", user, "Your code"
    letter.set_content(f"Hello,\\nyour code is {code}.\\n")
    with smtplib.SMTP("127.0.0.1", int(os.environ["MAIL_SMTP_PORT"])) as post:
        post.send_message(letter)


class Service(BaseHTTPRequestHandler):
    def do_POST(self):
        user, code = self.path[1:], uuid.uuid4().hex
        CODES[code] = user
        if "silent" not in sys.argv:
            threading.Thread(target=mail, args=(user, code)).start()
        self.answer("")

    def do_GET(self):
        self.answer(CODES.pop(self.path[1:], "nobody"))

    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
"""
MAIL = """
name = "mail"
smtp = "/letters"
[environ]
MAIL_SMTP_PORT = "{{ smtp_port }}"
[state]
letters = []
[[routes]]
method = "POST"
path = "/letters"
kind = "create"
collection = "letters"
"""


@pytest.mark.parametrize(
    ("words", "step", "trouble"),
    [
        ("", {}, ""),
        ("", {"body": {"$.to": ["Ann@x.example"]}}, ""),
        ("", {"take": {"code": "pattern:code is (w+)"}}, "the request has no pattern:code is (w+)"),
        ("silent", {"timeout": "300ms"}, "mail received no request POST /letters"),
    ],
)
def test_step_takes_a_value_from_a_letter_that_the_service_sends(
    tmp_path: Path, words: str, step: dict[str, Any], trouble: str
) -> None:
    """Each letter is taken once: the second code is that of the second letter."""
    port = free_port()
    suite = write_files(tmp_path / "suite", {"_twins/mail/twin.toml": MAIL})
    tree = write_files(tmp_path / "tree", {"service.py": MAILING})
    settings = SuiteSettings.model_validate(
        {"name": "s", "pipeline": "p", "twins": [{"name": "mail"}]}
    )
    steps: list[dict[str, Any]] = [
        {"name": "serve", "service": f"python3 service.py {port} {words}", "port": port}
    ]
    letter = {"received": "mail", "method": "POST", "path": "/letters"}
    taken = {"take": {"code": r"pattern:code is (\w+)"}}
    for number in (1, 2):
        steps += [
            {"name": f"ask{number}", "port": port, "method": "POST", "path": "/Ann@x.example"},
            {"name": f"letter{number}", **letter, **taken, **step},
            {"name": f"enter{number}", "port": port, "path": "/${code}"},
        ]
    found = play(tree, scenario(steps), suite=suite, settings=settings).observation
    assert trouble in found.failure if trouble else not found.failure
    if not trouble:
        assert [found.steps[f"enter{number}"].body for number in (1, 2)] == ["Ann@x.example"] * 2


def test_step_takes_nothing_from_the_headers_of_what_a_twin_received() -> None:
    with pytest.raises(ValidationError, match="pattern:code"):
        scenario([{"name": "letter", "received": "mail", "take": {"a": "header:b"}}])
