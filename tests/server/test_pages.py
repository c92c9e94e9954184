"""The frame of all pages: navigation, static files, errors for people."""

import re

import pytest

from tests.server.conftest import PAGE, RunningServer, csrf_in
from tests.server.runs import GATE, start


def test_page_is_self_contained_under_a_strict_policy(server: RunningServer) -> None:
    with server.client("read") as client:
        answer = client.get("/runs", headers=PAGE)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert not re.search(
            r"<style|\sstyle=|<script(?! type=\"module\" src=\"/static/)", answer.text
        )
        used = re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text)
        assert len(used) >= 3
        for one in used:
            file = client.get(one)
            assert (file.status_code, "immutable" in file.headers["cache-control"]) == (200, True)


def test_navigation_marks_the_current_page(server: RunningServer) -> None:
    with server.client("read") as client:
        text = client.get("/", headers=PAGE, follow_redirects=True).text
    assert '<a href="/runs" aria-current="page">Runs</a>' in text


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/runs/NONE", 404, "no run found"),
        ("/static/0/../pages.py", 404, "Go to the runs"),
        ("/static/0/%2e%2e%2frun.py", 404, "Go to the runs"),
        ("/runs?status=nosuch", 404, "unknown status &#39;nosuch&#39;"),
        ("/runs?status=nosuch", 404, "awaiting_human"),
        ("/runs?since=yesterday", 400, "invalid time in since: yesterday"),
    ],
)
def test_error_is_a_page_for_a_browser(
    server: RunningServer, address: str, status: int, words: str
) -> None:
    with server.client("read") as client:
        answer = client.get(address, headers=PAGE)
    assert answer.status_code == status
    assert words in answer.text


def test_browser_without_a_session_gets_the_sign_in_instructions(server: RunningServer) -> None:
    with server.client("read") as client:
        answer = client.get("/runs", headers={**PAGE, "authorization": ""})
    assert answer.status_code == 401
    assert "attractor serve" in answer.text


def test_cookie_of_another_program_is_no_message(server: RunningServer) -> None:
    with server.client("read") as client:
        for value in ("NQ==", "", "x", "é", "W1tbWw=="):
            headers = [*PAGE.items(), ("cookie", f"attractor_flash={value}")]
            sent = [(name.encode(), one.encode()) for name, one in headers]
            assert client.get("/runs", headers=sent).status_code == 200


def test_long_message_fits_into_a_cookie(server: RunningServer) -> None:
    with server.client() as client:
        run = start(client, GATE)
    browser = server.browser()
    browser.headers.update(PAGE)
    form = browser.get(f"/runs/{run}").text
    body = {"csrf": csrf_in(form), "at": '"é🚀' * 200}
    answer = browser.post(f"/runs/{run}/fork", data=body)
    assert len(answer.headers["set-cookie"].partition(";")[0]) < 4096
    assert "🚀" in browser.get(answer.headers["location"]).text
    browser.close()
