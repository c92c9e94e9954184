"""The form that starts a run, without JavaScript."""

import re
from contextlib import closing
from dataclasses import replace

from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.server.processes.run_processes import PROGRAM
from attractor.server.service import Service
from tests.factory.resources.stores import register
from tests.scenarios.suites import write_suite
from tests.server.conftest import PAGE, RunningServer, csrf_in, serving
from tests.server.runs import UNGUARDED, UNTIL_GO, WAITING, await_rest, start

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
        # The field says it too, and has the focus.
        [fault] = re.findall('id="([^"]*)-fault"', refused.text)
        assert f'id="{fault}" name="max_tokens" value="many"' in refused.text
        assert 'aria-describedby="max_tokens-fault" aria-invalid="true" autofocus' in refused.text
        for kept in (
            ">Words of mine.<",
            'value="many"',
            'value="1.5"',
            'value="2h"',
            'value="m-1"',
        ):
            assert kept in refused.text


def test_form_has_the_values_of_an_earlier_run_and_another_pipeline_keeps_what_was_typed(
    service: Service,
) -> None:
    processes = replace(service.processes, program=PROGRAM)
    with serving(replace(service, processes=processes)) as server:
        _run_again_with_inputs(server)


def _run_again_with_inputs(server: RunningServer) -> None:
    project = server.service.project.root
    (project / "asked.dot").write_text(WITH_INPUTS.replace(", key:secret", ""))
    limits = {"max_cost_usd": 1.5, "max_tokens": 1000, "max_duration": "2h"}
    sent = {"file": "asked.dot", "goal": "Wave", "model": "m-1", **limits, **UNGUARDED}
    suite = """name = "todo"\npipeline = "asked"\n"""
    register(server.service.opened.suites, write_suite(project.parent / "suite", suite=suite))
    with server.client() as client, closing(server.browser()) as browser:
        run = client.post("/api/v1/runs", json={**sent, "inputs": {"who": "Eve"}}).json()["id"]
        await_rest(client, run)
        assert f'href="/start?again={run}">Run again</a>' in browser.get(f"/runs/{run}").text
        form = browser.get("/start", params={"again": run}).text
        for words in ('value="Eve"', ">Wave<", 'value="m-1"', 'value="1.5"', 'value="1000"'):
            assert words in form, words
        assert "workspace none, sandbox none" in form
        assert '<datalist id="models"><option value="' in form
        assert "<option>todo</option>" in form
        fields = {"csrf": csrf_in(form), "shown": "asked.dot", "again": run, "goal": "Greet"}
        typed = {**fields, "declared_goal": "Greet", "input.who": "Ann", "model": "m-2"}
        other = browser.post("/start", data={**typed, "file": "pipeline.dot"})
        assert other.status_code == 200
        assert 'name="input.who"' not in other.text
        assert 'value="m-2"' in other.text
        assert "<option>todo</option>" not in other.text
        back = browser.post("/start", data={**typed, "file": "asked.dot", "show": "yes"}).text
        assert 'value="Ann"' in back
        started = browser.post("/start", data={**typed, "file": "asked.dot"}).headers["location"]
        await_rest(client, started.rpartition("/")[2])
        options = read_manifest(
            RunDirectory(server.service.root(started.rpartition("/")[2]))
        ).options
        found = {name: options[name] for name in ("workspace", "sandbox", "model", "inputs")}
        assert found == {**UNGUARDED, "model": "m-2", "inputs": {"who": "Ann"}}
        # The pipeline that ran last comes first, and is chosen.
        assert "<option selected>asked.dot</option>" in browser.get("/start").text


def test_run_whose_pipeline_is_no_file_of_the_project_runs_again(server: RunningServer) -> None:
    with server.client() as client, closing(server.browser()) as browser:
        run = start(client, WAITING.replace(UNTIL_GO, "true"))
        await_rest(client, run)
        form = browser.get("/start", params={"again": run}).text
        assert '<option value="" selected>The pipeline of that run</option>' in form
        fields = {"csrf": csrf_in(form), "file": "", "shown": "", "again": run, "goal": ""}
        again = browser.post("/start", data=fields).headers["location"].rpartition("/")[2]
        await_rest(client, again)
        graphs = [(server.service.root(one) / "graph.dot").read_text() for one in (run, again)]
        assert graphs[0] == graphs[1]


def test_pipeline_of_the_gallery_is_started_by_its_name(server: RunningServer) -> None:
    simulated = {"file": "gallery:review", "backend": "simulate", "goal": "Look at a.py"}
    with server.client() as client, closing(server.browser()) as browser:
        refused = client.post("/api/v1/runs", json={"file": "gallery:reviews"})
        assert refused.status_code == 404
        assert "did you mean review?" in refused.text
        assert "<option>gallery:review</option>" in browser.get("/start").text
        run = client.post("/api/v1/runs", json={**simulated, **UNGUARDED}).json()["id"]
        await_rest(client, run)
        manifest = read_manifest(RunDirectory(server.service.root(run)))
        assert str(manifest.options["gallery"]).startswith("review@")
        form = browser.get("/start", params={"again": run}).text
        assert "<option selected>gallery:review</option>" in form
        assert ">Look at a.py<" in form
