"""The number of presses that each task of a day takes, in Chromium."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browsers import chromium
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.people import WithMouse

DAY = """digraph day { graph [goal="Ship it"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    make [shape=parallelogram, tool_command="echo 12 tests pass"]
    gate [shape=hexagon, label="Ship it to main?"]
    last [shape=parallelogram, max_retries=0, tool_command="echo it is broken; exit 3"]
    start -> make -> gate -> last -> exit
    gate -> exit [label="[N] No"] }"""


class Counting(WithMouse):
    """A person whose presses are counted."""

    presses = 0

    def press(self, target: Locator) -> None:
        """Press a link or a button, and count it."""
        self.presses += 1
        super().press(target)

    def counted(self) -> int:
        """Return the number of presses since the last call."""
        found, self.presses = self.presses, 0
        return found


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("steps")
    project = make_project(folder / "project", DAY, **{"attractor.toml": SETTINGS})
    with serving(service_of(project)) as running:
        yield running


@pytest.fixture
def page(server: RunningServer) -> Iterator[Page]:
    with chromium() as screen:
        code = server.service.access.codes.create()
        screen.page.goto(f"{server.url}/login?code={code}&here=1")
        yield screen.page


def test_tasks_of_a_day_take_few_presses(page: Page) -> None:
    ann = Counting()
    ann.press(page.get_by_role("link", name="Start a run"))
    ann.press(page.get_by_role("button", name="Start the run"))
    expect(page.get_by_role("heading", name="Ship it to main?")).to_be_visible()
    assert ann.counted() == 2
    # The last output of a tool, before a question and on the page of its stage.
    expect(page.get_by_role("figure")).to_contain_text("12 tests pass")
    ann.press(page.locator("#timeline").get_by_role("link", name="make"))
    expect(page.locator("#stage").get_by_text("12 tests pass")).to_be_visible()
    assert ann.counted() == 1
    page.get_by_role("textbox", name="Reason").fill("the tests pass")
    ann.press(page.locator("#question button[name=choice]").first)
    expect(page.locator("#head-notices")).to_contain_text("last failed: its last lines")
    expect(page.locator("#head-notices pre")).to_have_text("it is broken")
    assert ann.counted() == 1
    ann.press(page.get_by_role("button", name="Retry from last"))
    expect(page.get_by_text(re.compile("Forked from run .* before last@1"))).to_be_visible()
    assert ann.counted() == 1
