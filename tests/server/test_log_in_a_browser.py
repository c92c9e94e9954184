"""The output of a stage in Chromium and without a script: searched, linked, wrapped and kept.

Set SCREENSHOTS to a folder to keep a picture in each look.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import Screen, chromium
from tests.counts import IS_FULL
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.runs import ENDS, await_rest, start
from tests.server.test_whole_way import LOOKS, Axe

LINES = 4000
PROGRAM = rf"""import sys, time
print("<script>document.title = 'XSS'</script>", flush=True)
for number in range(1, {LINES}):
    print("\x1b[32mok\x1b[0m", number, "word" * 40 if number == {LINES - 2} else "")
    if number == 1234:
        print("\x1b[1;31merror: Something\x1b[0m <img src=x onerror=alert(1)> broke", flush=True)
        time.sleep(0.5)
        print("on the other stream", file=sys.stderr, flush=True)
        time.sleep(0.5)
styles = [*range(30, 38), *range(90, 98), *range(40, 48), *range(100, 108), 1, 2, 3, 4, 7, 9]
print(*(f"\x1b[{{style}}mstyle {{style}}\x1b[0m" for style in styles))
print("\x1b]0;title\x07\x1b[2KSOMETHING at the end")
sys.exit(1)
"""
SOURCE = f"""digraph printing {{ graph [goal="Print much"]; {ENDS}
    test [shape=parallelogram, max_retries=0, tool_command="python3 print.py"]
    start -> test -> exit }}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("log")
    files = {"attractor.toml": SETTINGS, "print.py": PROGRAM}
    with serving(service_of(make_project(folder / "project", **files))) as running:
        yield running


@pytest.fixture(scope="module")
def address(server: RunningServer) -> str:
    """The address of the only stage of a run that has printed much."""
    with server.client("operate") as client:
        run = start(client, SOURCE)
        await_rest(client, run)
    return f"{server.url}/runs/{run}/stages/test"


@pytest.fixture(scope="module")
def screen(server: RunningServer) -> Iterator[Screen]:
    with chromium() as screen:
        screen.page.goto(f"{server.url}/login?code={server.service.access.codes.create()}")
        yield screen


@pytest.fixture
def page(screen: Screen) -> Iterator[Page]:
    screen.page.set_viewport_size({"width": 1440, "height": 900})
    yield screen.page
    screen.page.goto("about:blank")
    said = [one for one in screen.said if not one.startswith("asks for")]
    screen.said.clear()
    assert said == []


def current(page: Page, text: str, number: int) -> None:
    """Wait until the marked line has a text and a number, and is in view."""
    line = page.locator(".log-line[aria-current]")
    expect(line).to_have_text(re.compile(f"^{number}{re.escape(text)}"))
    expect(line).to_be_in_viewport()


def test_text_is_found_by_keys_and_the_search_goes_on_with_n(address: str, page: Page) -> None:
    page.goto(address)
    frame = page.get_by_role("region", name="Both streams")
    expect(frame).to_contain_text("SOMETHING at the end")
    frame.click()
    page.keyboard.press("/")
    page.keyboard.type("something")
    page.keyboard.press("Enter")
    current(page, "error: Something <img src=x onerror=alert(1)> broke", 1236)
    expect(page.locator("#log-found")).to_have_text("line 1 of 2")
    expect(page.locator(".log-line mark")).to_have_text("Something")
    expect(page.locator(".log-line[aria-current] .ansi-red.ansi-bold")).to_have_text(
        "error: Something"
    )
    # The line of standard error is where it was printed.
    expect(page.locator("#L1237 code")).to_have_text("on the other stream")
    page.keyboard.press("n")
    current(page, "SOMETHING at the end", LINES + 4)
    page.keyboard.press("n")
    current(page, "error:", 1236)
    page.keyboard.press("N")
    current(page, "SOMETHING", LINES + 4)
    page.reload()
    current(page, "SOMETHING", LINES + 4)
    expect(page.get_by_label("Find in the output")).to_have_value("something")
    # Outside of the output, the key is that of the graph.
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("/")
    expect(page.get_by_label("Find a stage")).to_be_focused()


def test_link_to_a_line_opens_its_part_from_anywhere(address: str, page: Page) -> None:
    page.goto(address.partition("/stages")[0])
    expect(page.locator("#L2000")).to_have_count(0)
    page.goto(f"{page.url}#L2000")
    current(page, "ok 1997", 2000)
    page.locator("#L1990 > a").click()
    current(page, "ok 1987", 1990)
    assert re.search(r"/stages/test@1\.1\?tab=output&line=1990#L1990$", page.url)
    page.goto("about:blank")
    page.goto(f"{address}#L3")
    current(page, "ok 2", 3)
    expect(page.locator("#L300")).to_have_count(0)
    page.get_by_role("link", name="Later lines").click()
    expect(page.locator("#L300")).to_have_count(1)
    page.get_by_role("link", name="First error").click()
    current(page, "error: Something", 1236)
    expect(page.get_by_role("link", name="Earlier lines")).to_be_visible()


def test_lines_are_wrapped_or_not_and_a_stream_is_alone(address: str, page: Page) -> None:
    page.goto(address)
    frame = page.locator(".log [data-scroll]")
    is_wide = "one => one.scrollWidth > one.clientWidth"
    assert not frame.evaluate(is_wide)
    page.get_by_label("Wrap").uncheck()
    assert frame.evaluate(is_wide)
    page.reload()
    assert frame.evaluate(is_wide)
    page.get_by_role("link", name="Standard error").click()
    expect(page.get_by_role("region", name="Standard error")).to_have_text("1on the other stream\n")
    page.get_by_label("Wrap").check()
    assert page.evaluate("localStorage.getItem('wrap')") == "on"


def test_whole_output_is_a_file_with_a_name(address: str, page: Page) -> None:
    page.goto(address)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    run = address.split("/")[-3]
    assert download.value.suggested_filename == f"{run}-test@1.1-output.txt"
    text = Path(download.value.path()).read_text()
    assert text.startswith("<script>")
    assert text.endswith("\x1b]0;title\x07\x1b[2KSOMETHING at the end\n")


def test_output_reads_and_is_searched_without_a_script(address: str, screen: Screen) -> None:
    browser = screen.page.context.browser
    assert browser
    with browser.new_context(
        java_script_enabled=False, storage_state=screen.page.context.storage_state()
    ) as plain:
        page = plain.new_page()
        page.goto(address)
        page.get_by_label("Find in the output").fill("something")
        page.get_by_role("button", name="Find", exact=True).click()
        current(page, "error:", 1236)
        page.get_by_role("link", name="Next").click()
        current(page, "SOMETHING", LINES + 4)
        page.locator("#L3950 > a").click()
        assert page.url.endswith("#L3950")


def test_output_is_above_the_graph_on_a_phone(address: str, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    log, graph = page.locator(".log").bounding_box(), page.locator("#graph").bounding_box()
    assert log
    assert graph
    assert log["y"] + log["height"] < graph["y"]


def test_output_looks_right_and_has_no_violation_of_axe(address: str, page: Page) -> None:
    """At small counts, each view is checked in one of the themes."""
    folder, faults = os.environ.get("SCREENSHOTS", ""), list[str]()
    for number, view in enumerate(("?q=style", "?line=error")):
        for look in [*LOOKS] if IS_FULL or folder else [*LOOKS][number::3]:
            width, scheme = LOOKS[look]
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
            page.goto(f"{address}{view}")
            page.locator(".log").scroll_into_view_if_needed()
            if folder:
                page.screenshot(path=Path(folder) / f"log{view.replace('?', '-')}-{look}.png")
            found = Axe().run(page).response["violations"]
            faults += [f"{view} {look} {one['id']}: {one['nodes'][0]['html']}" for one in found]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                faults.append(f"{view} {look}: too wide")
    page.emulate_media(color_scheme="light")
    assert faults == []
