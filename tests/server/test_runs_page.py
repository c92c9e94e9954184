"""The list of runs: after a start with many runs, and actions on several at once."""

import os
import re
import shutil
import time
from contextlib import closing

from attractor.factory.history.index_update import BATCH
from attractor.server.service import Service
from attractor.workspaces.cleanup import stored_run_ids
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.patience import wait_until
from tests.server.conftest import RunningServer, csrf_in, serving
from tests.server.runs import GATE, await_rest, start


def test_first_request_says_how_many_runs_are_read_until_all_are(service: Service) -> None:
    folder = service.project.runs_dir
    service.opened.identity.create_id()
    Workplace(folder / "R0", line("plan")).run()
    for number in range(1, 2 * BATCH):
        shutil.copytree(folder / "R0", folder / f"R{number}")
    with serving(service) as server, closing(server.browser()) as browser:
        first = browser.get("/runs").text
        assert f"of {2 * BATCH} runs, the newest first." in first
        assert 'href="/runs?before=">Show again</a>' in first
        # What needs a person may not be known yet.
        attention = browser.get("/attention").text
        assert re.search(f"Reading [0-9]+ of {2 * BATCH} runs", attention)
        assert "Nothing needs you." not in attention
        now = {"fragment": "now"}
        wait_until(lambda: "Reading" not in browser.get("/runs", params=now).text)
        assert browser.get("/runs").text.count('data-label="Status"') == 50
        found = browser.get("/runs", params={"q": "r399 SUCCEEDED"}).text
        assert found.count('data-label="Status"') == 1
        assert "Reading" not in browser.get("/specs").text


def test_selected_runs_are_canceled_and_freed_as_gc_would(server: RunningServer) -> None:
    with server.client() as client:
        old, young = (start(client, GATE, workspace="isolated") for _ in range(2))
        for run in (old, young):
            await_rest(client, run)
    with closing(server.browser()) as browser:
        form = {"csrf": csrf_in(browser.get("/runs").text), "back": "/runs?q=gate"}

        def send(action: str, *runs: str) -> str:
            body = {**form, "action": action, "run": list(runs)}
            answer = browser.post("/runs/several", data=body)
            assert answer.headers["location"] == form["back"], answer.text
            return browser.get(form["back"]).text

        chosen = browser.post("/compare", data={**form, "run": [old, young]})
        page = browser.get(chosen.headers["location"]).text
        assert page.count("needs you (question)") == 2
        stages = page[page.index("stages-title") :]
        assert [stages.count(f"/runs/{run}/stages/") for run in (old, young)] == [3, 3]
        for runs, words in (([old, old], "1 run"), (["A", "B", "C", "D", "E"], "5 runs")):
            refused = browser.get("/compare", params={"run": runs})
            assert refused.status_code == 400
            assert f"{words} cannot be compared" in refused.text
        few = browser.post("/compare", data={**form, "run": [old]})
        assert few.headers["location"] == form["back"]
        assert "Select two to 4 runs to compare." in browser.get(form["back"]).text
        said = send("cancel", old, young, "NONE")
        assert "Canceled 2 runs. NONE: " in said
        assert said.count("<span>canceled</span>") == 2
        week_ago = time.time() - 8 * 24 * 3600
        os.utime(server.service.root(old) / "events.jsonl", (week_ago, week_ago))
        said = send("gc", old, young)
        assert " of 1 run. " in said
        assert f"Kept {young}: it is canceled, less than 7" in said
        assert stored_run_ids(server.service.project.machine.state_dir) == [young]
        assert "No run is selected." in send("gc")
