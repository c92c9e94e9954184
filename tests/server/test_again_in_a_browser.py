"""Retry of a failed run, and the start of a run, in Chromium: by mouse and by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import chromium
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.people import Person, WithKeyboard, WithMouse
from tests.server.runs import await_rest, start
from tests.server.test_run_status_in_a_browser import look_at
from tests.tables import table

FAILING = """digraph failing { graph [goal="Test it"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    build [shape=parallelogram, tool_command="true"]
    test  [shape=parallelogram, max_retries=0, tool_command="echo broken; exit 3"]
    start -> build -> test -> exit }"""
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("again")
    project = make_project(folder / "project", FAILING, **{"attractor.toml": SETTINGS})
    with serving(service_of(project)) as running:
        yield running


@pytest.fixture(scope="module")
def failed(server: RunningServer) -> str:
    """The id of a failed run."""
    with server.client() as client:
        run = start(client, FAILING)
        await_rest(client, run)
    return run


@pytest.fixture(scope="module")
def page(server: RunningServer) -> Iterator[Page]:
    with chromium() as screen:
        code = server.service.access.codes.create()
        screen.page.goto(f"{server.url}/login?code={code}&here=1")
        yield screen.page
        assert [one for one in screen.said if not one.startswith("asks for")] == []


people = table("person", [WithMouse(), WithKeyboard()])


@people
def test_failed_stage_is_retried_by_one_button_and_another_one_by_two(
    server: RunningServer, page: Page, failed: str, person: Person
) -> None:
    page.goto(f"{server.url}/runs/{failed}")
    person.press(page.get_by_role("button", name="Retry from test"))
    expect(page.get_by_text(f"Forked from run {failed} before test@1.")).to_be_visible()
    page.goto(f"{server.url}/runs/{failed}")
    person.press(page.locator("#timeline").get_by_role("link", name="build"))
    expect(page.locator("#stage-title")).to_have_text("build")
    expect(page.locator("#fork-at")).to_have_value("build@1")
    person.press(page.get_by_role("button", name="Retry from here"))
    expect(page.get_by_text(f"Forked from run {failed} before build@1.")).to_be_visible()


def test_head_of_a_failed_run_looks_right_and_has_no_violation_of_axe(
    server: RunningServer, page: Page, failed: str
) -> None:
    page.goto(f"{server.url}/runs/{failed}")
    look_at(page, "failed")
    page.locator("#fork-menu summary").click()
    look_at(page, "fork-menu")
