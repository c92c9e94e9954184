"""The page of all agents, and its form for a new one, in Chromium and without scripts."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import expect

from attractor.factory.open_project import OpenProject
from attractor.server.service import Service
from attractor.worlds.actors import list_actors
from attractor.worlds.status import ActorStatus, read_actor
from tests.browsers import chromium
from tests.patience import wait_until
from tests.pipeline.projects import make_project
from tests.server.conftest import PAGE, SETTINGS, RunningServer, csrf_in, service_of, serving
from tests.server.test_attention_page import ASK, FAILS, sign_in, spawn
from tests.server.test_pages_in_a_browser import look_at, tab_to
from tests.server.test_whole_way import Axe


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server with agents of two projects: one asks, one failed; they are stopped at the end."""
    other = make_project(tmp_path / "other", ASK, **{"attractor.toml": SETTINGS})
    service = service_of(make_project(tmp_path / "project", FAILS, **{"attractor.toml": SETTINGS}))
    service.opened.identity.create_id()
    opened = Service.of(other, service.processes.environ).opened
    with serving(service) as running:
        begin(opened, "asker", ActorStatus.ASKING)
        begin(service.opened, "broken", ActorStatus.FAILED)
        yield running
        with running.client() as client:
            for one in list_actors(service.project.machine.state_dir):
                client.post(f"/api/v1/actors/{one.project.project_id}/{one.name}/stop")


def begin(opened: OpenProject, name: str, until: ActorStatus) -> None:
    actor = spawn(opened, name, pipeline=str(opened.project.root / "pipeline.dot"))
    wait_until(lambda: read_actor(actor).status is until)


def test_agents_of_all_projects_are_in_one_table(server: RunningServer) -> None:
    with closing(server.browser()) as browser:
        assert browser.get("/worlds").headers["location"] == "/agents"
    with chromium() as screen:
        page = screen.page
        sign_in(server, page)
        page.get_by_role("navigation", name="Pages").get_by_role("link", name="Agents").click()
        expect(page.get_by_role("table")).to_have_count(1)
        asker = page.get_by_role("row").filter(has_text="asker")
        expect(asker).to_contain_text("needs you (question)")
        expect(asker).to_contain_text("Ship <b>it</b>?")
        broken = page.get_by_role("row").filter(has_text="broken")
        expect(broken).to_contain_text("exit code 7")
        expect(broken).to_contain_text("0 files")
        assert look_at(page, "agents", page.url) == []
        page.set_viewport_size({"width": 320, "height": 640})
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        # What changes elsewhere is shown on the open page.
        opened = Service.of(server.service.project.root, server.service.processes.environ).opened
        begin(opened, "second", ActorStatus.FAILED)
        expect(page.get_by_role("row").filter(has_text="second")).to_contain_text("failed")
        assert [one for one in screen.said if not one.startswith("asks for")] == []


def test_agent_begins_by_keyboard_and_without_scripts(server: RunningServer) -> None:
    with chromium() as screen:
        page = screen.page
        sign_in(server, page)
        page.goto(f"{server.url}/agents")
        page.keyboard.press("n")
        tab_to(page, "First task")
        page.keyboard.type("say hello")
        page.get_by_label("Program").select_option("simulate")
        for width in (1440, 320):
            page.set_viewport_size({"width": width, "height": 640})
            assert Axe().run(page).response["violations"] == []
            assert page.evaluate("document.documentElement.scrollWidth") == width
        tab_to(page, "Begin")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("say-hello")
    with closing(server.browser()) as browser:
        csrf = csrf_in(browser.get("/agents").text)
        form = {"csrf": csrf, "words": "say hello", "project": "nosuch", "backend": "simulate"}
        refused = browser.post("/agents", data=form)
        assert (refused.status_code, ">say hello</textarea>" in refused.text) == (404, True)
        own = server.service.project_id
        made = browser.post("/agents", data={**form, "project": own})
        assert made.headers["location"] == f"/actors/{own}/say-hello-2"
    with server.client("read") as client:
        text = client.get("/agents", headers=PAGE).text
        assert ("say-hello" in text, "New agent" in text) == (True, False)
