"""Browsers begin a session by a one-time address or a token, and end it."""

import asyncio
import html
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from playwright.sync_api import Error, expect

from attractor.base.clock import ManualClock, SystemClock
from attractor.base.errors import VerificationError
from attractor.factory.operator_process import Scope
from attractor.server.access.callers import COOKIE, Access
from attractor.server.access.sessions import CODE_LIFETIME, LIFETIME, SESSIONS_FILE
from attractor.server.errors import Unauthenticated
from attractor.server.service import Service
from tests.browsers import chromium
from tests.needs import needs_curl
from tests.server.conftest import PAGE, RunningServer, csrf_in, serving

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test advances."""
    return ManualClock()


@pytest.fixture
def access(service: Service, clock: ManualClock) -> Access:
    """The callers of a state folder."""
    return Access(service.project.machine.state_dir, clock)


def _cookie(secret: str) -> dict[str, str]:
    return {"cookie": f"other=1; {COOKIE}={secret}"}


def test_code_begins_one_session_that_never_decides(access: Access) -> None:
    code = access.codes.create()
    caller = access.identify(_cookie(access.log_in(code)))
    assert caller
    assert (caller.scope, caller.is_session) == (Scope.OPERATE, True)
    for used in (code, "guessed", ""):
        with pytest.raises(Unauthenticated):
            access.log_in(used)


def test_codes_and_sessions_expire(access: Access, clock: ManualClock) -> None:
    code = access.codes.create()
    secret = access.log_in(access.codes.create())
    asyncio.run(clock.turn(CODE_LIFETIME))
    with pytest.raises(Unauthenticated):
        access.log_in(code)
    assert access.identify(_cookie(secret))
    asyncio.run(clock.turn(LIFETIME))
    assert access.identify(_cookie(secret)) is None


def test_session_of_a_token_ends_with_the_token(access: Access) -> None:
    kept = [("start", Scope.START), ("read", Scope.READ), ("decide", Scope.OPERATE)]
    for scope, expected in kept:
        token = access.tokens.create(scope, scope, f"secret {scope}", by="ann", now=START)
        cookie = _cookie(access.log_in_with_token(f"secret {scope}"))
        caller = access.identify(cookie)
        assert caller
        assert (caller.name, caller.scope) == (scope, expected)
        access.tokens.revoke(token.name, by="ann", now=START)
        assert access.identify(cookie) is None
    with pytest.raises(Unauthenticated):
        access.log_in_with_token("secret read")


def test_session_continues_in_another_server_until_log_out(
    access: Access, service: Service, clock: ManualClock
) -> None:
    secret = access.log_in(access.codes.create())
    again = Access(service.project.machine.state_dir, clock)
    assert again.identify(_cookie(secret)) == access.identify(_cookie(secret)) is not None
    again.log_out(_cookie(secret))
    assert access.identify(_cookie(secret)) is None


def test_file_of_sessions_is_private_and_sealed(access: Access, service: Service) -> None:
    secret = access.log_in(access.codes.create())
    file = service.project.machine.state_dir / SESSIONS_FILE
    assert (file.stat().st_mode & 0o777, secret in file.read_text()) == (0o600, False)
    [stored] = json.loads(file.read_bytes())
    file.write_text(json.dumps([stored | {"scope": "decide"}]))
    with pytest.raises(VerificationError, match="changed by an unknown process"):
        access.identify(_cookie(secret))


def test_browser_signs_in_sends_forms_and_signs_out(server: RunningServer) -> None:
    with httpx.Client(base_url=server.url, headers=PAGE) as browser:
        assert 'action="/login?' in browser.get("/runs").text
        begun = browser.get("/login", params={"code": server.service.access.codes.create()})
        cookie = begun.headers["set-cookie"].lower()
        assert begun.headers["location"] == "/"
        assert all(one in cookie for one in ("; httponly", "; path=/", "; samesite=strict"))
        assert not any(one in cookie for one in ("domain", "secure"))
        for refused in ({}, {"csrf": "guessed"}):
            assert browser.post("/logout", data=refused).status_code == 403
        assert browser.get("/runs").status_code == 200
        page = browser.get("/system").text
        assert 'action="/logout"' in page
        assert browser.post("/logout", data={"csrf": csrf_in(page)}).status_code == 303
        assert browser.get("/runs").status_code == 401


def test_browser_signs_in_with_a_token(server: RunningServer) -> None:
    with httpx.Client(base_url=server.url, headers=PAGE) as browser:
        assert browser.post("/login", data={"token": "guessed"}).status_code == 401
        for _ in range(2):
            begun = browser.post(
                "/login", data={"token": server.token("read")}, headers={"idempotency-key": "one"}
            )
            assert (begun.status_code, "idempotency-replayed" in begun.headers) == (303, False)
        assert browser.get("/runs").status_code == 200


@pytest.fixture
def named(service: Service) -> Iterator[tuple[httpx.Client, str]]:
    """A browser at the plain address of a server, and the address under the name for browsers."""
    [name] = service.access.names_of("127.0.0.1", ())
    with (
        serving(service, names=[name]) as server,
        httpx.Client(base_url=server.url, headers=PAGE) as browser,
    ):
        yield browser, server.url.replace("127.0.0.1", name)


def test_sign_in_at_a_plain_loopback_address_goes_to_the_name_for_browsers(
    named: tuple[httpx.Client, str], service: Service
) -> None:
    browser, address = named
    code = service.access.codes.create()
    sent = browser.get("/login", params={"code": code, "next": "/runs?status=failed"})
    assert sent.headers["location"] == f"{address}/login?code={code}&next=%2Fruns%3Fstatus%3Dfailed"
    for host in ("localhost", "127.0.0.1"):
        headers = {"host": f"{host}:9000"}  # a forwarded port
        forwarded = browser.get("/login", headers=headers).headers["location"]
        assert forwarded == f"{address.rpartition(':')[0]}:9000/login?next=%2F"
    assert browser.post("/login", data={"token": "any"}).headers["location"].startswith(address)
    page = browser.get("/runs?status=failed").text
    assert f'href="{address}/login?next=%2Fruns%3Fstatus%3Dfailed"' in page
    assert 'action="/login' not in page


def test_sign_in_at_a_plain_loopback_address_stays_possible(
    named: tuple[httpx.Client, str], service: Service
) -> None:
    browser, _ = named
    anyway = re.search(r'href="(/login\?here=1[^"]*)"', browser.get("/system").text)
    assert anyway
    form = browser.get(html.unescape(anyway[1])).text
    action = re.search(r'action="(/login\?here=1[^"]*)"', form)
    assert action
    secret = "a secret of some length"
    service.access.tokens.create("ann", "read", secret, by="ann", now=SystemClock().now())
    begun = browser.post(html.unescape(action[1]), data={"token": secret})
    assert (begun.headers["location"], COOKIE in begun.cookies) == ("/system", True)
    # A token needs no session.
    with httpx.Client(base_url=browser.base_url) as program:
        answer = program.get("/api/v1/runs", headers={"authorization": f"Bearer {secret}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "page", ["//other.example/", "/\\other.example", "https://other.example", "javascript:x"]
)
def test_sign_in_opens_no_page_of_another_server(server: RunningServer, page: str) -> None:
    code = server.service.access.codes.create()
    with httpx.Client(base_url=server.url, headers=PAGE) as browser:
        assert f'href="{page}"' not in browser.get("/login", params={"next": page}).text
        begun = browser.get("/login", params={"code": code, "next": page})
        assert begun.headers["location"] == "/"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
@needs_curl
def test_other_users_of_the_machine_do_not_see_the_name_for_browsers(
    named: tuple[httpx.Client, str],
) -> None:
    browser, address = named
    read = f"curl --silent --include --header 'accept: text/html' {browser.base_url}/login"
    mine, other = (
        subprocess.run(read, shell=True, user=user, capture_output=True, text=True, check=True)
        for user in (0, 65534)
    )
    assert address in mine.stdout
    assert ".localhost" not in other.stdout
    assert 'action="/login' in other.stdout


def test_other_programs_of_the_machine_get_no_session(service: Service) -> None:
    got: list[str] = []

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            got.append(self.headers.get("cookie", ""))
            self.send_response(204)
            self.end_headers()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Print nothing."""

    [name] = service.access.names_of("127.0.0.1", ())
    with (
        serving(service, names=[name]) as server,
        HTTPServer(("127.0.0.1", 0), Other) as other,
        chromium() as screen,
    ):
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        page, address = screen.page, server.url.replace("127.0.0.1", name)
        page.goto(f"{address}/login?code={service.access.codes.create()}")
        assert page.url == f"{address}/runs"
        with suppress(Error):  # there is nothing to show
            page.goto(f"http://127.0.0.1:{other.server_port}/")
        page.goto(f"{address}/runs")
        page.get_by_role("button", name="Sign out").click()
        title = page.get_by_role("heading", level=1)
        expect(title).to_have_text("This browser is not signed in")
        other.shutdown()
        thread.join()
    assert got
    assert not any(got)
