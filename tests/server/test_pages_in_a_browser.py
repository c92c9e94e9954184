"""The pages of runs in Chromium: live, by mouse and by keyboard, quick, and safe."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import Screen, chromium
from tests.patience import is_soon, wait_until
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.runs import GATE, UNTIL_GO, await_rest, start
from tests.server.test_whole_way import LOOKS, Axe

PIPELINE = f"""digraph live {{ graph [goal="Watch me"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    plan [prompt="Plan: $goal"]
    wait [shape=parallelogram, tool_command="echo 'print(1)' > one.py; echo begun; {UNTIL_GO}"]
    ask  [shape=hexagon, label="Ship it?"]
    ship [shape=parallelogram, tool_command="echo shipped"]
    start -> plan -> wait -> ask
    ask -> ship [label="[S] Ship"]
    ask -> plan [label="[A] Again"]
    ship -> exit }}
"""
# Other work on this machine may slow the browser down.


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "workspaces").mkdir()
    settings = f'workspaces_dir = "{folder / "workspaces"}"\n{SETTINGS}'
    project = make_project(folder / "project", PIPELINE, **{"attractor.toml": settings})
    service = service_of(project)
    with serving(service, names=service.access.names_of("127.0.0.1", ())) as running:
        yield running


@pytest.fixture(scope="module")
def screen(server: RunningServer) -> Iterator[Screen]:
    """A browser that is signed in at the plain address, and under the name for browsers too."""
    with chromium() as screen:
        login = f"{server.url}/login?code={server.service.access.codes.create()}"
        screen.page.goto(f"{login}&here=1")
        yield screen


@pytest.fixture
def page(screen: Screen) -> Iterator[Page]:
    """The page of the browser; nothing is printed on its console."""
    screen.page.set_viewport_size({"width": 1280, "height": 900})
    yield screen.page
    screen.page.goto("about:blank")
    said = [one for one in screen.said if not one.startswith("asks for")]
    screen.said.clear()
    assert said == []


def node(page: Page, name: str, state: str) -> None:
    """Wait until a node of the graph has a state."""
    expect(page.locator(f'#canvas a[data-node="{name}"] .state-{state}')).to_be_visible()


def test_browser_signs_in_under_the_safe_name_or_at_the_plain_address(
    server: RunningServer,
) -> None:
    with chromium() as screen:
        page = screen.page
        page.goto(f"{server.url}/pipelines-of-nobody")
        safe = page.get_by_role("link", name="Sign in", exact=True)
        expect(safe).to_have_attribute("href", re.compile(r"^http://attractor-\w+\.localhost:"))
        page.goto(f"{server.url}/login?next=/suites&code={server.service.access.codes.create()}")
        assert re.fullmatch(r"http://attractor-\w+\.localhost:\d+/suites", page.url)
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        page.goto(f"{server.url}/suites")
        page.get_by_role("link", name="sign in here anyway").click()
        page.get_by_label("Or sign in with a token").fill(server.token("read"))
        page.get_by_role("button", name="Sign in").click()
        assert page.url == f"{server.url}/suites"


def test_run_is_started_watched_answered_and_forked_by_mouse(
    server: RunningServer, page: Page
) -> None:
    page.goto(server.url)
    page.get_by_role("link", name="Start a run").click()
    page.get_by_label("Goal").fill("Watch it")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Watch it")
    node(page, "wait", "running")
    expect(page.locator("[data-connection=live]")).to_be_visible()
    page.locator('#canvas a[data-node="plan"]').click()
    expect(page.locator("#stage-title")).to_have_text("plan")
    assert "/stages/plan" in page.url
    page.get_by_role("link", name="Prompt").click()
    expect(page.get_by_label("prompt")).to_have_text("Plan: Watch it")
    # The answer to the first step back comes too late.
    page.route("**/stages/plan?fragment=stage", lambda route: None)
    with page.expect_event("requestfailed"):
        page.go_back()
        page.go_back()
    page.unroute_all()
    expect(page.locator("#stage-title")).to_have_text("wait")
    # The output of a running command changes without an event.
    expect(page.get_by_label("Last output")).to_have_text("begun")
    let_go(server)
    page.get_by_role("button", name="Ship S").click()
    expect(page.get_by_role("status").filter(has_text="Answered ask: S")).to_be_visible()
    node(page, "ship", "done")
    node(page, "plan", "done")
    page.locator("#timeline").get_by_role("link", name="wait").click()
    page.get_by_role("link", name=re.compile(r"Changes \d")).click()
    expect(page.locator(".diff .added")).to_contain_text("print(1)")
    # On a phone, the button of the menu may be near either edge.
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#fork-menu summary").click()
    page.get_by_label("New run from before the stage").select_option("ship@1")
    page.get_by_role("button", name="Start the new run").click()
    expect(page.get_by_text("Forked from run")).to_be_visible()
    node(page, "ship", "done")
    assert not (server.service.project.root / "one.py").exists()


def let_go(server: RunningServer) -> None:
    """End the waiting stage of the run."""
    places = server.service.project.workspaces_dir

    def waiting() -> list[Path]:
        found = [one.parent for one in places.rglob("one.py")]
        return [one for one in found if not (one / "go").exists()]

    (wait_until(waiting)[0] / "go").touch()


def test_run_is_started_watched_and_answered_by_keyboard_alone(
    server: RunningServer, page: Page
) -> None:
    page.goto(server.url)
    press = page.keyboard.press
    press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    switch = page.get_by_label("Use keys without Ctrl or Alt")
    switch.press("Space")
    press("Escape")
    page.reload()
    press("s")
    expect(page).to_have_url(re.compile("/runs$"))
    page.get_by_role("button", name="Keys").press("Enter")
    switch.press("Space")
    press("Escape")
    press("s")
    expect(page.get_by_role("heading", level=1)).to_have_text("Start a run")
    tab_to(page, "Goal")
    page.keyboard.insert_text(" by keys")
    tab_to(page, "Start the run")
    press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("by keys")
    node(page, "wait", "running")
    press("x")
    assert focused(page) == "Reason"
    press("Escape")
    assert focused(page) == "Cancel…"
    let_go(server)
    expect(page.get_by_role("button", name="Ship S")).to_be_visible()
    tab_to(page, "ask: waits for a person")
    press("ArrowUp")
    assert focused(page).startswith("wait: done")
    press("Enter")
    expect(page.locator("#stage-title")).to_have_text("wait")
    page.wait_for_timeout(1000)  # a letter does not answer a question that has just appeared
    press("s")
    node(page, "ship", "done")
    expect(page.locator("#head .badge")).to_have_text("succeeded")


FAILING = f"""digraph failing {{ start [shape=Mdiamond]; exit [shape=Msquare]
    test [shape=parallelogram, max_retries=0,
        tool_command="seq 200; seq 300 303 >&2; {UNTIL_GO}; exit 3"]
    start -> test -> exit }}"""


def test_output_of_a_tool_stays_and_its_end_is_in_view_and_quoted_by_the_banner(
    server: RunningServer, page: Page
) -> None:
    go = server.service.project.root / "go"
    with server.client("operate") as client:
        run = start(client, FAILING)
        page.goto(f"{server.url}/runs/{run}")
        expect(page.locator(".tabs.inner li").first).to_have_text("Output")
        expect(page.get_by_role("region", name="Last output")).to_contain_text("200")
        go.touch()
        await_rest(client, run)
    go.unlink()
    printed = page.get_by_role("region", name="Both streams")
    expect(printed.locator("code").last).to_have_text("303")
    assert printed.evaluate("one => one.scrollHeight > one.clientHeight && one.scrollTop === 0")
    quoted = [str(one) for one in (*range(195, 201), *range(300, 304))]
    expect(page.get_by_label("Last lines of test")).to_have_text("\n".join(quoted))
    page.goto(f"{server.url}/runs/{run}/events")
    page.locator("#head").get_by_role("link", name="test").click()
    expect(page.locator(".tabs.inner [aria-current=page]")).to_have_text("Output")


def test_a_letter_answers_only_the_question_with_the_focus_and_new_cards_go_below(
    server: RunningServer, page: Page
) -> None:
    cards = page.locator("#list .question")
    with server.client("operate") as client:
        first = start(client, GATE, goal="First")
        await_rest(client, first)
        page.goto(f"{server.url}/runs")
        expect(page.locator("[data-connection=live]")).to_be_visible()
        form = page.locator(f'form[action="/runs/{first}/answer"]')
        mine = cards.filter(has=form)
        number = cards.count()
        # A click is lost if the list is drawn anew between its press and its release.
        page.locator("#list details").filter(has=form).evaluate("one => { one.open = true; }")
        mine.locator(".text").click()
        second = start(client, GATE, goal="Second")
        expect(cards).to_have_count(number + 1)
        expect(cards.last.locator("form")).to_have_attribute("action", f"/runs/{second}/answer")
        page.get_by_role("heading", level=1).click()
        page.keyboard.press("a")
        mine.locator(".text").click()
        page.wait_for_timeout(1000)
        page.keyboard.press("a")
        expect(page.get_by_role("status").filter(has_text="Answered ask: A")).to_be_visible()
        assert page.url.endswith(first)
        assert client.get(f"/pipelines/{second}").json()["questions"]
        # The next question replaces the answered one: a letter meant for the other does nothing.
        expect(page.locator("#question .question")).to_be_visible()
        page.keyboard.press("s")
        page.wait_for_timeout(300)
        assert client.get(f"/pipelines/{first}").json()["questions"]
        for run in (first, second):
            client.post(f"/pipelines/{run}/cancel", json={"why": "enough"})


def test_selected_runs_stay_selected_while_the_list_changes(
    server: RunningServer, page: Page
) -> None:
    with server.client("operate") as client:
        first = start(client, GATE, goal="Select me")
        await_rest(client, first)
        page.goto(f"{server.url}/runs")
        expect(page.locator("[data-connection=live]")).to_be_visible()
        page.get_by_label("Select Select me").check()
        second = start(client, GATE, goal="Leave me")
        expect(page.get_by_label("Select Leave me")).not_to_be_checked()
        expect(page.get_by_label("Select Select me")).to_be_checked()
        page.get_by_text("With the selected runs").click()
        page.get_by_role("button", name="Cancel them").click()
        expect(page.get_by_role("status").filter(has_text="Canceled 1 run.")).to_be_visible()
        client.post(f"/pipelines/{second}/cancel", json={"why": "enough"})


EDITED = PIPELINE.replace("wait -> ask", "wait -> nowhere // why?") + "\n" * 60
SHOWN = """() => [...document.querySelectorAll("#colours > div")].map((one) => one.textContent)
    .join("\\n") === document.getElementById("source").value"""


BROKEN = """digraph broken { graph [goal="A broken one"] // why?
    start [shape=Mdiamond]; exit [shape=Msquare] /* all */
    build [shape=parallelogram, tool_comand="make", timeout="five"]
    plan [prompt="Plan $goal", retry_target="nowhere", max_retries=3]
    start -> plan -> build -> exit }
"""
# axe skips the layer, which is hidden from screen readers.
CONTRAST = """() => {
    const light = (rgb) => rgb.match(/[0-9.]+/g).slice(0, 3).map((one) => one / 255)
        .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
        .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0.05);
    const behind = (one) => { const found = getComputedStyle(one).backgroundColor;
        return found === "rgba(0, 0, 0, 0)" ? behind(one.parentElement) : found; };
    const ratio = (one, part) => {
        const pair = [getComputedStyle(one, part).color, behind(one)].map(light);
        return Math.max(...pair) / Math.min(...pair); };
    const shown = [...document.querySelectorAll("#colours *")];
    return Math.min(...shown.flatMap((one) => [ratio(one, ""), ratio(one, "::after")])); }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_the_editor_have_contrast_and_the_problem_at_the_cursor_is_whole(
    server: RunningServer, page: Page, scheme: Literal["light", "dark"]
) -> None:
    server.service.project.root.joinpath("broken.dot").write_text(BROKEN)
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{server.url}/editor?file=broken.dot")
    expect(page.locator("#colours .error")).not_to_have_count(0)
    expect(page.locator("#colours .warning")).not_to_have_count(0)
    assert page.evaluate(CONTRAST) >= 4.5
    message = page.locator("#colours .error").first.get_attribute("data-problem")
    page.locator("#checked [data-line]").first.click()
    expect(page.locator("#cursor")).to_contain_text(f": {message}.")
    page.emulate_media(color_scheme="light")


def test_editor_has_colours_line_numbers_and_problems_in_place(
    server: RunningServer, page: Page
) -> None:
    server.service.project.root.joinpath("edited.dot").write_text(EDITED)
    address = f"{server.url}/editor?file=edited.dot"
    assert look_at(page, "editor", address) == []
    source, colours = page.get_by_label("DOT text"), page.locator("#colours")
    at = f"#colours > div:nth-child({EDITED[: EDITED.index('nowhere')].count(chr(10)) + 1})"
    expect(page.locator(at)).to_have_class("error")
    expect(page.locator(at)).to_have_attribute("data-problem", re.compile("nowhere"))
    expect(page.locator(f"{at} .c1")).to_have_text("// why?")
    assert "counter(line)" in colours.evaluate(
        "one => getComputedStyle(one.firstChild, '::before').content"
    )
    # A typed sign is in view at once, and what the server answers has the new problems.
    source.press("Control+Home")
    source.press_sequentially("// <b>&\n")
    assert page.evaluate(SHOWN)
    source.fill(EDITED.replace("nowhere", "ask"))
    assert page.evaluate(SHOWN)
    expect(page.locator("#checked")).not_to_contain_text("nowhere")
    expect(colours.locator(".error")).to_have_count(0)
    expect(colours.locator(".k").first).to_be_visible()
    assert page.evaluate(SHOWN)
    page.locator("#source").evaluate("one => one.scrollTo(0, 300)")
    page.wait_for_function("() => document.getElementById('colours').scrollTop === 300")
    source.fill(EDITED)


def test_editor_without_a_script_is_a_plain_text(server: RunningServer, screen: Screen) -> None:
    browser = screen.page.context.browser
    assert browser
    with browser.new_context(
        java_script_enabled=False, storage_state=screen.page.context.storage_state()
    ) as plain:
        page = plain.new_page()
        page.goto(f"{server.url}/editor")
        expect(page.get_by_label("DOT text")).to_have_value(re.compile("digraph new_pipeline"))
        expect(page.locator("#colours")).to_be_hidden()


def test_runs_and_the_output_of_a_tool_look_right_and_have_no_violation_of_axe(
    server: RunningServer, page: Page
) -> None:
    with server.client() as client:
        for goal in ("Ship it", "Ship it too"):
            await_rest(client, start(client, GATE, goal=goal))
        failed = start(client, FAILING.replace(UNTIL_GO, "true"), goal="Test a long goal " * 5)
        await_rest(client, failed)
    faults = look_at(page, "runs", f"{server.url}/runs")
    # Both runs ask the same, but no two landmarks have the same name.
    page.goto(f"{server.url}/attention")
    faults += [one["id"] for one in Axe().run(page).response["violations"]]
    faults += look_at(page, "output", f"{server.url}/runs/{failed}/stages/test")
    assert faults == []


def look_at(page: Page, name: str, address: str) -> list[str]:
    """Return what is wrong with a page in each look; in SCREENSHOTS, keep a picture of each."""
    faults: list[str] = []
    folder = os.environ.get("SCREENSHOTS", "")
    for look, (width, scheme) in LOOKS.items():
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
        page.goto(address)
        if folder:
            page.screenshot(path=f"{folder}/{name}-{look}.png", full_page=True)
        found = Axe().run(page).response["violations"]
        faults += [f"{look} {one['id']}: {one['nodes'][0]['html']}" for one in found]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            faults.append(f"{look}: too wide")
    return faults


def focused(page: Page) -> str:
    """Return the accessible name of the focused element, as far as the pages need it."""
    return page.evaluate(
        """() => { const one = document.activeElement;
        return one.getAttribute("aria-label") || one.labels?.[0]?.textContent.trim()
            || one.textContent.trim(); }"""
    )


def tab_to(page: Page, name: str) -> None:
    """Press Tab until an element with a name has the focus, which must be visible."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused(page).startswith(name):
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(f"{name} is not reached by Tab")


def test_graph_of_500_nodes_is_drawn_soon(server: RunningServer, page: Page) -> None:
    edges = [(at, at + 1) for at in range(497)]
    edges += [(at, min(497, at + 2 + at % 9)) for at in range(301)]
    text = "; ".join(f"n{one} -> n{other}" for one, other in edges)
    source = (
        "digraph big { start [shape=Mdiamond]; exit [shape=Msquare]; start -> n0; n497 -> exit;"
        f' node [shape=parallelogram, tool_command="true"]; {text} }}'
    )
    with server.client("operate") as client:
        run = start(client, source, workspace="none", sandbox="none")
        address = f"{server.url}/runs/{run}"
        # The graph is drawn once; every run of the pipeline uses this drawing.
        client.get(address, headers={"accept": "text/html"})
        client.post(f"/pipelines/{run}/cancel", json={"why": "enough"})
        await_rest(client, run)
    assert is_soon(lambda: seconds_until_drawn(page, address), floors=60)


def seconds_until_drawn(page: Page, address: str) -> float:
    begun = monotonic()
    page.goto(address)
    page.wait_for_function("() => document.querySelectorAll('#canvas g.node').length === 500")
    page.evaluate("new Promise(requestAnimationFrame)")
    return monotonic() - begun


def test_page_in_the_background_uses_no_connection(server: RunningServer, page: Page) -> None:
    page.goto(f"{server.url}/runs")
    expect(page.locator("[data-connection=live]")).to_be_visible()
    hide(page, True)
    wait_until(lambda: not server.service.events)
    with server.client() as client:
        run = start(
            client, "digraph { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit }"
        )
    hide(page, False)
    expect(page.locator(f'a[href="/runs/{run}"]').first).to_be_visible()


def test_header_reaches_the_edge_and_names_all_pages_on_a_phone(
    server: RunningServer, page: Page
) -> None:
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(f"{server.url}/system")
        box = page.locator("header.top").bounding_box()
        assert box
        assert box["width"] == page.evaluate("innerWidth")
        for name in ("System", "Keys ?"):
            entry = page.locator("header.top").get_by_text(name, exact=True).bounding_box()
            assert entry
            assert entry["x"] + entry["width"] <= width
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_page_without_a_stream_is_marked(server: RunningServer, page: Page) -> None:
    page.route("**/api/v1/events*", lambda route: route.fulfill(status=204))
    page.goto(f"{server.url}/runs")
    expect(page.locator("[data-connection=lost]")).to_be_visible()
    page.unroute_all()


def hide(page: Page, is_hidden: bool) -> None:
    """Let a page believe that a person opened or left another tab."""
    page.evaluate(
        """(value) => {
            Object.defineProperty(document, "hidden", { configurable: true, value });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )
