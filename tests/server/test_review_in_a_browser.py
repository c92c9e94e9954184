"""The review of a result in Chromium and without a script: read, approved and promoted.

Set SCREENSHOTS to a folder to keep a picture in each look.
"""

import json
import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from attractor.config.settings import BackendsSettings, ProgramSettings
from attractor.factory.open_project import OpenProject
from attractor.factory.resources.profiles import make_profile
from tests.browsers import Screen, chromium
from tests.cli.test_judging import call
from tests.counts import IS_FULL
from tests.factory.flows import HOLDOUT, REASON, Flow
from tests.factory.resources.stores import register
from tests.pipeline.projects import adjusted, git, make_project, open_project
from tests.scenarios.suites import write_suite
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.people import WithKeyboard
from tests.server.test_whole_way import LOOKS, Axe

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
Path(".venv").mkdir()
Path(".venv/made.txt").write_text("ignored")
Path("docs").mkdir()
Path("docs/{NASTY}").write_text("<script>alert(2)</script>\\n")
"""
AGENT = """python3 change.py && echo Done.
echo '{"outcome": "success"}' > $ATTRACTOR_STATUS_FILE
"""
SOURCE = """digraph linear { graph [goal="Greet a person"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    make [prompt="Make it", receipt="grep -q person src/app/greet.py"]
    start -> make -> exit }
"""


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    folder = tmp_path_factory.mktemp("review")
    files = {
        "attractor.toml": SETTINGS,
        "agent.sh": AGENT,
        ".gitignore": ".venv/\n",
        "change.py": CHANGE,
        "src/app/greet.py": BEFORE,
    }
    project = make_project(folder / "project", SOURCE, **files)
    git(project, "branch", "greeted")
    backends = BackendsSettings(command=ProgramSettings(run="bash agent.sh"))
    flow = Flow(project, OpenProject(adjusted(open_project(project), backends=backends)))
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
    return [flow.launch(backend="command").run_id for _ in range(4)]


@pytest.fixture(scope="module")
def judged(flow: Flow, runs: list[str]) -> tuple[str, str]:
    """The gate of the first run as text and as JSON; asked before the browser has a loop."""
    return call(flow, "gate", runs[0]).stdout, call(flow, "gate", runs[0], "--json").stdout


@pytest.fixture(scope="module")
def screen(server: RunningServer, runs: list[str], judged: tuple[str, str]) -> Iterator[Screen]:
    with chromium() as screen:
        screen.page.goto(f"{server.url}/login?code={server.service.access.codes.create()}")
        yield screen


@pytest.fixture
def address(server: RunningServer, runs: list[str], screen: Screen) -> str:
    """The address of a run that waits for a decision."""
    return f"{server.url}/runs/{runs[0]}"


@pytest.fixture
def undecided(server: RunningServer, runs: list[str], screen: Screen) -> str:
    """The address of a run that no other test looks at or decides on."""
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
    flow: Flow, server: RunningServer, undecided: str, screen: Screen, page: Page
) -> None:
    token, keys = server.token("decide"), WithKeyboard()
    page.goto(f"{undecided}/decision")
    panel = page.get_by_role("region", name="Decide")
    keys.write(panel.get_by_label("Rationale"), REASON)
    for _ in range(2):
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
    keys.press(page.get_by_text("Show their titles"))
    keys.press(page.get_by_role("button", name="Show", exact=True))
    expect(page.get_by_role("region", name="Hidden scenarios")).to_be_focused()
    expect(page.get_by_role("cell", name="It is made")).to_be_visible()
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


def test_receipts_are_listed_with_the_files_on_which_they_depend(
    judged: tuple[str, str], address: str, page: Page
) -> None:
    page.goto(f"{address}/decision")
    panel = page.get_by_role("region", name="Receipts")
    row = panel.get_by_role("row").filter(has_text="make@1")
    expect(row.get_by_role("cell")).to_contain_text(
        ["make@1", "grep -q person src/app/greet.py", "0", re.compile("[0-9a-f]{12}"), "s"]
    )
    expect(panel.get_by_role("listitem")).to_have_text(["src/app/greet.py", ".venv"])
    expect(panel).to_contain_text("Ignored files such as .venv are in no tree")
    text, record = judged
    [line, *more] = [one.strip() for one in text.splitlines() if "receipt" in one]
    assert line.startswith("receipt of make@1: grep -q person src/app/greet.py: exit status 0 (")
    assert more == ["changed files that a receipt depends on: src/app/greet.py"]
    found = json.loads(record)["receipts"]
    assert (found["touched"], found["ignored"]) == (["src/app/greet.py"], [".venv"])
    assert found["taken"][0]["is_of_result"]


def test_viewed_file_is_folded_and_stays_so_until_its_content_changes(
    address: str, page: Page
) -> None:
    page.goto(f"{address}/changes")
    tree = page.get_by_role("navigation", name="Changed files")
    expect(tree.get_by_role("link")).to_have_text([NASTY, "greet.py", "long.py", "made.txt"])
    expect(tree.get_by_text("src/app/")).to_be_visible()
    code = page.get_by_role("region", name="Changes of src/app/greet.py")
    page.get_by_label("Viewed src/app/greet.py").press("Space")
    expect(code).to_be_hidden()
    for place in ("changes", "decision"):
        page.goto(f"{address}/{place}")
        expect(code).to_be_hidden()
        expect(page.get_by_text("1 of 4 viewed")).to_be_visible()
    tree.get_by_role("link", name="greet.py").click()
    expect(code).to_be_in_viewport()
    page.get_by_label("Viewed src/app/greet.py").uncheck()
    expect(page.get_by_text("0 of 4 viewed")).to_be_visible()
    page.get_by_label(f"Viewed docs/{NASTY}").check()
    marks = "JSON.parse(localStorage.getItem('viewed'))"
    run = address.rpartition("/")[2]
    assert re.fullmatch(f"{run}/[0-9a-f]{{16}}", page.evaluate(f"{marks}.join()"))
    page.evaluate("localStorage.setItem('viewed', '{')")
    page.reload()
    expect(page.get_by_text("0 of 4 viewed")).to_be_visible()


def test_changes_are_side_by_side_with_the_colours_of_the_language(
    address: str, page: Page
) -> None:
    page.goto(f"{address}/decision")
    page.get_by_role("link", name="Side by side").click()
    row = page.get_by_role("row").filter(has=page.locator("td.removed")).first
    expect(row.locator("td")).to_have_text(
        ["4", "−", "def greet(name):", "4", "+", "def greet(name: str) -> str:"]
    )
    colours = row.locator(".added .nf, .removed .nf, .added .n").evaluate_all(
        "all => all.map(one => getComputedStyle(one).color)"
    )
    assert len({*colours}) > 1
    expect(page.locator("form[aria-label=Decide]")).to_have_attribute(
        "action", re.compile("view=split$")
    )
    page.get_by_role("link", name="One column").click()
    expect(page.locator(".split-diff")).to_have_count(0)


def test_review_looks_right_and_has_no_violation_of_axe(address: str, page: Page) -> None:
    """At small counts, each page is checked in one of the themes."""
    folder, faults = os.environ.get("SCREENSHOTS", ""), list[str]()
    views = ("decision", "decision?view=split", "changes", "changes?view=split")
    for number, view in enumerate(views):
        for look in [*LOOKS] if IS_FULL or folder else [[*LOOKS][number]]:
            width, scheme = LOOKS[look]
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
            page.goto(f"{address}/{view}")
            if folder:
                page.screenshot(path=f"{folder}/review-{view.replace('?', '-')}-{look}.png")
                page.locator("#changes").scroll_into_view_if_needed()
                page.locator(".changed").first.evaluate("one => one.scrollIntoView()")
                page.screenshot(path=f"{folder}/review-{view.replace('?', '-')}-{look}-diff.png")
            found = Axe().run(page).response["violations"]
            faults += [f"{view} {look} {one['id']}: {one['nodes'][0]['html']}" for one in found]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"{view} {look}: too wide")
    page.emulate_media(color_scheme="light")
    assert faults == []


def test_form_that_does_not_reach_the_server_keeps_what_was_typed(
    server: RunningServer, undecided: str, screen: Screen, page: Page
) -> None:
    page.goto(f"{undecided}/decision")
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
    server: RunningServer, undecided: str, screen: Screen
) -> None:
    browser = screen.page.context.browser
    assert browser
    with browser.new_context(
        java_script_enabled=False, storage_state=screen.page.context.storage_state()
    ) as plain:
        page = plain.new_page()
        page.goto(f"{undecided}/decision")
        page.get_by_label("Rationale").fill(REASON)
        page.get_by_role("region", name="Decide").get_by_label("Token").fill(server.token("decide"))
        page.get_by_label("If approved, also promote to").check()
        page.get_by_label("Branch").fill("greeted")
        page.get_by_role("button", name="Approve").click()
        expect(
            page.get_by_text(re.compile("Approved by ann-decide.* greeted is now"))
        ).to_be_visible()
