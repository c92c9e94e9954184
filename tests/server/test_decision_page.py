"""A person decides in the browser: facts, refusals, a token for each decision, promotion."""

import html
import re
from contextlib import closing

import httpx

from tests.pipeline.projects import git
from tests.server.conftest import PAGE, Judged, RunningServer, csrf_in

REASON = "The file says what it should."


def show(server: RunningServer, run: str, to: str = "", **form: str) -> str:
    """Return the page, after sending a form if there is one."""
    with server.client("operate") as client:
        place = f"/runs/{run}/decision"
        if form:
            answer = client.post(f"{place}{to}", data=form, headers=PAGE)
            if answer.status_code != 303:
                assert "alert" in answer.text
                assert form["token"] not in answer.text
                return html.unescape(answer.text)
        answer = client.get(place, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return html.unescape(answer.text)


def test_run_is_waived_approved_and_promoted(judged: Judged) -> None:
    server, run = judged
    token = server.token("decide")
    text = show(server, run)
    assert "made.txt" in text
    assert "It is made" not in text
    text = show(server, run, verdict="approved", rationale=REASON, token=token)
    assert 'role="alert"' in text
    text = show(server, run, verdict="rejected", rationale=REASON, token="guessed")
    assert "invalid token" in text
    name = found[1] if (found := re.search("<option>(.+?)</option>", text)) else ""
    text = show(server, run, "/waive", scenario=name, reason=REASON, token=token)
    assert "is waived until" in text
    text = show(server, run, verdict="approved", rationale=REASON, token=token)
    assert "Approved by ann-decide" in text
    text = show(server, run, "/promote", branch="main", token=server.token("operate"))
    assert "a token of the scope decide is required" in text
    text = show(server, run, "/promote", branch="main", token=token)
    assert "main is now" in text
    project = server.service.project.root
    assert "made.txt" in git(project, "ls-tree", "--name-only", "main")
    text = show(server, run, "/amend", note=REASON, token=token)
    assert "The note is on record." in text
    text = show(server, run, "/amend", defect="It broke the shop.", token=token)
    assert "The mark is on record." in text
    assert "defect: It broke the shop." in text
    assert "Marked as wrong: It broke the shop." in text
    text = show(server, run, "/amend", no_defect="The shop was closed.", token=token)
    assert "Mark the approval as wrong" in text
    text = show(server, run, "/rollback", branch="main", reason=REASON, token=token)
    assert "Rolled back: main is now" in text


def test_decision_in_a_browser_records_how_long_the_page_was_shown(judged: Judged) -> None:
    server, run = judged
    form = {"verdict": "rejected", "rationale": REASON, "token": server.token("decide")}
    place = f"/runs/{run}/decision"
    with closing(server.browser()) as browser:
        csrf = csrf_in(browser.get(place).text)
        assert browser.post(place, data={**form, "csrf": csrf}).status_code == 303
    [entry] = [one.entry for one in server.service.factory.history(run=run)]
    assert 0 <= float(f"{entry.data['shown_s']}") < 60


def test_one_form_approves_and_promotes_and_an_approval_outlives_a_refused_promotion(
    judged: Judged,
) -> None:
    server, run = judged
    token = server.token("decide")
    assert "also_promote" not in show(server, run)
    [name] = re.findall("<option>(.+?)</option>", show(server, run))
    assert "is waived" in show(server, run, "/waive", scenario=name, reason=REASON, token=token)
    both = {"verdict": "approved", "also_promote": "yes", "branch": "no branch"}
    text = show(server, run, rationale="Words.", token=token, **both)
    assert re.search(r'name="also_promote" value="yes" checked>.* value="no branch"', text)
    text = show(server, run, rationale=REASON, token=token, **both)
    assert "Approved by ann-decide" in text
    assert "invalid branch name" in text
    assert re.search(r'<input id="branch" [^>]*value="no branch"', text)
    text = show(server, run)
    assert "<b>decided</b> by ann-decide" in text
    assert "main is now" in show(server, run, "/promote", branch="main", token=token)


def test_titles_of_hidden_scenarios_need_a_token_of_the_scope_decide(judged: Judged) -> None:
    server, run = judged
    with server.client("operate") as client:
        for token, is_shown in (
            ("", False),
            (server.token("operate"), False),
            (server.token("decide"), True),
        ):
            form = {"token": token}
            answer = client.post(f"/runs/{run}/decision/scenarios", data=form, headers=PAGE)
            assert (answer.status_code == 200) is is_shown
            assert ("It is made" in answer.text) is is_shown
        assert "It is made" not in client.get(f"/runs/{run}/decision", headers=PAGE).text


def test_rejection_never_promotes(judged: Judged) -> None:
    server, run = judged
    form = {"verdict": "rejected", "also_promote": "yes", "rationale": REASON}
    text = show(server, run, token=server.token("decide"), **form)
    assert "Rejected by ann-decide" in text
    assert "is now" not in text


def test_wrong_token_keeps_the_typed_words_and_a_password_manager_fills_the_token(
    judged: Judged,
) -> None:
    server, run = judged
    wrong = {"token": "guessed"}
    text = show(server, run, verdict="rejected", rationale="Words of mine.", **wrong)
    assert ">Words of mine.</textarea>" in text
    # The page scrolls to the token, where the message is.
    assert re.search(r'<input id="token" [^>]*aria-invalid="true" autofocus>', text)
    assert text.count("invalid token") == 1
    text = show(server, run, "/waive", scenario="x", reason="Words of mine.", **wrong)
    assert ">Words of mine.</textarea>" in text
    assert re.search(r'autocomplete="username".*\n?.*autocomplete="current-password"', text)
    show(server, run, verdict="rejected", rationale=REASON, token=server.token("decide"))
    assert ">Words of note.</textarea>" in show(
        server, run, "/amend", note="Words of note.", **wrong
    )


def test_sign_in_page_has_the_style_of_the_others(judged: Judged) -> None:
    with httpx.Client(base_url=judged[0].url, headers=PAGE) as stranger:
        page = stranger.get("/runs")
        style = stranger.get("/login.css")
    assert 'href="/login.css"' in page.text
    assert 'autocomplete="current-password"' in page.text
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")


def test_suites_and_system_show_no_hidden_scenario(judged: Judged) -> None:
    server, run = judged
    with server.client("read") as client:
        suites = client.get("/suites", headers=PAGE).text
        suite = client.get("/suites/todo@1", headers=PAGE).text
        system = client.get("/system", params={"measure": True}, headers=PAGE).text
        unknown = client.get("/suites/other", headers=PAGE)
        unproved = client.post("/suites/todo@1/burn", data={"reason": REASON}, headers=PAGE)
    assert unproved.status_code == 403
    with server.client("operate") as client:
        form = {"reason": REASON, "token": server.token("decide")}
        for how in ("archive", "burn"):
            answer = client.post(f"/suites/todo@1/{how}", data=form, headers=PAGE)
            assert answer.status_code == 303
        ended = client.get("/suites/todo@1", headers=PAGE).text
    assert "todo@1 is burned." in ended
    assert '/suites/todo@1"' in suites
    assert f'href="/runs/{run}/decision"' in suite
    assert "It is made" not in suite
    assert "No process executes a run." in system
    assert str(server.service.project.machine.state_dir) in system
    assert (unknown.status_code, "Suites" in unknown.text) == (404, True)
