"""The page of the fleet and what other pages show of it, over rows of a real database."""

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from attractor.base.events import Event
from attractor.factory.operator_process import Scope
from attractor.fleet.database.schema import RUNS
from attractor.fleet.fleet import Fleet
from attractor.fleet.records import AttemptEnd, Pool, Reason, ReasonKind, RowState
from attractor.pipeline.project.console import report_nothing
from attractor.server.service import Service
from tests.browsers import chromium
from tests.cli.fleet_desk import (
    FleetDesk,
    sqlite_template as sqlite_template,  # a fixture
)
from tests.patience import PATIENCE_S, wait_until
from tests.server.conftest import PAGE, RunningServer, csrf_in, serving
from tests.server.test_pages_in_a_browser import look_at

PIPELINE = """digraph ship { graph [goal="Ship it"]
  start [shape=Mdiamond]; exit [shape=Msquare]
  a [shape=parallelogram, tool_command=true]
  start -> a -> exit }
"""


@dataclass(frozen=True)
class Desk:
    """A server beside a fleet whose rows a test makes, and a run of its project in pool `p`."""

    rows: FleetDesk
    server: RunningServer
    run: str


@pytest.fixture
def desk(tmp_path: Path, sqlite_template: Path) -> Iterator[Desk]:
    rows = FleetDesk(tmp_path, sqlite_template, PIPELINE)
    begun = rows.do("run", "pipeline.dot", "--on", "p")
    assert begun.returncode == 0, begun.stderr
    with serving(service_of(rows)) as server:
        yield Desk(rows, server, begun.stdout.strip())


def service_of(rows: FleetDesk, tell: Callable[[str], None] = report_nothing) -> Service:
    variables = {"PATH": os.environ["PATH"], "HOME": str(rows.project.parent)}
    variables["ATTRACTOR_STATE_DIR"] = str(rows.state)
    return Service.of(rows.project, variables, tell=tell)


def fill(rows: FleetDesk) -> None:
    """Let runs wait for different reasons; w1 serves and executes one, w2 drains."""
    rows.beat("w1", name="laptop-with-a-long-name-4711", labels=("gpu", "laptop"))
    rows.beat("w2", name="box-2", pool="evaluate")
    rows.within(lambda fleet: fleet.table.drain("w2"))
    rows.within(lambda fleet: fleet.table.set_pool(Pool("p", 1, 0.5)))
    for name in ("running", "next", "full"):
        rows.add(f"01K0000000000000000000{name.upper()}")
    rows.claim("01K0000000000000000000RUNNING", "w1")
    rows.claim("01K0000000000000000000FULL", "w1")
    rows.add("unserved", pool="tpu", label="tpu")
    rows.beat("w3", name="other", pool="ask")
    for name, kind in (("asks", ReasonKind.HUMAN), ("spent", ReasonKind.BUDGET)):
        rows.add(name, pool="ask")
        reason = Reason(kind, {"stopped": "the budget max_cost_usd is exhausted: 2 of 1"})
        rows.end(name, AttemptEnd(state=RowState.PARKED, reason=reason), "w3")


def test_page_names_reasons_workers_and_pools_and_drains_a_worker_without_a_script(
    desk: Desk,
) -> None:
    fill(desk.rows)
    with closing(desk.server.browser()) as browser, desk.server.client("read") as client:
        page = browser.get("/fleet").text
        for words in (
            "pool p is full: 1 of 1 runs",
            "no worker serves pool tpu",
            "attractor fleet limit p --concurrency 2",
            "waits for the answer of a person",
            "laptop-with-a-long-name-4711",
            "draining",
        ):
            assert words in page, words
        assert f'href="/runs/{desk.run}"' in page
        assert 'href="/runs/unserved"' not in page
        record = client.get("/api/v1/fleet").json()
        by_name = {one["run_id"]: one for one in record["waiting"]}
        assert by_name["unserved"]["reason"]["kind"] == "no_worker"
        assert by_name["unserved"]["reason"]["command"] == (
            "attractor worker --pool tpu --label tpu"
        )
        assert [one["used"] for one in record["workers"] if one["id"] == "w1"] == [1]
        assert client.post("/api/v1/fleet/workers/w1/drain").status_code == 403
        done = browser.post("/fleet/workers/w1/drain", data={"csrf": csrf_in(page)})
        assert done.headers["location"] == "/fleet"
        assert "takes nothing new" in browser.get("/fleet").text
        status = {one["id"]: one["status"] for one in client.get("/api/v1/fleet").json()["workers"]}
        assert status["w1"] == "draining"
    with desk.server.client() as client:
        assert client.post("/api/v1/fleet/workers/nobody/drain").status_code == 404


def test_metrics_count_demand_reasons_and_workers(desk: Desk) -> None:
    fill(desk.rows)
    with desk.server.client("read") as client:
        answer = client.get("/fleet/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = answer.text.splitlines()
    assert 'attractor_fleet_running_runs{pool="p"} 1' in lines
    assert 'attractor_fleet_waiting_runs{reason="human"} 1' in lines
    assert 'attractor_fleet_waiting_runs{reason="pool_full"} 1' in lines
    assert 'attractor_fleet_workers{pool="evaluate",status="draining"} 1' in lines
    assert 'attractor_fleet_up{part="store"} 1' in lines
    names = {line.partition("{")[0] for line in lines if not line.startswith("#")}
    assert "attractor_fleet_startable_runs" in names


def test_page_of_a_run_says_why_it_waits_and_lists_its_attempts(desk: Desk) -> None:
    with closing(desk.server.browser()) as browser:
        page = browser.get(f"/runs/{desk.run}").text
        assert "no worker serves pool p" in page
        assert "attractor worker --pool p" in page
        assert f'action="/runs/{desk.run}/pause"' in page
        desk.rows.beat("w1", name="box-1")
        desk.rows.claim(desk.run, "w1")
        page = browser.get(f"/runs/{desk.run}", params={"fragment": "fleet"}).text
        assert re.search(r"by <b class=\"mono\">box-1</b>", page)
        assert 'epoch <b class="number">1</b>' in page
        assert "Not committed yet" not in page
        desk.rows.within(lambda fleet: show_tail(fleet, desk.run))
        page = browser.get(f"/runs/{desk.run}", params={"fragment": "fleet"}).text
        assert "Not committed yet" in page
        assert "make: started" in page
        form = browser.get("/start").text
        assert '<option value="p">pool p</option>' in form
        poison = Reason(ReasonKind.POISON, {"worker": "w1", "lost": 3})
        desk.rows.end(desk.run, AttemptEnd(state=RowState.PARKED, reason=poison), "w1")
        stopped = "Stopped: not tried again, because it lost 3 workers in one stage."
        wait_until(lambda: stopped in browser.get(f"/runs/{desk.run}").text)


async def show_tail(fleet: Fleet, run_id: str) -> None:
    """Let the worker of a run show an event, and two lines that are none."""
    [watched] = await fleet.tails.watched("w1")
    event = Event(type="StageStarted", run_id=run_id, node="make", time=datetime.now(UTC), data={})
    await fleet.tails.show(watched, f"{{}}\n{json.dumps(event.to_record())}\n{{")


def grow_old(connection: sa.Connection, now: float) -> None:
    """Let all runs be as they are since a minute."""
    connection.execute(sa.update(RUNS).values(changed=now - 61))


def test_attention_shows_poison_runs_that_nobody_serves_and_a_store_that_is_gone(
    desk: Desk,
) -> None:
    rows = desk.rows
    with desk.server.client() as client:

        def needs() -> dict[str, str]:
            found = client.get("/api/v1/attention").json()
            return {one["name"]: one["reason"] for one in found if one["need"] == "fleet"}

        assert needs() == {}
        rows.within(lambda fleet: fleet.database.transact(grow_old))
        wait_until(lambda: "no worker serves pool p" in needs().get(desk.run, ""))
        rows.beat("w1")
        wait_until(lambda: needs() == {})
        poison = Reason(ReasonKind.POISON, {"worker": "w1", "lost": 3})
        rows.end(desk.run, AttemptEnd(state=RowState.PARKED, reason=poison), "w1")
        wait_until(lambda: "lost 3 workers" in needs().get(desk.run, ""))
        store = rows.state / "fleet" / "store"
        store.rename(store.with_name("elsewhere"))
        wait_until(lambda: "the store of the fleet is away" in needs().get("fleet", ""))
        assert 'href="/fleet"' in client.get("/attention", headers=PAGE).text
        store.with_name("elsewhere").rename(store)
        wait_until(lambda: "fleet" not in needs())


def test_caller_of_another_project_sees_no_runs_and_drains_no_worker(desk: Desk) -> None:
    fill(desk.rows)
    tokens, now = desk.server.service.access.tokens, desk.server.service.opened.now()
    tokens.create("bob", Scope.OPERATE, "b" * 40, by="ann", now=now, projects=("0" * 32,))
    bound = {"authorization": f"Bearer {'b' * 40}"}
    with httpx.Client(base_url=desk.server.url, headers=bound, timeout=PATIENCE_S) as client:
        record = client.get("/api/v1/fleet").json()
        # Demand names universes.
        assert (record["waiting"], record["demand"]) == ([], [])
        assert client.post("/api/v1/fleet/workers/w1/drain").status_code == 403
        assert client.get("/fleet/metrics").status_code == 403


def test_server_without_a_fleet_shows_none_and_refuses_a_pool(server: RunningServer) -> None:
    with server.client() as client:
        assert client.get("/api/v1/fleet").json()["workers"] == []
        assert client.get("/fleet/metrics").text == ""
        started = client.post("/api/v1/runs", json={"file": "pipeline.dot", "on": "agents"})
        assert (started.status_code, "there is no fleet" in started.text) == (409, True)
        spawned = client.post("/api/v1/actors", json={"words": "work", "pool": "agents"})
        assert (spawned.status_code, "there is no fleet" in spawned.text) == (409, True)
        alone = client.post("/api/v1/runs", json={"file": "pipeline.dot", "label": "laptop"})
        assert (alone.status_code, "a label needs a pool" in alone.text) == (400, True)
    with closing(server.browser()) as browser:
        assert 'href="/fleet"' not in browser.get("/system").text
        assert "attractor run PIPELINE.dot --on agents" in browser.get("/fleet").text
        assert 'name="on"' not in browser.get("/start").text


def test_pages_of_the_fleet_look_right_and_have_no_violation_of_axe(desk: Desk) -> None:
    fill(desk.rows)
    with chromium() as screen:
        page, url = screen.page, desk.server.url
        page.goto(f"{url}/login?code={desk.server.service.access.codes.create()}&here=1")
        faults = look_at(page, "fleet", f"{url}/fleet")
        faults += look_at(page, "fleet-run", f"{url}/runs/{desk.run}")
        assert faults == []
        page.goto(f"{url}/fleet")
        # The page is live without an event of a run.
        # Playwright has a loop in this thread.
        with ThreadPoolExecutor() as threads:
            threads.submit(desk.rows.beat, "w9", name="late-comer", pool="p").result()
        expect(page.get_by_text("late-comer").first).to_be_visible()
        assert not [one for one in screen.said if "Content Security Policy" in one]
