"""A person reads the drafts of a suite one after the other, over HTTP and on the page."""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from attractor.factory.registration.drafts import DraftedPart, drafts_folder, kept_draft, parts_of
from attractor.scenarios.suite_reader import read_suite
from attractor.server.service import Service
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.browsers import chromium
from tests.cli.test_agent import ProjectDesk
from tests.factory.registration.drafted import drafted, scenario, sentence, specification
from tests.factory.registration.test_drafts import MODEL, script, specify
from tests.server.conftest import RunningServer, csrf_in, serving
from tests.server.test_pages_in_a_browser import look_at
from tests.server.test_whole_way import Axe

MANY = 6
HOSTILE = "<img src=x onerror=alert(1)>"
Drafted = tuple[RunningServer, str]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[ProjectDesk, str]:
    """A project with the drafts of six sentences; one scenario is wrong."""
    desk = ProjectDesk(tmp_path_factory.mktemp("drafts"))
    desk.place.mkdir()
    specify(desk.place, specification(MANY))
    wrong = scenario(4, answer="another").replace("Ann asks", f"{HOSTILE} asks")
    files = {**drafted(MANY), "draft/holdout/word-4.scenario.toml": wrong}
    with in_background(ProviderTwin(script(files))) as desk.twin:
        done = desk.do("suite", "draft", "scenarios/words", "--from", "SPEC.md", *MODEL, "--json")
    assert done.returncode == 0, done.stderr
    return desk, json.loads(done.stdout)["run"]


@pytest.fixture
def drafts(played: tuple[ProjectDesk, str]) -> Iterator[Drafted]:
    desk, run = played
    with serving(Service.of(desk.place, desk.environ)) as server:
        yield server, run
    shutil.rmtree(desk.place / "scenarios", ignore_errors=True)
    shutil.rmtree(drafts_folder(server.service.opened) / run / "skipped", True)


def suite_of(server: RunningServer) -> Path:
    return server.service.project.root / "scenarios" / "words"


def test_drafts_are_counted_for_all_and_shown_to_operators(drafts: Drafted) -> None:
    server, run = drafts
    at = f"/api/v1/suites/drafts/{run}"
    with server.client("read") as client:
        answer = client.get("/api/v1/suites/drafts")
        assert answer.json() == [
            {
                "run_id": run,
                "folder": "scenarios/words",
                "parts": 2 * MANY + 1,
                "waiting": 2 * MANY,
                "taken": 0,
                "skipped": 0,
                "faulty": 1,
            }
        ]
    for scope in ("read", "operate"):
        with server.client(scope) as client:
            assert client.get(at).status_code == 403
            assert client.post(f"{at}/take", json={"id": "word-0"}).status_code == 403
    with server.client("decide") as client:
        first, *_ = client.get(at).json()["drafts"]
        assert first["sentences"] == [{"id": "s0", "sentence": sentence(0), "at": "Words"}]
        assert 'run = "python3 words.py w0"' in first["text"]
        faulty = [one for one in client.get(at).json()["drafts"] if one["standing"] == "faulty"]
        assert [one["id"] for one in faulty] == ["word-4"]
        assert "reference" in faulty[0]["faults"][0]
        assert client.get("/api/v1/suites/drafts/latest").status_code == 200
        assert client.get("/api/v1/suites/drafts/none").status_code == 404


def test_one_draft_is_taken_at_a_time(drafts: Drafted) -> None:
    server, run = drafts
    at = f"/api/v1/suites/drafts/{run}/take"
    with server.client("decide") as client:
        for body, status in (
            ({"id": ["word-0", "word-1"]}, 422),
            ([{"id": "word-0"}, {"id": "word-1"}], 422),
            ({"id": "word-0", "folder": "../elsewhere"}, 400),
            ({"id": "word-0", "folder": "."}, 400),
            ({"id": "word-0", "folder": ".git/x"}, 400),
            ({"id": "word-9"}, 404),
            ({"id": "word-4"}, 409),
            ({"id": "wrong/s0"}, 409),
        ):
            assert client.post(at, json=body).status_code in (status, 400), body
            assert not suite_of(server).exists()
        outside = server.service.project.root.parent / "outside"
        outside.mkdir(exist_ok=True)
        suite_of(server).mkdir(parents=True)
        (suite_of(server) / "holdout").symlink_to(outside)
        assert "leads out of" in client.post(at, json={"id": "word-0"}).text
        assert [*outside.iterdir()] == []
        (suite_of(server) / "holdout").unlink()
        done = client.post(at, json={"id": "word-0"}).json()
        file = "scenarios/words/holdout/word-0.scenario.toml"
        assert done == {"folder": "scenarios/words", "files": [file], "was_taken": False}
        again = client.post(at, json={"id": "word-0", "folder": "scenarios/words"}).json()
        assert again == {**done, "was_taken": True}


def test_takes_at_the_same_time_lose_no_sentence(drafts: Drafted) -> None:
    server, run = drafts
    ids = [f"word-{one}" for one in (0, 1, 2, 3, 5)]
    with server.client("decide") as client:

        def click(id_: str) -> httpx.Response:
            return client.post(f"/api/v1/suites/drafts/{run}/take", json={"id": id_})

        with ThreadPoolExecutor(10) as people:
            done = [*people.map(click, [*ids, *ids])]
    assert [one.status_code for one in done] == [200] * 10, [one.text for one in done]
    assert sorted(one.json()["was_taken"] for one in done) == [False] * 5 + [True] * 5
    suite = read_suite(suite_of(server))
    assert {one.id for one in suite.scenarios} == {*ids}
    assert {*suite.requirements.by_id} == {"s0", "s1", "s2", "s3", "s5"}


def test_a_person_reads_takes_and_skips_drafts_on_the_page(drafts: Drafted) -> None:
    server, run = drafts
    at, token = f"/suites/drafts/{run}", server.token("decide")
    with closing(server.browser()) as browser:
        assert at in browser.get("/suites").text
        assert browser.get(f"/runs/{run}").status_code == HTTPStatus.NOT_FOUND
        first = browser.get(at).text
        assert "word-0" not in first
        assert sentence(0) not in first
        form = {"csrf": csrf_in(first), "folder": "scenarios/words", "shown": "word-0"}

        def click(**fields: str) -> str:
            return browser.post(f"{at}/take", data={"token": token, **form, **fields}).text

        assert "a token of the scope decide is required" in click(act="take", token="guessed")
        assert not suite_of(server).exists()
        assert "is outside of the project" in click(act="take", folder="../elsewhere")
        assert sentence(0) in click()
        taken = click(act="take")
        assert "word-0 is taken." in taken
        assert f"2 of {2 * MANY + 1}: Word 1" in taken
        assert token not in taken
        assert "word-0 was taken before." in click(act="take")
        assert "3 of" in click(act="skip", shown="word-1")
        faulty = click(at=str(1 + [one.id for one in read(server, run)].index("word-4")))
        assert "&lt;img src=x" in faulty
        assert "<img src=x" not in faulty
        assert 'value="take"' not in faulty
        assert "word-4 cannot be taken" in click(act="take", shown="word-4")
        assert "unknown draft" in click(act="take", shown="word-9")
        ids = [one.id for one in read(server, run) if not one.faults]
        for id_ in ids:
            click(act="take", shown=id_)
        # The sentence that it breaks has no scenario in the suite.
        assert "wrong/s4 cannot be taken now" in click(act="take", shown="wrong/s4")
        assert "No draft waits" in click(act="skip", shown="wrong/s4")
    assert {one.id for one in read_suite(suite_of(server)).scenarios} == {*ids[:5]}


def read(server: RunningServer, run: str) -> list[DraftedPart]:
    kept = kept_draft(drafts_folder(server.service.opened) / run)
    assert kept
    return parts_of(kept)


def test_page_of_drafts_fits_each_screen_and_keeps_the_token(drafts: Drafted) -> None:
    server, run = drafts
    folder = os.environ.get("SCREENSHOTS", "")
    token, code = server.token("decide"), server.service.access.codes.create()
    with chromium() as screen:
        page = screen.page
        page.goto(f"{server.url}/login?code={code}")
        assert look_at(page, "suites", f"{server.url}/suites") == []
        assert look_at(page, "drafts", f"{server.url}/suites/drafts/{run}") == []
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Show the drafts").click()
        expect(page.get_by_role("heading", name=f"1 of {2 * MANY + 1}: Word 0")).to_be_focused()
        quote, code_box = page.locator("blockquote"), page.locator("pre.code")
        for width, is_beside in ((390, False), (1440, True)):
            page.set_viewport_size({"width": width, "height": 844})
            assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
            text, draft = quote.bounding_box(), code_box.bounding_box()
            assert text
            assert draft
            assert (text["x"] + text["width"] <= draft["x"]) is is_beside
            assert (text["y"] + text["height"] <= draft["y"]) is not is_beside
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                if folder:
                    page.screenshot(path=f"{folder}/draft-{width}-{scheme}.png", full_page=True)
                assert Axe().run(page).response["violations"] == []
        page.get_by_role("button", name="Take", exact=True).dblclick()
        expect(page.get_by_role("heading", name=f"2 of {2 * MANY + 1}: Word 1")).to_be_focused()
        page.get_by_role("button", name="Skip").click()
        expect(page.get_by_text("word-1 is skipped.").first).to_be_visible()
        assert page.get_by_label("Token").input_value() == token
        if folder:
            page.locator("summary", has_text="All drafts").click()
            page.screenshot(path=f"{folder}/draft-list.png", full_page=True)
    assert [one.name for one in suite_of(server).glob("*/*.toml")] == ["word-0.scenario.toml"]
