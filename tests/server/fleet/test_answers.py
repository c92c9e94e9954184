"""Many people answer at the same time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from attractor.fleet.records import RowState
from attractor.server.access.limits import UNLIMITED
from tests.cli.fleet_desk import (
    FleetDesk,
    sqlite_template as sqlite_template,  # a fixture
)
from tests.counts import count
from tests.fleet.runs import ASKS, ProjectInFleet
from tests.patience import PATIENCE_S
from tests.server.conftest import serving
from tests.server.test_fleet_page import service_of

RUNS = count(ci=20, full=500)


def test_answers_at_once_are_all_taken_and_second_ones_are_refused(
    tmp_path: Path, sqlite_template: Path
) -> None:
    rows = FleetDesk(tmp_path, sqlite_template, ASKS)
    runs = rows.within(lambda fleet: ProjectInFleet(fleet, rows.project).park_many(RUNS))
    # Each person has limits of their own; here all of them share a token.
    with serving(service_of(rows), limits=UNLIMITED) as server:
        headers = {"authorization": f"Bearer {server.token()}"}

        def answer(run: str) -> httpx.Response:
            with httpx.Client(base_url=server.url, headers=headers, timeout=PATIENCE_S) as person:
                return person.post(f"/api/v1/runs/{run}/answer", json={"answer": "Y"})

        with ThreadPoolExecutor(RUNS) as people:
            first, second = ([*people.map(answer, runs)] for _ in range(2))
    assert {one.status_code for one in first} == {200}, {one.text for one in first}
    assert all(one.json()["taken"] for one in first)
    assert {one.status_code for one in second} == {409}, {one.text for one in second}
    queued = rows.within(lambda fleet: fleet.table.runs(states=(RowState.QUEUED,)))
    assert sorted(run.run_id for run in queued) == sorted(runs)
    for run in runs:
        events = (rows.project / "runs" / run / "events.jsonl").read_text()
        assert events.count('"type":"OperatorAction"') == 1
