"""The list of runs: the first request after a start with many runs."""

import shutil
import time
from contextlib import closing

from attractor.factory.history.index import BATCH
from attractor.server.service import Service
from tests.engine.graphs import line
from tests.engine.runs import Workplace
from tests.server.conftest import serving

PATIENCE_S = 60


def test_first_request_says_how_many_runs_are_read_until_all_are(service: Service) -> None:
    folder = service.project.runs_dir
    Workplace(folder / "R0", line("plan")).run()
    for number in range(1, 2 * BATCH):
        shutil.copytree(folder / "R0", folder / f"R{number}")
    with serving(service) as server, closing(server.browser()) as browser:
        first = browser.get("/runs").text
        began = time.monotonic()
        assert f"of {2 * BATCH} runs, the newest first." in first
        assert 'href="/runs?before=">Show again</a>' in first
        while "Reading" in browser.get("/runs", params={"fragment": "now"}).text:
            assert time.monotonic() - began < PATIENCE_S
            time.sleep(0.05)
        assert browser.get("/runs").text.count('data-label="Status"') == 50
        found = browser.get("/runs", params={"q": "r399 SUCCEEDED"}).text
        assert found.count('data-label="Status"') == 1
        assert "Reading" not in browser.get("/specs").text
