"""The page of a run of 200 nodes, of which 25 start and end each second, in Chromium."""

import gzip
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count as numbers
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, Response, expect

from attractor.engine.journal.events import StageCompleted, StageStarted
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.attempts import StageReference
from attractor.factory.decisions.lock import lock_run
from tests.browsers import Screen, chromium
from tests.counts import IS_FULL, count
from tests.patience import wait_until
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.runs import WAITING, start
from tests.server.test_run_status_in_a_browser import kill

NODES, EACH_S = 200, 25
SECONDS = count(ci=6, full=600)
LATE_S = 1.0 if IS_FULL else 60.0
"""How late a change may be shown; beside other tests, it may take longer."""

QUERIES = ("", "?whole=yes")
CHAIN = " -> ".join(f"n{number}" for number in range(NODES))
SOURCE = re.sub(
    r"start -> wait.*",
    f'start -> wait -> {CHAIN} -> last -> exit node [shape=parallelogram, tool_command="true"] }}',
    WAITING,
)
WATCH = """() => { window.shown = {};
    const note = () => { const now = (performance.timeOrigin + performance.now()) / 1000;
        for (const one of canvas.querySelectorAll("a[data-node]:has(.state-done)")) {
            const visits = one.textContent.match(/×([0-9]+)/)?.[1] ?? 1;
            shown[`${one.dataset.node} ${visits}`] ??= now; } };
    new MutationObserver(note).observe(canvas, {subtree: true, attributes: true, childList: true});
}"""

MISSING = "names => names.filter(one => !(one in shown))"


@pytest.fixture
def server(tmp_path: Any) -> Iterator[RunningServer]:
    project = make_project(tmp_path / "project", **{"attractor.toml": SETTINGS})
    with serving(service_of(project)) as running:
        yield running


class Busy:
    """Continues the journal of a killed run: one stage after the other starts and ends."""

    def __init__(self, run: OpenRun) -> None:
        self.ended: dict[str, float] = {}
        self._numbers = numbers()
        self._run = run

    def work(self, page: Page, seconds: float) -> None:
        """Write 50 events a second; the page goes on meanwhile."""
        began = time.monotonic()
        for turn in range(int(seconds * EACH_S)):
            due, number = began + turn / EACH_S, next(self._numbers)
            page.wait_for_timeout(max(0.0, due - time.monotonic()) * 1000)
            visit, name = number // NODES + 1, f"n{number % NODES}"
            at = StageReference(name, visit, 1)
            self._run.record(StageStarted(name, number), place=at)
            self._run.record(StageCompleted(name, number, "success", 0.01, ""), place=at)
            self.ended[f"{name} {visit}"] = time.time()
            if not number % NODES:
                self._run.save()

    def stop(self) -> None:
        self._run.close()


def test_busy_run_is_shown_in_time_in_small_updates_and_flat_memory(server: RunningServer) -> None:
    with server.client() as client, chromium() as screen:
        page, sizes, sent = screen.page, list[int](), list[int]()
        page.goto(f"{server.url}/login?code={server.service.access.codes.create()}")
        busy = begin(server, client)
        address = f"{server.url}/runs/{busy[0]}"
        page.goto(address)
        expect(page.locator("#canvas .attractor-drawing")).to_be_visible()
        page.on("response", lambda answer: note(answer, sizes, sent))
        page.evaluate(WATCH)
        heap: Any = page.context.new_cdp_session(page)
        try:
            # The first minute fills what the page keeps.
            busy[1].work(page, SECONDS / 6)
            before = heap_of(heap)
            busy[1].work(page, SECONDS)
            until = time.monotonic() + LATE_S
            while missing := page.evaluate(MISSING, [*busy[1].ended][-NODES:]):
                assert time.monotonic() < until, missing
                page.wait_for_timeout(100)
            shown = page.evaluate("shown")
            late = sorted(shown[name] - ended for name, ended in busy[1].ended.items())
            after = heap_of(heap)
            first, whole = (page.request.get(address + query).text() for query in QUERIES)
        finally:
            busy[1].stop()
        usual = late[len(late) * 99 // 100]
        large = sorted(sizes)[len(sizes) * 99 // 100]
        sys.stderr.write(
            f"99 % in {usual:.2f} s, last {late[-1]:.2f} s; 99 % of updates {large} bytes, sent at "
            f"most {max(sent)}; heap {before} to {after}; first HTML {len(first)}\n"
        )
        assert large < 10_000, sizes
        assert max(sent) < 10_000, sent
        assert after < 1.3 * before + 2_000_000, (before, after)
        assert len(first.encode()) < 80_000
        assert len(gzip.compress(first.encode(), 6)) < 20_000
        # Without scripts, links at the graph and at the timeline lead to the whole page.
        assert len(re.findall('href="[^"]*whole=yes"', first)) == 2
        assert [text.count('id="node-n199"') for text in (first, whole)] == [0, 1]
        # One row for each visit.
        assert ['id="row-n0-' in text for text in (first, whole)] == [False, True]
        assert first_paint(screen, address) < (1500 if IS_FULL else 10_000)
        # Last, because other work on the machine holds events up.
        assert usual < LATE_S, late[-10:]
        assert late[-1] < 2 * LATE_S, late[-10:]


def begin(server: RunningServer, client: httpx.Client) -> tuple[str, Busy]:
    """Kill a run that waits, and write its journal from there on."""
    run = start(client, SOURCE)
    wait_until(lambda: client.get(f"/pipelines/{run}").json()["stage"] == "wait")
    kill(client, run)
    wait_until(lambda: not client.get(f"/pipelines/{run}").json()["live"])
    return run, Busy(lock_run(server.service.root(run), server.service.opened))


def note(answer: Response, sizes: list[int], sent: list[int]) -> None:
    """Note how large an update is, and how many bytes of it are sent."""
    if "fragment=" in answer.url:
        with suppress(Exception):  # the page was left meanwhile
            sizes.append(len(answer.body()))
            sent.append(answer.request.sizes()["responseBodySize"])


def heap_of(session: Any) -> int:
    session.send("HeapProfiler.collectGarbage")
    return session.send("Runtime.getHeapUsage")["usedSize"]


def first_paint(screen: Screen, address: str) -> float:
    """Return the milliseconds to the first paint of a page on a slow phone."""
    browser = screen.page.context.browser
    assert browser
    with browser.new_context(
        storage_state=screen.page.context.storage_state(),
        viewport={"width": 390, "height": 844},
        is_mobile=True,
        has_touch=True,
    ) as phone:
        page = phone.new_page()
        session: Any = phone.new_cdp_session(page)
        slow = {"offline": False, "latency": 400, "downloadThroughput": 50_000}
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": 50_000})
        page.goto(address, wait_until="commit")
        page.wait_for_load_state()
        return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
