"""The form that starts a new run from a stage with another goal and other inputs."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

import httpx
import pytest

from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.server.processes.run_processes import PROGRAM
from attractor.server.service import Service
from tests.server.conftest import RunningServer, csrf_in, serving
from tests.server.runs import await_rest, start

ASKED = """digraph asked { graph [goal="Greet", inputs="who:str, times:int=3, mood:str=calm"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    greet [prompt="Greet ${inputs.who} ${inputs.times} times, ${inputs.mood}: $goal"]
    start -> greet -> exit }
"""


@pytest.fixture
def forked(service: Service) -> Iterator[tuple[RunningServer, httpx.Client, str]]:
    """A server, the browser of an operator, and an ended run with inputs."""
    # Inputs are passed in open files, which only a process of its own gets.
    processes = replace(service.processes, program=PROGRAM)
    with serving(replace(service, processes=processes)) as server, server.client() as client:
        run = start(client, ASKED, inputs={"who": "Ann", "mood": "glad"})
        await_rest(client, run)
        with closing(server.browser()) as browser:
            yield server, browser, run


def send(browser: httpx.Client, run: str, **changes: str) -> httpx.Response:
    page = browser.get(f"/runs/{run}/fork?at=greet@1").text
    shown = {"goal": "Greet", "input.who": "Ann", "input.times": "", "input.mood": "glad"}
    fields: Mapping[str, str] = {"csrf": csrf_in(page), "at": "greet@1", **shown, **changes}
    return browser.post(f"/runs/{run}/fork", data=dict(fields))


def test_new_run_has_another_goal_and_other_inputs(
    forked: tuple[RunningServer, httpx.Client, str],
) -> None:
    server, browser, run = forked
    page = browser.get(f"/runs/{run}/stages/greet").text
    assert f'href="/runs/{run}/fork?at=greet@1"' in page
    form = browser.get(f"/runs/{run}/fork?at=greet@1").text
    assert "<option selected>greet@1</option>" in form
    assert 'name="input.who" type="text" autocomplete="off" required  value="Ann"' in form.replace(
        'aria-describedby="input-who-hint"', ""
    )
    changes = {"goal": "Wave", "input.who": "Eve", "input.mood": "", "max_tokens": "77"}
    new = send(browser, run, **changes).headers["location"].rpartition("/")[2]
    await_rest(browser, new)
    assert (
        "Greet Eve 3 times, calm: Wave" in browser.get(f"/runs/{new}/stages/greet?tab=prompt").text
    )
    manifest = read_manifest(RunDirectory(server.service.root(new)))
    assert manifest.goal == "Wave"
    assert manifest.options["inputs"] == {"who": "Eve", "mood": "calm"}
    same = send(browser, new, **changes).headers["location"].rpartition("/")[2]
    await_rest(browser, same)
    assert read_manifest(RunDirectory(server.service.root(same))).goal == "Wave"


def test_unchanged_settings_stay_as_they_were(
    forked: tuple[RunningServer, httpx.Client, str],
) -> None:
    server, browser, _ = forked
    given = {"model": "small", "provider": "openai", "max_tokens": 99}
    with server.client() as client:
        run = start(client, ASKED, inputs={"who": "Ann", "mood": "glad"}, **given)
        await_rest(client, run)
    new = send(browser, run, model="small", max_tokens="99").headers["location"]
    manifest = read_manifest(RunDirectory(server.service.root(new.rpartition("/")[2])))
    assert (manifest.options["model"], manifest.options["provider"]) == ("small", "openai")


def test_refused_form_names_the_fault_at_its_field_and_keeps_what_was_typed(
    forked: tuple[RunningServer, httpx.Client, str],
) -> None:
    _, browser, run = forked
    runs = browser.get("/api/v1/runs").json()["items"]
    for field, text, at in (
        ("input.times", "<b>many</b>", "input-times"),
        ("input.who", "", "input-who"),
        ("max_tokens", "many", "max_tokens"),
        ("max_duration", "x" * 2000, "max_duration"),
    ):
        refused = send(browser, run, goal="<i>Wave</i>", **{field: text})
        assert refused.status_code == 400, field
        assert f'id="{at}-fault" role="alert"' in refused.text, field
        assert "&lt;i&gt;Wave&lt;/i&gt;</textarea>" in refused.text
        assert "<b>many" not in refused.text
    for field, text, status in (
        ("input.other", "x", 400),
        ("at", "nowhere@7", 404),
        ("goal", "x" * 30_000, 400),
    ):
        refused = send(browser, run, **{field: text})
        assert (refused.status_code, 'class="notice tone-bad"' in refused.text) == (status, True)
    assert browser.get("/api/v1/runs").json()["items"] == runs
