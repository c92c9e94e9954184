"""The pages of universes and their records, over rows of a real database."""

import time
from contextlib import closing

import httpx
import sqlalchemy as sa

from attractor.factory.operator_process import Scope
from attractor.fleet.database.schema import UNIVERSES
from attractor.fleet.database.universe_rows import charge
from attractor.fleet.records import AttemptEnd, Pool, Reason, ReasonKind, RowState, Spent
from attractor.fleet.universes import Caps
from attractor.server.access.callers import COOKIE
from attractor.worlds.messages import Sender, SenderKind
from tests.browsers import chromium
from tests.cli.fleet_desk import sqlite_template as sqlite_template  # a fixture
from tests.patience import PATIENCE_S, is_soon, wait_until
from tests.server.conftest import RunningServer
from tests.server.test_fleet_page import Desk, desk as desk  # a fixture
from tests.server.test_pages_in_a_browser import look_at
from tests.worlds.flows import actor_in, send_to

SHOP = "/fleet/universes/shop"


def fill(desk: Desk) -> str:
    """Make universe `shop` of the project and `other`, and return the id of the project."""
    rows, project = desk.rows, desk.server.service.project_id
    caps = Caps(max_cost_usd_per_day=50, share=0.5, models=("openai/gpt-9", "anthropic/claude-9"))
    rows.within(lambda fleet: fleet.table.add_universe("shop", caps))
    rows.within(lambda fleet: fleet.table.add_universe("other"))

    def move(connection: sa.Connection, _now: float) -> None:
        # The run of the fixture made the project a world of `home`.
        connection.execute(sa.delete(UNIVERSES).where(UNIVERSES.c.id == project))

    rows.within(lambda fleet: fleet.database.transact(move))
    rows.within(lambda fleet: fleet.table.assign(project, "shop", "website"))
    rows.within(lambda fleet: fleet.table.assign("0" * 32, "other", "secret"))
    rows.within(lambda fleet: fleet.table.set_caps("shop/website", Caps(max_cost_usd_per_day=10)))
    rows.within(lambda fleet: fleet.table.set_pool(Pool("p", 2)))
    rows.beat("w1", name="box-1")
    here = {"universe": "shop", "project": project, "max_cost_usd": 2.0}
    for name in ("busy", "spender", "asks", "late"):
        rows.add(f"01K000000000000000000{name.upper():0>5}", **here)
    human = AttemptEnd(state=RowState.PARKED, reason=Reason(ReasonKind.HUMAN))
    rows.end("01K0000000000000000000ASKS", human, "w1")
    rows.claim("01K0000000000000000000BUSY", "w1")
    spent = Spent(1.25, 4200)
    rows.within(
        lambda fleet: fleet.database.transact(
            lambda connection, now: charge(connection, "01K0000000000000000000BUSY", spent, now)
        )
    )
    rows.claim("01K0000000000000000000LATE", "w1")
    rows.add("elsewhere", universe="other")
    return project


def test_universe_shows_what_runs_waits_is_spent_and_stored(desk: Desk) -> None:
    fill(desk)
    opened = desk.server.service.opened
    folder = actor_in(opened)
    send_to(folder, opened, "Build it")
    send_to(folder, opened, "Look at it", Sender(SenderKind.ACTOR, "bea"))
    address = "/api/v1" + SHOP
    with closing(desk.server.browser()) as browser, desk.server.client("read") as client:
        assert 'href="/fleet/universes"' in browser.get("/fleet").text
        wait_until(lambda: client.get(address).json()["space"] is not None)
        found = client.get(address).json()
        assert found["universe"]["cost_usd"] == 1.25
        [world] = found["worlds"]
        assert world["caps"]["max_cost_usd_per_day"] == {
            "value": 10,
            "source": "world shop/website",
        }
        assert world["caps"]["models"]["source"] == "universe shop"
        assert found["shares"] == {"p": {"value": 0.5, "source": "universe shop"}}
        reasons = {one["run_id"][-4:]: one["reason"]["kind"] for one in found["waiting"]}
        assert reasons == {"ASKS": "human", "LATE": "limit", "NDER": "behind"}
        assert [one["run_id"] for one in found["running"]] == ["01K0000000000000000000BUSY"]
        assert found["space"]["bytes"] > 0
        assert found["messages"] == {"person": 1, "actor": 1, "harness": 0}
        page = browser.get(SHOP).text
        for words in (
            "$1.25",
            "4,200",
            "2 (1 by people, 1 by actors, 0 answers) to its actors",
            "box-1",
            "attractor answer 01K0000000000000000000ASKS",
            "attractor universe caps shop --share 1",
            'href="/runs/01K0000000000000000000LATE"',
            "openai/gpt-9",
            "from world shop/website",
            "share of pool p 50%",
            "UTC",
        ):
            assert words in page, words
        assert "elsewhere" not in page
        listed = browser.get("/fleet/universes").text
        assert f'href="{SHOP}"' in listed
        assert f'href="{SHOP}"' in browser.get("/fleet").text
        rows = client.get("/api/v1/fleet/universes", params={"limit": 2}).json()
        assert [one["name"] for one in rows["items"]] == ["home", "other"]
        [row] = client.get(
            "/api/v1/fleet/universes", params={"limit": 2, "cursor": rows["next"]}
        ).json()["items"]
        assert (row["worlds"], row["running"], row["queued"], row["parked"]) == (1, 1, 2, 1)
        assert client.get("/api/v1/fleet/universes/nowhere").status_code == 404
        assert client.get("/api/v1/fleet/universes/%00").status_code == 400


def test_token_of_a_universe_sees_only_its_own(desk: Desk) -> None:
    project = fill(desk)
    access, now = desk.server.service.access, desk.server.service.opened.now()
    access.tokens.create("bob", Scope.READ, "b" * 40, by="ann", now=now, projects=(project,))
    bound = {"authorization": f"Bearer {'b' * 40}"}
    with httpx.Client(base_url=desk.server.url, headers=bound, timeout=PATIENCE_S) as client:
        listed = client.get("/api/v1/fleet/universes").json()["items"]
        assert [one["name"] for one in listed] == ["shop"]
        record = client.get("/api/v1/fleet/universes/shop").json()
        assert len(record["worlds"]) == 1
        # The run in front of its runs is one of `home`.
        assert {one["front"] for one in record["waiting"]} == {""}
        for name in ("other", "home", "nowhere"):
            assert client.get(f"/api/v1/fleet/universes/{name}").status_code == 403, name
        client.cookies[COOKIE] = access.log_in_with_token("b" * 40)
        del client.headers["authorization"]
        assert client.get(SHOP, headers={"accept": "text/html"}).status_code == 200
        answer = client.get("/fleet/universes/other", headers={"accept": "text/html"})
        assert (answer.status_code, "secret" in answer.text) == (403, False)


def test_first_page_of_200_universes_with_2000_worlds_is_quick(desk: Desk) -> None:
    def fill_rows(connection: sa.Connection, _now: float) -> None:
        addresses = [f"u{n:03}" for n in range(200)]
        addresses += [f"u{n % 200:03}/w{n:04}" for n in range(2000)]
        values = {"caps": {"max_tokens_per_day": 9}, "archived": False}
        values |= {"day": 0, "cost_usd": 0.0, "tokens": 0}
        rows = [{"address": name, "universe": name[:4], "id": name, **values} for name in addresses]
        connection.execute(sa.insert(UNIVERSES), rows)

    desk.rows.within(lambda fleet: fleet.database.transact(fill_rows))
    with closing(desk.server.browser()) as browser:
        pages = ["/fleet", "/fleet/universes", "/fleet/universes/u007", "/attention"]
        for page in pages:

            def once(page: str = page) -> float:
                began = time.monotonic()
                assert browser.get(page).status_code == 200
                return time.monotonic() - began

            assert is_soon(once, floors=5), page
        first = browser.get("/fleet/universes").text
        assert 'href="/fleet/universes/u098"' in first
        assert 'href="/fleet/universes/u099"' not in first
        assert "?cursor=" in first
        assert first.count("u007/w") == 0
        assert browser.get("/fleet/universes/u007").text.count("u007/w") == 10


def test_server_without_a_fleet_has_no_universes(server: RunningServer) -> None:
    with server.client("read") as client:
        assert client.get("/api/v1/fleet/universes").json() == {"items": [], "next": ""}
        assert client.get("/api/v1/fleet/universes/home").status_code == 404
    with closing(server.browser()) as browser:
        assert "attractor universe create NAME" in browser.get("/fleet/universes").text


def test_pages_of_universes_look_right_and_have_no_violation_of_axe(desk: Desk) -> None:
    fill(desk)
    with chromium() as screen:
        page, url = screen.page, desk.server.url
        page.goto(f"{url}/login?code={desk.server.service.access.codes.create()}&here=1")
        faults = look_at(page, "universes", f"{url}/fleet/universes")
        faults += look_at(page, "universe", f"{url}{SHOP}")
        assert faults == []
