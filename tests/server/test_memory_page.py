"""A person reads lessons in the browser and over HTTP, and takes or drops them with a token."""

import re
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from attractor.factory.lessons import memory_of
from attractor.factory.open_project import OpenProject
from attractor.memory.decisions import drop, propose
from attractor.memory.records import LessonCite, read_memory
from tests.browsers import chromium
from tests.factory.flows import make_flow
from tests.memory.test_lessons import LOCK, NOW, RUN
from tests.scenarios.suites import SUITE
from tests.server.conftest import RunningServer, csrf_in
from tests.server.test_missions_page import served
from tests.server.test_pages_in_a_browser import look_at

SIMILAR = replace(LOCK, what=f"{LOCK.what} by <b>all</b>", cites=(LessonCite(RUN, 8),))
HIDDEN = replace(LOCK, what="ANN looks into the file, so write it", cites=(LessonCite(RUN, 9),))


@contextmanager
def with_lessons(folder: Path) -> Generator[tuple[RunningServer, OpenProject]]:
    """Serve a project with a dropped lesson, one that resembles it, and one with hidden words."""
    flow = make_flow(folder, suite=SUITE)
    place = memory_of(flow.opened)
    propose(LOCK, place, NOW)
    drop(LOCK.id, place, "bob", NOW)
    propose(SIMILAR, place, NOW)
    propose(HIDDEN, place, NOW)
    with served(flow) as server:
        yield server, flow.opened


def test_lesson_is_listed_taken_and_dropped_over_http(tmp_path: Path) -> None:
    with with_lessons(tmp_path) as (server, opened):
        address = f"/api/v1/memory/{SIMILAR.id}"
        with server.client("operate") as client:
            listed = client.get("/api/v1/memory").json()
            assert [one["id"] for one in listed] == [SIMILAR.id, HIDDEN.id]
            assert listed[0]["gone"] == [f"run {RUN}", "file index.py"]
            assert [one["id"] for one in listed[0]["dropped_before"]] == [LOCK.id]
            assert client.post(f"{address}/take").status_code == 403
        with server.client("decide") as client:
            assert client.post(f"{address}/take").json()["status"] == "taken"
            assert client.post(f"{address}/take").status_code == 409
            refused = client.post(f"/api/v1/memory/{HIDDEN.id}/take")
            assert (refused.status_code, "words of a holdout" in refused.text) == (409, True)
            assert client.post("/api/v1/memory/nothing/drop").status_code == 404
            assert client.post(f"{address}/drop").json()["status"] == "dropped"
        views = read_memory(memory_of(opened)).views
        assert [one.status for one in views.values()] == ["dropped", "dropped", "proposed"]
        assert views[SIMILAR.id].by != ""


def test_page_takes_a_lesson_only_with_a_token_of_a_person(tmp_path: Path) -> None:
    with with_lessons(tmp_path) as (server, opened), closing(server.browser()) as client:
        page = client.get("/memory").text
        assert "&lt;b&gt;all&lt;/b&gt;" in page
        assert re.search(rf"like {LOCK.id}, which bob dropped", page)
        form = {"lesson": SIMILAR.id, "csrf": csrf_in(page)}
        for token in ("", "x" * 40):
            refused = client.post("/memory/take", data={**form, "token": token})
            assert refused.status_code in (401, 403)
        assert not read_memory(memory_of(opened)).taken


def test_page_fits_a_phone_and_a_desk_in_light_and_dark(tmp_path: Path) -> None:
    with with_lessons(tmp_path) as (server, opened), chromium() as screen:
        page = screen.page
        page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&here=1")
        page.get_by_role("link", name="Memory").click()
        assert look_at(page, "memory", page.url) == []
        page.get_by_text("Take or drop it").first.click()
        token = page.get_by_label("Token").first
        token.fill("nothing")
        page.get_by_role("button", name="Take").first.click()
        page.get_by_role("alert").wait_for()
        page.get_by_label("Token").first.fill(server.token("decide"))
        page.get_by_role("button", name="Take").first.click()
        page.get_by_text(f"{SIMILAR.id} is taken").wait_for()
        assert [one.lesson for one in read_memory(memory_of(opened)).taken] == [SIMILAR]
