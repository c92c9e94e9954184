"""A form that does not reach the server, or comes after the session ended, is not lost."""

import html
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import expect

from attractor.server.http.guard import LONGEST_UNSENT
from tests.browsers import chromium
from tests.server.conftest import PAGE, RunningServer, csrf_in
from tests.server.runs import GATE, await_rest, start

REASON = 'It "works"\r\n<script>alert(1)</script>'


@pytest.fixture
def gate(server: RunningServer) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a run that waits for an answer, and the fields of its form."""
    with server.client("operate") as client:
        run = start(client, GATE)
        question = await_rest(client, run)["questions"][0]["id"]
        form = {"csrf": "of an ended session", "question": question, "choice": "S", "why": REASON}
        yield f"/runs/{run}", form
        client.post(f"/pipelines/{run}/cancel", json={"why": "enough"})


def fields_of(page: str) -> dict[str, str]:
    """Return the hidden fields of the form in the main part of a page."""
    main = page[page.index("<main") : page.index("</main>")]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', main)
    return {name: html.unescape(value) for name, value in found}


def test_form_of_an_ended_session_is_sent_again_after_signing_in(
    server: RunningServer, gate: tuple[str, dict[str, str]]
) -> None:
    run, form = gate
    with httpx.Client(base_url=server.url, headers=PAGE) as browser:
        headers = {"referer": f"{server.url}{run}?at=1"}
        refused = browser.post(f"{run}/answer", data=form, headers=headers)
        assert (refused.status_code, form["csrf"] in refused.text) == (401, False)
        action = re.search(r'<form method="post" action="([^"]+)"', refused.text)
        assert action
        kept, sign_in = fields_of(refused.text), html.unescape(action[1])
        wrong = browser.post(sign_in, data={**kept, "token": "guessed"})
        assert (wrong.status_code, fields_of(wrong.text)) == (401, kept)
        again = browser.post(sign_in, data={**kept, "token": server.token("operate")})
        assert (again.status_code, f'href="{run}?at=1"' in again.text) == (200, True)
        assert "<script>alert" not in again.text
        sent = fields_of(again.text)
        assert sent == {**form, "csrf": csrf_in(browser.get("/system").text)}
        # A browser that signed in in another tab needs no token.
        assert fields_of(browser.post(sign_in, data=kept).text) == sent
        assert f'action="{run}/answer"' in again.text
        answered = browser.post(f"{run}/answer", data=sent)
        assert answered.status_code == 303
        assert "Answered ask: S" in browser.get(answered.headers["location"]).text


def test_secrets_and_forms_of_other_origins_are_not_kept(server: RunningServer) -> None:
    form = {"max_tokens": "9", "token": "secret-1", "new-password": "secret-2", "account": "ann"}
    cases: list[tuple[dict[str, str], dict[str, str], int, str | None]] = [
        (form, {}, 401, "max_tokens=9&token=&new-password="),
        ({"why": "x" * LONGEST_UNSENT}, {}, 401, None),
        ({"why": "mine"}, {"origin": "http://evil.example"}, 403, None),
        ({"why": "mine"}, {"accept": "application/json"}, 401, None),
    ]
    with httpx.Client(base_url=server.url, headers=PAGE) as browser:
        for sent, headers, status, kept in cases:
            page = browser.post("/start", data=sent, headers=headers)
            assert page.status_code == status
            found = fields_of(page.text).get("unsent") if "<main" in page.text else None
            assert found == kept
            assert "secret" not in page.text


def test_form_stays_in_the_page_while_the_server_is_away_and_is_sent_once(
    server: RunningServer, gate: tuple[str, dict[str, str]]
) -> None:
    run, _ = gate
    with chromium() as screen:
        page = screen.page
        page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&next={run}")
        posts: list[str] = []
        page.on("request", lambda one: posts.append(one.url) if one.method == "POST" else None)
        page.get_by_label("Reason (optional; recorded)").fill("It works")
        page.route("**/api/v1/version", lambda route: route.abort())
        page.get_by_role("button", name="Ship S").click()
        expect(page.get_by_role("alert").filter(has_text="Not sent")).to_be_visible()
        expect(page.get_by_label("Reason (optional; recorded)")).to_have_value("It works")
        assert posts == []
        page.unroute_all()
        page.get_by_role("button", name="Ship S").dblclick(no_wait_after=True)
        expect(page.get_by_role("status").filter(has_text="Answered ask: S")).to_be_visible()
        assert posts == [f"{server.url}{run}/answer"]
