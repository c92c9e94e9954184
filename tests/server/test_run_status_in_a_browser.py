"""The status of a run on its open page, in Chromium: a dead process, a pause, and the end."""

import os
import re
import signal
from collections.abc import Iterator
from time import monotonic
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browsers import Screen, chromium
from tests.counts import IS_FULL
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.runs import WAITING, start
from tests.server.test_whole_way import LOOKS, Axe

SOON_S = 2.0 if IS_FULL else 5.0
"""A dead process is shown within two seconds; beside other tests, it may take longer."""
PICTURES = os.environ.get("STATUS_PICTURES", "")
"""A folder for screenshots in all looks."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("status")
    with serving(
        service_of(make_project(folder / "project", WAITING, **{"attractor.toml": SETTINGS}))
    ) as running:
        yield running


@pytest.fixture(scope="module")
def screen(server: RunningServer) -> Iterator[Screen]:
    with chromium() as screen:
        login = f"{server.url}/login?code={server.service.access.codes.create()}"
        screen.page.goto(f"{login}&here=1")
        yield screen


@pytest.fixture
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def kill(client: httpx.Client, run: str) -> None:
    found = client.get("/api/v1/workers").json()
    [worker] = [one for one in found if one["run_id"] == run]
    os.kill(worker["pid"], signal.SIGKILL)


def look_at(page: Page, name: str) -> None:
    """Check the page in all looks, and keep a screenshot of each if a folder is given."""
    faults: list[str] = []
    for look, (width, scheme) in LOOKS.items():
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # pyright: ignore[reportArgumentType]
        if PICTURES:
            page.screenshot(path=f"{PICTURES}/{name}-{look}.png")
        found: Any = Axe().run(page).response
        faults += [f"{name}-{look}: {one['id']}" for one in found["violations"]]
    assert faults == []


def status_on(page: Page) -> tuple[str, str, str]:
    """Return the status in the head, the beginning of the title, and the icon of the page."""
    icon = str(page.locator("link[rel=icon]").get_attribute("href")).rpartition("/")[2]
    return page.locator("#head .badge").inner_text(), page.title().partition(" · ")[0], icon


def test_dead_process_is_shown_on_the_open_page_and_resumed(
    server: RunningServer, screen: Screen, client: httpx.Client
) -> None:
    page, go = screen.page, server.service.project.root / "go"
    run = start(client, WAITING)
    page.goto(f"{server.url}/runs/{run}")
    badge = page.locator("#head .badge")
    expect(page.locator('#canvas a[data-node="wait"] .state-running')).to_be_visible()
    expect(page.locator("[data-connection=live]")).to_be_visible()
    expect(page.locator("#head-facts progress")).to_have_js_property("position", 0)
    expect(page.locator("#head-facts")).to_contain_text("0 of 2 stages ended")
    first = page.locator("[data-elapsed]").inner_text()
    expect(page.locator("[data-elapsed]")).not_to_have_text(first)
    expect(page.locator("[data-elapsed]")).to_have_text(re.compile(r"^\d+s$"))
    page.evaluate("window.sameDocument = true")
    killed = monotonic()
    kill(client, run)
    expect(badge).to_have_text("needs you (dead process)")
    shown_after = monotonic() - killed
    expect(page).to_have_title(re.compile(r"^waiting needs you \(dead process\) · "))
    assert status_on(page)[2] == "favicon-warn-warning.svg"
    expect(page.locator("#head-actions button").first).to_have_text("Resume")
    expect(page.locator('#canvas a[data-node="wait"] .state-interrupted')).to_be_visible()
    expect(page.locator("#timeline").get_by_text("interrupted: ")).to_have_count(1)
    assert page.evaluate("window.sameDocument")
    look_at(page, "dead")
    page.get_by_role("button", name="Resume").click()
    expect(badge).to_have_text("running")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#head-facts")).to_contain_text("running pauses after wait")
    look_at(page, "pauses")
    go.touch()
    expect(badge).to_have_text("running (paused)")
    page.get_by_role("button", name="Resume").click()
    expect(badge).to_have_text("succeeded")
    go.unlink()
    expect(page).to_have_title(re.compile(r"^waiting succeeded, not judged: no suite · "))
    assert status_on(page)[2] == "favicon-ok-check.svg"
    expect(page.locator("#cancel-menu")).to_have_count(0)
    expect(page.locator("#head [data-connection]")).to_have_count(0)
    look_at(page, "succeeded")
    # The next run is expected to take as long.
    again = start(client, WAITING)
    page.goto(f"{server.url}/runs/{again}")
    expect(page.locator("#head-facts")).to_contain_text(re.compile(r"usually \d+"))
    go.touch()
    expect(badge).to_have_text("succeeded")
    page.get_by_role("link", name="Judge with a suite").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Start a run")
    page.goto(f"{server.url}/runs/{run}/decision")
    expect(page.get_by_text("failed", exact=True)).to_have_count(0)
    look_at(page, "decision")
    page.goto(f"{server.url}/runs")
    look_at(page, "runs")
    assert [one for one in screen.said if not one.startswith("asks for")] == []
    assert shown_after < SOON_S
