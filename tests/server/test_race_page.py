"""A person reads the attempts of a race in the browser."""

import asyncio
import getpass
import json
import os
from contextlib import closing
from pathlib import Path

from playwright.sync_api import expect

from attractor.factory.operations.race import begin_race, end_race, look, race_record
from attractor.factory.operations.race_process import walk_attempt
from attractor.factory.races import results_of
from attractor.server.service import Service
from tests.browsers import chromium
from tests.factory.flows import make_flow
from tests.pipeline.projects import simulated
from tests.server.conftest import PAGE, serving
from tests.server.test_pages_in_a_browser import look_at


def test_page_of_a_race_is_linked_from_its_attempts(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    request = simulated(flow.project, suite="todo", profile="lenient")
    begun = asyncio.run(begin_race([request], flow.opened, attempts=2, at_once=1, by="ann"))
    walk_attempt(begun.attempts[0], begun, flow.opened)
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    with serving(Service.of(flow.project, state)) as server, server.client("read") as client:
        page = client.get("/races/latest", headers=PAGE).text
        assert [one.run_id in page for one in begun.attempts] == [True, False]
        wanted = ("not ended", "1 of 1", "go", "not begun", "2 attempts with this suite", "/races")
        for words in wanted:
            assert words in page, words
        run = f"/runs/{begun.attempts[0].run_id}"
        address = f"{run}/decision"
        assert f'href="{address}' in page
        assert f'href="/races/{begun.race_id}' in client.get(address, headers=PAGE).text
        assert f'href="/races/{begun.race_id}' in client.get(run, headers=PAGE).text
        assert f'href="/races/{begun.race_id}' in client.get("/races", headers=PAGE).text
        [listed] = client.get("/api/v1/races").json()
        assert (listed["race_id"], listed["ended"], listed["winner"]) == (begun.race_id, False, "")
        record = client.get("/api/v1/races/latest").json()
        views = asyncio.run(look(begun, flow.opened))
        assert record == json.loads(json.dumps(race_record(begun, views, has_ended=False)))
        assert client.get("/api/v1/races/nothing").status_code == 404


def test_winner_of_an_ended_race_is_marked(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    request = simulated(flow.project, suite="todo", profile="lenient")
    begun = asyncio.run(begin_race([request], flow.opened, attempts=2, at_once=2, by="ann"))
    for attempt in begun.attempts:
        walk_attempt(attempt, begun, flow.opened)
    assert end_race(begun, asyncio.run(look(begun, flow.opened)), flow.opened)
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    with serving(Service.of(flow.project, state)) as server, chromium() as screen:
        page = screen.page
        page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&here=1")
        page.get_by_role("link", name="Races").click()
        assert look_at(page, "races", page.url) == []
        page.get_by_role("link", name=begun.race_id).click()
        expect(page.get_by_text("winner")).to_have_count(1)
        assert look_at(page, "race", page.url) == []


def test_person_ends_a_race_without_an_attempt_that_has_not_begun(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    request = simulated(flow.project, suite="todo", profile="lenient")
    begun = asyncio.run(begin_race([request], flow.opened, attempts=2, at_once=2, by="ann"))
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    address = f"/races/{begun.race_id}/end"
    walk_attempt(begun.attempts[0], begun, flow.opened)
    with serving(Service.of(flow.project, state)) as server, chromium() as screen:
        with server.client("read") as client, closing(server.browser()) as browser:
            posts = (client, address), (client, f"/api/v1{address}"), (browser, address)
            assert [one.post(where).status_code for one, where in posts] == [403] * 3
            assert address not in client.get(f"/races/{begun.race_id}", headers=PAGE).text
        page = screen.page
        page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&here=1")
        page.goto(f"{server.url}/races/{begun.race_id}")
        assert look_at(page, "race-not-ended", page.url) == []
        page.get_by_role("button", name="End the race").click()
        expect(page.get_by_role("status").filter(has_text="The race has ended")).to_be_visible()
        expect(page.get_by_text("winner")).to_have_count(1)
        expect(page.get_by_role("button", name="End the race")).to_have_count(0)
        assert look_at(page, "race-ended", page.url) == []
        [ended] = flow.opened.ledger.mentioning("race_ended")
        assert ended.data["by"] == getpass.getuser()
        results = results_of(flow.opened.ledger, begun.race_id)
        assert [one.status for one in results or ()] == ["awaiting_human", "not begun"]
        with server.client("operate") as client:
            assert client.post(f"/api/v1{address}").json()["ended"] is True


def test_race_does_not_end_over_http_while_an_attempt_has_not(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    request = simulated(flow.project, suite="todo", profile="lenient", evaluate=False)
    begun = asyncio.run(begin_race([request], flow.opened, attempts=2, at_once=2, by="ann"))
    walk_attempt(begun.attempts[0], begun, flow.opened)
    state = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": str(flow.machine.state_dir)}
    with serving(Service.of(flow.project, state)) as server, server.client("operate") as client:
        refused = client.post("/api/v1/races/latest/end")
        assert (refused.status_code, begun.race_id in refused.json()["detail"]) == (409, True)
        assert begun.attempts[0].run_id in refused.json()["hint"]
        assert results_of(flow.opened.ledger, begun.race_id) is None
