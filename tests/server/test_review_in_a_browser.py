"""The review of a result in Chromium and without a script: read, approved and promoted.

Set SCREENSHOTS to a folder to keep a picture in each look.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from attractor.factory.open_project import OpenProject
from attractor.factory.resources.profiles import make_profile
from tests.browsers import Screen, chromium
from tests.factory.flows import HOLDOUT, REASON, Flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import git, make_project, open_project
from tests.scenarios.suites import write_suite
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.people import WithKeyboard

NASTY = "<img src=x onerror=alert(1)>.html"
BEFORE = '''"""Greets."""


def greet(name):
    """
    Say hello.
    """
    return "hello " + name
'''
CHANGE = f"""from pathlib import Path

Path("made.txt").write_text("made")
app = Path("src/app/greet.py")
text = app.read_text().replace("Say hello.", "Say hello to a person.")
app.write_text(text.replace("name)", "name: str) -> str").replace("-> str:", "-> str:", 1))
Path("src/app/long.py").write_text("".join(f"value_{{n}} = {{n}}\\n" for n in range(300)))
Path("docs").mkdir()
Path("docs/{NASTY}").write_text("<script>alert(2)</script>\\n")
"""
SOURCE = """digraph linear { graph [goal="Greet a person"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    make [shape=parallelogram, tool_command="python3 change.py"]
    start -> make -> exit }
"""
expect.set_options(timeout=15_000)


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    folder = tmp_path_factory.mktemp("review")
    files = {"attractor.toml": SETTINGS, "change.py": CHANGE, "src/app/greet.py": BEFORE}
    project = make_project(folder / "project", SOURCE, **files)
    git(project, "branch", "greeted")
    flow = Flow(project, OpenProject(open_project(project)))
    now = flow.machine.clock.now()
    suite = write_suite(folder / "suite", made=HOLDOUT.format(wanted="made"))
    register(flow.opened.suites, suite, now=now)
    profile = make_profile("lenient", ("isolation_unverified",))
    flow.opened.profiles.create(profile, by="ann", now=now)
    return flow


@pytest.fixture(scope="module")
def server(flow: Flow) -> Iterator[RunningServer]:
    with serving(service_of(flow.project)) as running:
        yield running


@pytest.fixture(scope="module")
def runs(flow: Flow) -> list[str]:
    """Runs that wait for a decision, with the verdict go; begun before the browser has a loop."""
    return [flow.launch().run_id for _ in range(5)]


@pytest.fixture(scope="module")
def screen(server: RunningServer, runs: list[str]) -> Iterator[Screen]:
    with chromium() as screen:
        screen.page.goto(f"{server.url}/login?code={server.service.access.codes.create()}")
        yield screen


@pytest.fixture
def address(server: RunningServer, runs: list[str], screen: Screen) -> str:
    """The address of a run that no other test decides on."""
    return f"{server.url}/runs/{runs.pop()}"


@pytest.fixture
def page(screen: Screen) -> Iterator[Page]:
    screen.page.set_viewport_size({"width": 1440, "height": 900})
    yield screen.page
    screen.page.goto("about:blank")
    said = [one for one in screen.said if not one.startswith("asks for")]
    screen.said.clear()
    assert said == []


def test_one_typed_token_approves_and_promotes_by_keyboard(
    flow: Flow, server: RunningServer, address: str, screen: Screen, page: Page
) -> None:
    token, keys = server.token("decide"), WithKeyboard()
    page.goto(f"{address}/decision")
    panel = page.get_by_role("region", name="Decide")
    keys.write(panel.get_by_label("Rationale"), REASON)
    keys.write(panel.get_by_label("Token"), "guessed")
    keys.press(panel.get_by_role("button", name="Approve"))
    expect(panel.get_by_label("Token")).to_be_focused()
    expect(panel.get_by_label("Token")).to_have_value("")
    expect(panel.get_by_label("Rationale")).to_have_value(REASON)
    # The browser reports the status of the refusal.
    screen.said.clear()
    page.keyboard.type(token)
    keys.press(panel.get_by_role("button", name="Approve"))
    expect(panel.get_by_text("Approved by ann-decide")).to_be_visible()
    expect(panel).to_be_focused()
    assert token not in page.content()
    assert token not in str(page.context.storage_state())
    keys.press(panel.get_by_role("button", name="Promote"))
    expect(panel.get_by_text("main is now")).to_be_visible()
    assert git(flow.project, "show", "main:made.txt") == "made"
    page.reload()
    page.get_by_text("Roll back").click()
    expect(panel.get_by_label("Token")).to_have_value("")


def test_form_is_in_view_beside_all_diffs_and_one_press_away_on_a_phone(
    address: str, page: Page
) -> None:
    page.goto(f"{address}/decision")
    approve = page.get_by_role("button", name="Approve")
    page.mouse.wheel(0, 100_000)
    page.wait_for_function("scrollY > 1000")
    expect(approve).to_be_in_viewport()
    expect(page.get_by_role("link", name="Approve…")).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/decision")
    expect(approve).not_to_be_in_viewport()
    page.get_by_role("link", name="Approve…").click()
    expect(approve).to_be_in_viewport(ratio=1)
    approve.click(trial=True)


def test_form_that_does_not_reach_the_server_keeps_what_was_typed(
    server: RunningServer, address: str, screen: Screen, page: Page
) -> None:
    page.goto(f"{address}/decision")
    panel = page.get_by_role("region", name="Decide")
    panel.get_by_label("Rationale").fill(REASON)
    panel.get_by_label("Token").fill(server.token("decide"))
    page.route("**/decision", lambda route: route.abort())
    panel.get_by_role("button", name="Reject").click()
    expect(panel.get_by_role("alert")).to_contain_text("The server does not answer")
    screen.said.clear()
    page.unroute_all()
    panel.get_by_role("button", name="Reject").click()
    expect(panel.get_by_text("Rejected by ann-decide")).to_be_visible()


def test_decision_is_made_with_one_form_without_a_script(
    server: RunningServer, address: str, screen: Screen
) -> None:
    browser = screen.page.context.browser
    assert browser
    with browser.new_context(
        java_script_enabled=False, storage_state=screen.page.context.storage_state()
    ) as plain:
        page = plain.new_page()
        page.goto(f"{address}/decision")
        page.get_by_label("Rationale").fill(REASON)
        page.get_by_label("Token").fill(server.token("decide"))
        page.get_by_label("If approved, also promote to").check()
        page.get_by_label("Branch").fill("greeted")
        page.get_by_role("button", name="Approve").click()
        expect(
            page.get_by_text(re.compile("Approved by ann-decide.* greeted is now"))
        ).to_be_visible()
