"""The page of an actor in Chromium: its stage at work, its changes, and remarks on their lines."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from attractor.worlds.actors import Actor
from attractor.worlds.dimensions import add_dimension
from attractor.worlds.messages import Sender, SenderKind
from attractor.worlds.orders import spawn
from tests.browsers import browser
from tests.pipeline.projects import make_project
from tests.server.conftest import SETTINGS, RunningServer, service_of, serving
from tests.server.test_pages_in_a_browser import look_at

ANN = Sender(SenderKind.PERSON, "ann")
BUILD = """digraph build {
  start [shape=Mdiamond]; done [shape=Msquare]
  make [shape=parallelogram, tool_command="echo '<i>compiled</i> 3 of 9'; sleep 60"]
  start -> make -> done
}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of a project with an actor at work, which has changed two files."""
    project = make_project(tmp_path / "project", BUILD, **{"attractor.toml": SETTINGS})
    service = service_of(project)
    dimension = asyncio.run(add_dimension(service.opened, "try"))
    folder = Path(dimension.folder)
    (folder / "readme.txt").write_text("one\n<b>two</b>\n")
    (folder / "new.py").write_text('def add(a, b):\n    return "a" + b\n')
    actor = Actor(
        name="one",
        spawner=ANN,
        created=service.opened.now(),
        pipeline=str(project / "pipeline.dot"),
        backend="simulate",
        sandbox="none",
    )
    # No token is made while a stage runs without a sandbox.
    with serving(service) as running, running.client() as client:
        spawn(actor, "build <i>it</i>", service.opened, "try")
        yield running
        client.post(f"/api/v1/actors/{service.project_id}/one/stop")


def page_of(server: RunningServer, started: Browser, *, script: bool) -> Page:
    page = started.new_context(java_script_enabled=script).new_page()
    page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&here=1")
    page.goto(f"{server.url}/actors/{server.service.project_id}/one")
    return page


def test_remarks_are_written_beside_lines_and_sent_as_one(server: RunningServer) -> None:
    with browser() as started:
        plain = page_of(server, started, script=False)
        write(plain, "readme.txt:2", "<i>why</i>?")
        write(plain, "new.py:2", "gone")
        write(plain, "new.py:1", "name the types")
        page = page_of(server, started, script=True)
        expect(page.get_by_label("Output of make@1")).to_have_text("<i>compiled</i> 3 of 9")
        [stage] = server.service.project.runs_dir.glob("*/make")
        record = {"kind": "ASSISTANT_TEXT_END", "text": "<i>reads</i> the files"}
        (stage / "transcript.jsonl").write_text(f"{json.dumps(record)}\n")
        # What an agent says comes without a reload.
        expect(page.get_by_text("<i>reads</i> the files")).to_be_visible()
        expect(page.locator("tr.remark").filter(has_text="<i>why</i>?")).to_be_visible()
        [readme] = server.service.project.root.parent.glob("*.worktrees/try/readme.txt")
        readme.write_text("one\nthree\n")
        page.reload()
        stale = page.locator(".body.remark").filter(has_text="stale")
        expect(stale).to_contain_text("readme.txt:2")
        page.get_by_role("link", name="Remark on new.py:2").click()
        expect(page.get_by_role("textbox", name="Remark on new.py:2")).to_be_focused()
        assert look_at(page, "actor-remarks", page.url.partition("#")[0]) == []
        page.get_by_role("link", name="Cancel").click()
        page.get_by_role("button", name="Remove the remark on new.py:2").click()
        page.get_by_role("button", name="Send 2 remarks").click()
        sent = page.locator("#messages .body").filter(has_text="2 remarks on your changes")
        expect(sent).to_contain_text("readme.txt:2 (stale: this line has changed since)")
        expect(page.locator(".remark")).to_have_count(0)


def write(page: Page, place: str, words: str) -> None:
    page.get_by_role("link", name=f"Remark on {place}").click()
    page.get_by_role("textbox", name=f"Remark on {place}").fill(words)
    page.get_by_role("button", name="Add remark").click()
    expect(page.locator(".body.remark").filter(has_text=words)).to_be_visible()
