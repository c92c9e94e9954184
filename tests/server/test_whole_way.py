"""All steps of a person in Chromium, from the start of a run to a promoted branch.

Set SCREENSHOTS to a folder to keep a picture of each page in each look.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browsers import Screen, chromium
from tests.counts import IS_FULL
from tests.pipeline.projects import git
from tests.server.conftest import RunningServer, serving
from tests.server.greeting import greeting
from tests.server.people import Person, WithKeyboard, WithMouse

# The package has no types.
Axe: Any = import_module("axe_playwright_python.sync_playwright").Axe
MESSAGE = "Greet by the first argument."
REASON = "Everybody is greeted by name."
WIDTHS = (1440, 390)
LOOKS = {
    "desktop-light": (1440, "light"),
    "desktop-dark": (1440, "dark"),
    "phone-light": (390, "light"),
    "phone-dark": (390, "dark"),
}
RUN = "/runs/{run}"
PAGES = {
    "attention": "/attention",
    "agents": "/agents",
    "runs": "/runs",
    "start": "/start",
    "run": RUN,
    "stage": f"{RUN}/stages/make",
    "stage-changes": f"{RUN}/stages/make?tab=changes",
    "stage-details": f"{RUN}/stages/ask",
    "changes": f"{RUN}/changes",
    "events": f"{RUN}/events",
    "context": f"{RUN}/context",
    "checkpoint": f"{RUN}/checkpoint",
    "decision": f"{RUN}/decision",
    "pipelines": "/specs",
    "pipeline": "/specs/greeting",
    "editor": "/editor?file=pipeline.dot",
    "suites": "/suites",
    "suite": "/suites/greeting",
    "profiles": "/profiles",
    "profile": "/profiles/lenient",
    "audit": "/audit?verify=true",
    "system": "/system?measure=true",
    "providers": "/system/providers",
}
people = pytest.mark.parametrize(
    "person",
    [
        WithKeyboard(),
        pytest.param(
            WithMouse(),
            marks=pytest.mark.skipif(not IS_FULL, reason="at full counts: the same way again"),
        ),
    ],
    ids=["keyboard", "mouse"],
)


@dataclass(frozen=True)
class Desk:
    """A browser with a session of the server of a project."""

    server: RunningServer
    page: Page
    person: Person

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def stage(self, name: str) -> Locator:
        return self.page.locator(f'#canvas a[data-node="{name}"]')

    def colour(self, name: str) -> str:
        """Return the colour in which a stage is drawn."""
        shape = self.stage(name).locator("path, polygon").first
        return shape.evaluate("one => getComputedStyle(one).fill")


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    with chromium() as screen:
        yield screen


@people
def test_run_is_started_answered_judged_decided_and_promoted(
    screen: Screen, tmp_path: Path, person: Person
) -> None:
    with greeting(tmp_path) as service, serving(service) as server:
        page, code = screen.page, service.access.codes.create()
        page.goto(f"{server.url}/login?code={code}")
        desk = Desk(server, page, person)
        expect(page.get_by_text("There are no runs yet.")).to_be_visible()
        first = start(desk)
        steer(desk, tmp_path)
        watch(desk)
        read_transcript(desk)
        look_at(page, {"waiting": RUN}, first, server)
        answer(desk)
        expect_verdict(desk, "no-go")
        expect(desk.button("Approve")).to_be_disabled()
        look_at(page, {"no-go": f"{RUN}/decision"}, first, server)
        second = start_with_feedback(desk)
        assert second != first
        answer(desk)
        expect_verdict(desk, "go")
        decide(desk, server.token("decide"))
        assert git(service.project.root, "show", "main:greet.py").startswith("import sys")
        look_at(page, PAGES, second, server)
        page.goto(f"{server.url}/runs")


def start(desk: Desk) -> str:
    desk.person.press(desk.link("Start a run"))
    page = desk.page
    desk.person.choose(page.get_by_label("Suite"), "greeting")
    desk.person.choose(page.get_by_label("Profile"), "lenient")
    return _start(desk)


def _start(desk: Desk) -> str:
    desk.person.press(desk.button("Start the run"))
    desk.page.wait_for_url("**/runs/*")
    return desk.page.url.rpartition("/")[2]


def steer(desk: Desk, folder: Path) -> None:
    """Send a message to the agent while it waits for its shell command, and let that end."""
    expect(desk.page.locator("#stage")).to_contain_text("until [ -e go ]")
    desk.page.keyboard.press("m")
    desk.page.keyboard.type(MESSAGE)
    desk.person.press(desk.button("Send"))
    expect(desk.page.get_by_text("The message was accepted.")).to_be_visible()
    [program] = folder.rglob("greet.py")
    (program.parent / "go").touch()


def watch(desk: Desk) -> None:
    """Check that the stages change, without loading the page again."""
    desk.page.evaluate("window.isSamePage = true")
    for name, state in (("make", "done"), ("test", "done"), ("ask", "waits")):
        expect_state(desk, name, state)
    assert desk.page.evaluate("window.isSamePage")


def expect_state(desk: Desk, name: str, state: str) -> None:
    expect(desk.stage(name)).to_have_attribute("aria-label", re.compile(f"^{name}: .*{state}"))


def read_transcript(desk: Desk) -> None:
    desk.person.press(desk.page.locator('#timeline a[data-stage="make@1.1"]'))
    talk = desk.page.locator("#stage")
    expect(talk).to_contain_text("I write the program.")
    expect(talk).to_contain_text("write_file: greet.py")
    expect(talk).to_contain_text(f"message to the agent: {MESSAGE}")


def answer(desk: Desk) -> None:
    before = desk.colour("exit")
    desk.person.press(desk.page.locator("#question").get_by_role("button", name="Yes"))
    expect_state(desk, "exit", "done")
    assert desk.colour("exit") != before


def expect_verdict(desk: Desk, verdict: str) -> None:
    expect(desk.page.locator("#head")).to_contain_text(f"gate: {verdict}")
    desk.person.press(desk.link("Decision"))
    expect(desk.page.get_by_role("region", name="Gate")).to_contain_text(verdict)


def start_with_feedback(desk: Desk) -> str:
    desk.person.press(desk.link("Start the next run with this feedback"))
    expect(desk.page.get_by_label("Suite")).to_have_value("greeting")
    expect(desk.page.get_by_label("Profile")).to_have_value("lenient")
    return _start(desk)


def decide(desk: Desk, token: str) -> None:
    person, panel = desk.person, desk.page.get_by_role("region", name="Decide")
    person.write(panel.get_by_label("Rationale"), REASON)
    person.write(panel.get_by_label("Token"), token)
    person.press(desk.button("Approve"))
    expect(panel.get_by_text("Approved by ann-decide")).to_be_visible()
    person.press(desk.button("Promote"))
    expect(panel.get_by_text("main is now")).to_be_visible()


def look_at(page: Page, pages: dict[str, str], run: str, server: RunningServer) -> None:
    """Check that no page is too wide, or violates the rules of accessibility.

    At small counts, each page is checked in one of the looks.
    """
    faults: list[str] = []
    folder = os.environ.get("SCREENSHOTS", "")
    for number, (name, address) in enumerate(pages.items()):
        for look in [*LOOKS] if IS_FULL or folder else [[*LOOKS][number % len(LOOKS)]]:
            width, scheme = LOOKS[look]
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
            page.goto(server.url + address.format(run=run))
            if folder:
                page.screenshot(path=f"{folder}/{name}-{look}.png", full_page=True)
            found: Any = Axe().run(page).response
            faults += [
                f"{name}-{look}: {one['id']}: {one['nodes'][0]['html']}"
                for one in found["violations"]
            ]
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 844})
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    faults.append(f"{name}: wider than {width} pixels")
    assert faults == []
