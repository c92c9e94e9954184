"""Checks of kind browser, in real Chromium; each start of Chromium takes about a second."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.base.clock import SystemClock
from attractor.base.installation import install_command
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.selection import choose_environment
from attractor.scenarios.check import CheckResult
from attractor.scenarios.checks.browser import BrowserCheck
from attractor.scenarios.chromium import explain_missing
from attractor.scenarios.play import ScenarioPlayer
from attractor.scenarios.suite import SuiteSettings
from tests.counts import IS_FULL
from tests.needs import needs, needs_bubblewrap
from tests.scenarios.test_play import SERVER, local, scenario
from tests.tables import table

needs_chromium = needs("chromium")
at_full_counts = pytest.mark.skipif(not IS_FULL, reason="at full counts only: Chromium is slow")
PORT = 18423
# The page adds a task a moment after the click, and tries every way out of the sandbox.
PAGE = """<!doctype html><input name=title><button>Add</button><ul></ul><p>out: </p><script>
document.querySelector("button").onclick = () => setTimeout(() => {
  const task = document.createElement("li")
  task.textContent = document.querySelector("input").value
  document.querySelector("ul").append(task)
}, 100)
const other = "127.0.0.1:OUTSIDE", said = document.querySelector("p")
new Image().src = `http://localhost:${other.split(":")[1]}/image`
navigator.sendBeacon(`http://${other}/beacon`, "x")
const blocked = name => () => { said.textContent += `${name} blocked ` }
new WebSocket(`ws://${other}/`).onerror = blocked("socket")
fetch(`http://${other}/`, { mode: "no-cors" }).then(() => {}, blocked("fetch"))
</script>"""


class Outsider:
    """A server of this machine that the page must not reach; it counts its connections."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._server.accept()[0].close()
            except OSError:
                return
            self.connections += 1

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def outsider() -> Iterator[Outsider]:
    server = Outsider()
    yield server
    server.close()


def check(**options: Any) -> dict[str, Any]:
    return {"kind": "browser", "port": PORT, "timeout": "60s", **options}


def visit(
    tmp_path: Path,
    outsider: Outsider,
    checks: Sequence[dict[str, Any]],
    *,
    sandbox: bool = False,
    page: str = PAGE,
) -> tuple[CheckResult, ...]:
    candidate = tmp_path / "candidate"
    candidate.mkdir()
    (candidate / "index.html").write_text(page.replace("OUTSIDE", str(outsider.port)))
    served = {"name": "serve", "service": SERVER.format(port=PORT), "port": PORT}

    async def run() -> tuple[CheckResult, ...]:
        make: Callable[[Path], ExecutionEnvironment] = local
        if sandbox:
            chosen = await choose_environment(
                "bubblewrap", environ=os.environ, hide=[], scratch=tmp_path
            )
            make = chosen.make
        player = ScenarioPlayer(
            SuiteSettings(name="s", pipeline=("p",)), Path(), make, SystemClock()
        )
        return (await player.play(scenario([served], checks), candidate)).checks

    return asyncio.run(run())


ALL_BLOCKED = "(socket|fetch) blocked (socket|fetch) blocked"
ADD = [{"fill": "input[name=title]", "text": "größe 🐍"}, {"click": "button"}]


ADDED = check(
    path="/index.html",
    actions=[*ADD, {"wait": "größe"}, {"open": "/"}, *ADD],
    matches=rf"^Add\s+größe 🐍\s+out: {ALL_BLOCKED}\s*$",
)


@needs_chromium
@pytest.mark.parametrize(
    "sandbox",
    [
        pytest.param(True, marks=needs_bubblewrap),
        pytest.param(False, marks=at_full_counts),
    ],
)
def test_browser_acts_as_a_person_and_reaches_only_the_service(
    tmp_path: Path, outsider: Outsider, sandbox: bool
) -> None:
    [added] = visit(tmp_path, outsider, [ADDED], sandbox=sandbox)
    assert (added.passed, added.reason) == (True, "the page is as expected")
    assert outsider.connections == 0


@needs_chromium
def test_missing_element_fails_the_check(tmp_path: Path, outsider: Outsider) -> None:
    absent = check(actions=[{"click": "button.missing"}], selector="li", timeout="3s")
    [missing] = visit(tmp_path, outsider, [absent])
    assert not missing.passed
    assert missing.reason.startswith("actions[0]: Locator.click: Timeout")


@needs_chromium
@at_full_counts
def test_closed_port_fails_the_check(tmp_path: Path, outsider: Outsider) -> None:
    closed = {"kind": "browser", "port": PORT + 1, "contains": "x", "timeout": "30s"}
    [refused] = visit(tmp_path, outsider, [closed])
    assert not refused.passed
    assert "ERR_CONNECTION_REFUSED" in refused.reason


@table(
    ("has_playwright", "chromium", "hint"),
    [
        (False, "/usr/bin/chromium", f"install the extra: {install_command(extra='browser')}"),
        (True, "", "install it (Debian: apt-get install chromium)"),
        (True, "/usr/bin/chromium", ""),
    ],
)
def test_missing_part_is_named_with_its_remedy(
    has_playwright: bool, chromium: str, hint: str
) -> None:
    missing = explain_missing(has_playwright=has_playwright, chromium=chromium)
    assert (missing.hint if missing else "") == hint


INCOMPLETE: list[dict[str, Any]] = [
    {},
    {"selector": "li", "actions": [{}]},
    {"selector": "li", "actions": [{"click": "a", "wait": "b"}]},
    {"selector": "li", "actions": [{"fill": "a"}]},
    {"selector": "li", "path": "index.html"},
]


@table("options", INCOMPLETE)
def test_incomplete_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"set |path"):
        BrowserCheck.model_validate({"port": 80, **options})


GOOD = """<!doctype html><html lang=en><title>Tasks</title><main><h1>Tasks</h1>
<button>Add</button></main></html>"""
BARRIER = GOOD.replace("<button>Add</button>", "<button></button>")
HIDES = """<script>
Array.prototype.map = () => []; window.Promise = undefined
Object.defineProperty(window, "axe", { value: { run: () => ({ violations: [] }) } })
JSON.stringify = () => "[]"
</script>"""
POLICY = "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">"
FRAME = """<iframe title=inner srcdoc='<html lang=en><title>x</title><main><button></button>
</main></html>'></iframe>"""
APART = FRAME.replace("<iframe", "<iframe sandbox=allow-scripts")
SILENT = FRAME.replace("<iframe", "<iframe sandbox")
BARE = "<iframe title=inner srcdoc='<p>words'></iframe>"
CLOSED = """<p id=host></p><script>
host.attachShadow({ mode: "closed" }).innerHTML = "<button></button>"
</script>"""
CLOSED_INSIDE = f'<iframe title=inner srcdoc="{CLOSED.replace(chr(34), "&quot;")}"></iframe>'
CONFUSING = "<form><input name=matches aria-label=match><button></button></form>"
HIDING = CONFUSING.replace("matches", "childNodes")
NARROW = """<style>@media (max-width: 500px) { h1 { display: none } }</style>"""


@needs_chromium
@pytest.mark.parametrize(
    ("page", "words"),
    [
        (GOOD, ""),
        (BARRIER, "button-name at button"),
        (BARRIER.replace("<main>", f"{HIDES}<main>"), "button-name at button"),
        (BARRIER.replace("<main>", f"{POLICY}<main>"), "button-name at button"),
        (GOOD.replace("</main>", f"{FRAME}</main>"), "button-name at button"),
        (GOOD.replace("</main>", f"{APART}</main>"), "button-name at button"),
        (GOOD.replace("</main>", f"{SILENT}</main>"), "button-name at button"),
        (GOOD.replace("</main>", f"{BARE}</main>"), ""),
        (GOOD.replace("</main>", f"{CLOSED}</main>"), "button-name at #host"),
        (GOOD.replace("</main>", f"{CLOSED_INSIDE}</main>"), "button-name at #host"),
        (GOOD.replace("</main>", f"{CONFUSING}</main>"), "axe failed: TypeError: "),
        (GOOD.replace("</main>", f"{HIDING}</main>"), "childNodes of input hides a form"),
    ],
    ids=[
        *("good", "barrier", "hides", "policy", "frame", "frame apart", "frame without scripts"),
        *("bare frame", "closed root", "closed root in a frame", "name of the DOM", "hidden"),
    ],
)
def test_barrier_is_found_whatever_the_page_does(
    tmp_path: Path, outsider: Outsider, page: str, words: str
) -> None:
    wanted = [check(path="/index.html", accessible=True)]
    [found] = visit(tmp_path, outsider, wanted, page=page)
    assert found.passed is not bool(words)
    assert words in found.reason


@needs_chromium
def test_page_is_visited_at_each_width_and_a_failure_names_it(
    tmp_path: Path, outsider: Outsider
) -> None:
    wanted = [check(path="/index.html", selector="h1", viewports=[1440, 390], timeout="1s")]
    [found] = visit(tmp_path, outsider, wanted, page=GOOD.replace("<main>", f"{NARROW}<main>"))
    assert not found.passed
    assert found.reason.startswith("at 390 pixels: selector 'h1'")
