"""Retry of a failed run, and the start of a run, in Chromium: by mouse and by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import chromium
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.people import Person, WithKeyboard, WithMouse
from tests.server.runs import UNGUARDED, await_rest
from tests.server.test_run_status_in_a_browser import look_at
from tests.tables import table

FAILING = """digraph failing { graph [goal="Test it"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    build [shape=parallelogram, tool_command="true"]
    test  [shape=parallelogram, max_retries=0, tool_command="echo broken; exit 3"]
    start -> build -> test -> exit }"""


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
        sent = {"file": "pipeline.dot", **UNGUARDED}
        run = client.post("/api/v1/runs", json=sent).json()["id"]
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
    page.get_by_role("link", name="Retry with changes…").click()
    expect(page.get_by_label("Goal")).to_have_value("Test it")
    look_at(page, "fork")


OTHER = """digraph asking { graph [goal="Ask", inputs="who:str"]
    start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"""


@people
def test_run_is_started_by_two_buttons_and_another_pipeline_shows_its_inputs(
    server: RunningServer, page: Page, failed: str, person: Person
) -> None:
    server.service.project.root.joinpath("other.dot").write_text(OTHER)
    page.goto(f"{server.url}/runs")
    person.press(page.get_by_role("link", name="Start a run"))
    person.press(page.get_by_role("button", name="Start the run"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Test it")
    person.press(page.get_by_role("link", name="Run again"))
    expect(page.get_by_label("Goal")).to_have_value("Test it")
    page.get_by_label("Model").fill("typed")
    person.choose(page.get_by_label("Pipeline", exact=True), "other.dot")
    expect(page.get_by_label("who")).to_be_visible()
    expect(page.get_by_label("Goal")).to_have_value("Ask")
    expect(page.get_by_label("Model")).to_have_value("typed")
    expect(page.get_by_role("button", name="Show its inputs")).to_have_count(0)
    expect(page.locator("#file, #model").and_(page.locator(":focus"))).to_have_count(1)
    look_at(page, "start")
