"""The form that starts a run, without JavaScript."""

import re
from contextlib import closing
from dataclasses import replace

from attractor.server.processes.run_processes import PROGRAM
from attractor.server.service import Service
from tests.server.conftest import PAGE, RunningServer, csrf_in, serving
from tests.server.runs import await_rest

WITH_INPUTS = """digraph asked { graph [goal="Greet", inputs="who:str, key:secret"]
    start [shape=Mdiamond]; exit [shape=Msquare]
    greet [prompt="Greet ${inputs.who}: $goal"]
    start -> greet -> exit }
"""


def test_form_starts_a_run_with_its_inputs(service: Service) -> None:
    # Inputs are passed in open files, which only a process of its own gets.
    processes = replace(service.processes, program=PROGRAM)
    with serving(replace(service, processes=processes)) as server:
        _start_with_inputs(server)


def _start_with_inputs(server: RunningServer) -> None:
    project = server.service.project.root
    (project / "more").mkdir()
    (project / "more" / "asked.dot").write_text(WITH_INPUTS)
    browser = server.browser()
    (project / "scenarios").mkdir(exist_ok=True)
    (project / "scenarios" / "hidden.dot").write_text(WITH_INPUTS)
    offered = browser.get("/start").text
    assert "<option>more/asked.dot</option>" in offered
    assert "hidden.dot" not in offered
    for hidden in ("scenarios/hidden.dot", "attractor.toml", "../x.dot", "a\0.dot"):
        assert browser.get("/start", params={"file": hidden}).status_code == 400
    form = browser.get("/start", params={"file": "more/asked.dot"}).text
    assert 'name="input.who" type="text" autocomplete="off" required' in form
    assert 'name="input.key" type="password"' in form
    sent = {"csrf": csrf_in(form), "file": "more/asked.dot", "declared_goal": "Greet"}
    lacking = browser.post("/start", data={**sent, "goal": "Greet", "input.key": "a-long-secret"})
    assert re.search('role="alert".*who', lacking.text)
    assert (lacking.status_code, "a-long-secret" in lacking.text) == (400, False)
    begun = browser.post(
        "/start", data={**sent, "goal": "Wave", "input.who": "Eve", "input.key": "a-long-secret"}
    )
    address = begun.headers["location"]
    await_rest(browser, address.rpartition("/")[2])
    assert "Greet Eve: Wave" in browser.get(f"{address}/stages/greet?tab=prompt").text
    browser.close()


def test_form_quotes_no_hidden_file(server: RunningServer) -> None:
    (server.service.project.root / ".env").write_text("KEY=a-long-secret")
    with server.client("read") as client:
        answer = client.get("/start", params={"file": ".env"}, headers=PAGE)
    assert (answer.status_code, "a-long-secret" in answer.text) == (400, False)
    assert "is no place for a pipeline" in answer.text


def test_form_has_model_limits_and_problems_and_the_editor_leads_to_it(
    server: RunningServer,
) -> None:
    project = server.service.project.root
    with closing(server.browser()) as browser:
        text = "digraph bad { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit; lost }"
        page = browser.get("/editor").text
        assert ">Run this</button>" in page
        sent = {"csrf": csrf_in(page), "file": "bad.dot", "source": text}
        form = browser.post("/editor/run", data=sent, follow_redirects=True)
        assert form.url.path == "/start"
        assert (project / "bad.dot").read_text() == text
        assert "Problems of the pipeline" in form.text
        assert "lost" in form.text
        for name in ("model", "max_cost_usd", "max_tokens", "max_duration"):
            assert f'name="{name}"' in form.text
        limits = {"max_cost_usd": "1.5", "max_tokens": "1000", "max_duration": "2h", "model": "m-1"}
        started = {"csrf": csrf_in(form.text), "file": "pipeline.dot", **limits}
        run = browser.post("/start", data=started).headers["location"].rpartition("/")[2]
        await_rest(browser, run)
        manifest = (server.service.root(run) / "manifest.json").read_text()
        assert all(one in manifest for one in ("1.5", "1000", "m-1"))
        typed = {**started, "max_tokens": "many", "goal": "Words of mine."}
        refused = browser.post("/start", data=typed)
        assert "max_tokens: Input should be a valid integer" in refused.text
        for kept in (
            ">Words of mine.<",
            'value="many"',
            'value="1.5"',
            'value="2h"',
            'value="m-1"',
        ):
            assert kept in refused.text
