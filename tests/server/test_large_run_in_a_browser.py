"""The page of a run of 200 nodes in 20 branches, in Chromium: its graph, timeline and updates.

Set SCREENSHOTS to a folder to keep a picture in each look.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from tests.browsers import Screen, chromium
from tests.counts import IS_FULL
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.runs import UNTIL_GO, await_rest, await_status, start
from tests.server.test_whole_way import LOOKS, Axe

LANES, EACH = 20, 10
MOST_BYTES = 10_000
"""The size of an update of the page."""

NAMES = [[f"b{lane:02}_{at}" for at in range(EACH)] for lane in range(LANES)]
WAITS = "b07_4"
LONG = UNTIL_GO.replace("timeout 60", "timeout 600")
SOURCE = f"""digraph large {{ graph [goal="Many branches"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    fork [shape=component, max_parallel=3]; join [shape=tripleoctagon]
    node [shape=parallelogram, tool_command="sleep 0.1"]
    {WAITS} [tool_command="echo waits; {LONG}"]
    start -> fork; {" ".join(f"fork -> {' -> '.join(names)} -> join;" for names in NAMES)}
    join -> last -> exit }}
"""
SMALLEST = """Math.min(...[...canvas.querySelectorAll("text")].map((one) =>
    parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a))"""
CUT = """[...document.querySelectorAll("#timeline summary .name > span:last-child")]
    .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("large")
    with serving(
        service_of(make_project(folder / "project", **{"attractor.toml": SETTINGS}))
    ) as running:
        yield running


@pytest.fixture(scope="module")
def screen(server: RunningServer) -> Iterator[Screen]:
    with chromium() as screen:
        screen.page.goto(f"{server.url}/login?code={server.service.access.codes.create()}")
        yield screen


@pytest.fixture(scope="module")
def run(server: RunningServer, screen: Screen) -> Iterator[str]:
    """A run of which one branch waits; the page was open while all others went on."""
    sizes: list[int] = []

    def note(answer: Response) -> None:
        if "fragment=head" in answer.url or "graph" in answer.url.partition("fragment=")[2]:
            sizes.append(len(answer.body()))

    page = screen.page
    page.set_viewport_size({"width": 1280, "height": 900})
    with server.client("operate") as client:
        name = start(client, SOURCE)
        page.goto(f"{server.url}/runs/{name}")
        page.on("response", note)
        expect(row(page, "b00_0")).to_contain_text("10 of 10")
        # While the page gets no answers, many changes gather; no event comes after them.
        page.route("**/*fragment=*", lambda route: route.abort())
        browser = page.context.browser
        assert browser
        with browser.new_context(storage_state=page.context.storage_state()) as context:
            other = context.new_page()
            other.goto(page.url)
            expect(row(other, "b19_0")).to_contain_text("10 of 10")
        await_status(client, name, lambda one: len(one["at_work"]) == 2)
        page.unroute_all()
        for number in {*range(LANES)} - {7}:
            expect(row(page, f"b{number:02}_0")).to_contain_text("10 of 10")
        expect(row(page, "b07_0")).to_contain_text(re.compile(r"in flight\s+4 of 10"))
        expect(lane(page, "fork/")).to_have_attribute("aria-label", re.compile("19 of 20 ended"))
        assert len(sizes) > 1
        # On a slow machine, one of them tells many changes.
        assert median(sizes) < MOST_BYTES, sizes
        page.remove_listener("response", note)
        yield name
        (server.service.project.root / "go").touch()
        await_rest(client, name)


def lane(page: Page, name: str) -> Locator:
    return page.locator(f'#canvas a[data-node="{name}"]')


def row(page: Page, name: str) -> Locator:
    return page.locator(f'#graph tr:has(a[data-node="{name}"])')


def test_only_changed_nodes_travel_and_branches_are_rows(run: str, screen: Screen) -> None:
    page, nodes = screen.page, screen.page.locator("#canvas a[data-node]")
    expect(nodes).to_have_count(6)
    expect(page.locator("#graph tbody tr")).to_have_count(LANES)
    # A stage in a branch is found in its row, and Enter draws the branch beside the others.
    page.keyboard.press("/")
    page.keyboard.type("b03_7")
    expect(page.locator("#graph-found")).to_have_text("1 found")
    page.keyboard.press("Enter")
    expect(lane(page, "b03_7")).to_have_class("found")
    expect(nodes).to_have_count(6 + EACH)
    expect(lane(page, "fork/")).to_have_attribute("aria-label", re.compile("18 of 19 ended"))
    page.locator("#graph-search").fill("")
    page.get_by_role("link", name="Hide b03_0").click()
    expect(nodes).to_have_count(6)
    page.get_by_role("link", name="b07_0", exact=True).click()
    expect(page.locator("#stage-title")).to_have_text(WAITS)


def test_graph_fits_zooms_drags_searches_follows_turns_and_unfolds(
    run: str, server: RunningServer, screen: Screen
) -> None:
    page = screen.page
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{server.url}/runs/{run}")
    canvas, zoom, nodes = page.locator("#canvas"), page.locator("#zoom"), "#canvas a[data-node]"
    lane(page, "fork/").press("Enter")
    expect(page.locator(nodes)).to_have_count(LANES + 5)
    page.keyboard.press("0")
    # What can be read does not fit: the map shows the whole, and leads to each part.
    assert page.evaluate(SMALLEST) >= 11
    chart = page.locator("#map").bounding_box()
    assert chart
    page.mouse.click(chart["x"] + chart["width"] - 2, chart["y"] + chart["height"] / 2)
    assert canvas.evaluate("one => one.scrollLeft + one.clientWidth >= one.scrollWidth - 2")
    for _ in range(12):
        page.keyboard.press("+")
    expect(zoom).to_have_text("200 %")
    canvas.hover()
    page.mouse.wheel(0, 100)
    page.wait_for_function("() => scrollY > 0 || canvas.scrollTop > 0")
    expect(zoom).to_have_text("200 %")
    page.keyboard.down("Control")
    for _ in range(30):
        page.mouse.wheel(0, 100)
    page.keyboard.up("Control")
    expect(zoom).to_have_text("25 %")
    for _ in range(5):
        page.keyboard.press("+")
    # A drag moves the graph, and its end on a folded branch is no click.
    canvas.evaluate("one => one.scrollTo(0, 0)")
    box = canvas.locator("a[data-look]").nth(2).bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    left, address = canvas.evaluate("one => one.scrollLeft"), page.url
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 150, y, steps=5)
    page.mouse.up()
    assert canvas.evaluate("one => one.scrollLeft") == pytest.approx(left + 150, abs=2)
    page.wait_for_timeout(500)
    assert page.url == address
    # A stage in a folded branch is found, and Enter unfolds its branch.
    page.keyboard.press("/")
    page.keyboard.type("b03_7")
    expect(page.locator("#graph-found")).to_have_text("1 found")
    expect(canvas.locator("a.found")).to_have_attribute("data-node", "b03_0")
    page.keyboard.press("Enter")
    expect(lane(page, "b03_7")).to_have_class("found")
    expect(page.locator(nodes)).to_have_count(LANES + 4 + EACH)
    page.get_by_role("link", name="Fold the branch of b03_0").press("Enter")
    expect(page.locator(nodes)).to_have_count(LANES + 5)
    # An unfolded branch stays in view, in the same zoom, and keeps the focus.
    page.locator("#zoom-in").click()
    before = zoom.text_content()
    lane(page, "b05_0").press("Enter")
    expect(lane(page, "b05_9")).to_be_visible()
    expect(zoom).to_have_text(before or "")
    expect(lane(page, "b05_0")).to_be_focused()
    expect(lane(page, "b05_0")).to_be_in_viewport()
    lane(page, "b05_9").press("Enter")
    expect(page.locator("#stage-title")).to_have_text("b05_9")
    assert "open=b05_0" in page.url
    page.get_by_role("link", name="Draw left to right").click()
    expect(page.get_by_role("link", name="Draw top down")).to_be_visible()
    page.get_by_role("link", name="Fold branches", exact=True).click()
    page.get_by_role("button", name="Follow what runs").click()
    middle = "one => { const [a, b] = [one, canvas].map((each) => each.getBoundingClientRect());"
    middle += " return Math.abs(a.x + a.width / 2 - b.x - b.width / 2) < b.width / 2; }"
    assert lane(page, "b07_0").evaluate(middle)
    page.get_by_role("button", name="Follow what runs").click()
    # Rows of branches are folded, and name their node first.
    page.goto(f"{server.url}/runs/{run}")
    rows = page.locator("#timeline-rows > li:has(> details)")
    expect(rows).to_have_count(LANES)
    expect(rows.first.locator("summary .name")).to_contain_text("b00_0 10 attempts")
    expect(rows.first.get_by_role("link", name="b00_9")).to_be_hidden()
    rows.first.locator("summary").click()
    expect(rows.first.get_by_role("link", name="b00_9")).to_be_visible()


def test_two_fingers_zoom_the_graph_and_not_the_page(
    run: str, server: RunningServer, screen: Screen
) -> None:
    browser = screen.page.context.browser
    assert browser
    with browser.new_context(
        storage_state=screen.page.context.storage_state(),
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    ) as phone:
        page = phone.new_page()
        page.goto(f"{server.url}/runs/{run}")
        expect(page.locator("#zoom")).to_have_text("92 %")
        page.locator("#canvas").scroll_into_view_if_needed()
        fingers: Any = phone.new_cdp_session(page)
        box = page.locator("#canvas").bounding_box()
        assert box
        middle, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for distances, zoom in (((30, 60, 90), "200 %"), ((150, 60, 10), "25 %")):
            for number, apart in enumerate(distances):
                points = [{"x": middle - apart, "y": y}, {"x": middle + apart, "y": y}]
                kind = "touchMove" if number else "touchStart"
                fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
            expect(page.locator("#zoom")).to_have_text(zoom)
        assert page.evaluate("visualViewport.scale") == 1


def test_page_looks_right_and_has_no_violation_of_axe(
    run: str, server: RunningServer, screen: Screen
) -> None:
    """At small counts, each view is checked in one of the looks."""
    page, faults = screen.page, list[str]()
    folder = os.environ.get("SCREENSHOTS", "")
    for number, view in enumerate(("?direction=LR", "", "?fold=none")):
        for look in [*LOOKS] if IS_FULL or folder else [[*LOOKS][number]]:
            width, scheme = LOOKS[look]
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
            page.goto(f"{server.url}/runs/{run}{view}")
            expect(page.locator("#graph-tools")).to_be_visible()
            if folder:
                page.screenshot(
                    full_page=True, path=Path(folder) / f"large{view.replace('?', '-')}-{look}.png"
                )
            found = Axe().run(page).response
            faults += [
                f"{view} {look} {one['id']}: {one['nodes'][0]['html']}"
                for one in found["violations"]
            ]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"{view}: wider than {width} pixels")
            faults += [f"{view} {look}: cut: {name}" for name in page.evaluate(CUT)]
    assert faults == []
