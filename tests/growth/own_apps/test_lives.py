"""Two apps from nothing to used without a model, and six wishes each while people use them."""

import json
import random
import re
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.browsers import browser
from tests.cli.test_grow_init import PARKED, AppDesk
from tests.counts import IS_FULL, count
from tests.examples import ROOT
from tests.growth.model import objects
from tests.growth.own_apps.apps import CAFE, CHOIR, Rows, cafe_records, choir_records, graph_of
from tests.patience import PATIENCE_S
from tests.prepared import PROGRAM

PAGE = ROOT / "docs" / "how-to" / "specify-an-app.md"
KILLS = count(ci=2, full=20)
RECORDS = 500
WISHES = 6
PEOPLE = 100
DEPLOY_S = 4.0
"""About as long as a deployment takes after its decision."""


class OwnDesk(AppDesk):
    """The folder of an app, and what its operator and its people do."""

    def do(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [PROGRAM, *words]
        return subprocess.run(
            command, cwd=self.place, env=self.environ, capture_output=True, text=True, check=False
        )

    def type(self, *words: str, code: int = 0) -> str:
        """Type a command; return what it printed."""
        ended = self.do(*words)
        assert ended.returncode == code, (words, ended.stdout, ended.stderr)
        return ended.stdout

    def deploy(self, *words: str, kills: int = 0) -> None:
        """Deploy or roll back with a decision, and kill the command at random moments."""
        self.type(*words, code=PARKED)
        self.decide()
        dice = random.Random(" ".join(words[1:2]) + self.place.name)
        # Each time, it goes on from where it was killed: a longer one gets further.
        for seconds in sorted(dice.uniform(0, DEPLOY_S) for _ in range(kills)):
            begun = self.begin(*words)
            try:
                assert begun.wait(seconds) == 0
                return
            except subprocess.TimeoutExpired:
                begun.kill()
                begun.wait(PATIENCE_S)
        self.type(*words)

    def wish(self, number: int, kills: int, *morphs: Mapping[str, Any]) -> None:
        """Let a model plan a wish, and deploy the plan."""
        desires = self.folder / "desires.json"
        desires.write_text(json.dumps([{"goal": f"Grant wish {number}"}]))
        with in_background(ProviderTwin(objects({"morphs": morphs, "tests": []}))) as twin:
            self.models = twin.environ()
            words = ("grow", "plan", "--desires", str(desires), "--model", "gpt-5.6")
            plan = self.answer(*words)["plan_id"]
        self.models = {}
        self.type("grow", "simulate", plan)
        self.deploy("grow", "deploy", plan, kills=kills)

    @contextmanager
    def visiting(self, role: str = "") -> Generator[httpx.Client]:
        """Yield a client of the running app, for a person with a role if it has roles."""
        url = self.answer("grow", "open")["url"]
        with httpx.Client(base_url=url, timeout=PATIENCE_S) as client:
            if role:
                link = self.answer("grow", "invite", f"A {role}", "--role", role)["url_here"]
                assert client.post(link, headers={"accept": "text/html"}).status_code == 303
            yield client


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[OwnDesk]:
    desk = OwnDesk(tmp_path)
    yield desk
    desk.do("grow", "stop")
    desk.end()


@dataclass(frozen=True)
class OwnApp:
    """An app: how a person uses it, its records, and what is wished for."""

    document: Path
    use: Callable[[Page], None]
    rows: Callable[[int], Rows]
    thing: str
    """The entity of which there are many records."""

    default: tuple[str, object]
    """A new field of it, with its default."""

    shown: tuple[str, str]
    """A field of it, and what it is called from now on."""

    dropped: str
    crowd: tuple[str, Mapping[str, object]]
    """The entity of the rule of five, and a record of it without its id and its target."""

    target: str
    """What five records of it may refer to, by a field of this name."""

    place: tuple[str, Mapping[str, object]]
    """The key of a target, and its other fields."""

    total: str
    """The field of numbers of the page with totals."""

    private: str
    """The field that only helpers see."""


def use_cafe(page: Page) -> None:
    for label, fields in (
        ("Session", {"Day": "2026-12-05", "Hall": "Library hall"}),
        ("Booking", {"Guest": "Cleo", "Thing": "Lamp"}),
    ):
        page.goto("/")
        page.get_by_role("link", name=f"New: {label}").first.click()
        for name, text in fields.items():
            page.get_by_label(name, exact=True).fill(text)
        if label == "Booking":
            page.get_by_label("Session").select_option("5 Dec 2026, Library hall")
        page.get_by_role("button", name="Add").click()
    page.goto("/panels/bookings")
    assert page.get_by_role("link", name="Cleo").is_visible()


def use_choir(page: Page) -> None:
    page.goto("/panels/voices")
    page.get_by_role("link", name="New: Singer").click()
    page.get_by_label("Name").fill("Cleo")
    page.get_by_label("Voice").select_option("alto")
    page.get_by_role("button", name="Add").click()
    page.goto("/panels/voices")
    assert page.get_by_role("link", name="Cleo").is_visible()


APPS = {
    "cafe": OwnApp(
        CAFE,
        use_cafe,
        cafe_records,
        "booking",
        ("fetched", False),
        ("thing", "What is broken"),
        "helped_by",
        ("booking", {"guest": "G", "thing": "Radio", "kind": "radio", "status": "booked"}),
        "session",
        ("day", {"hall": "Hall"}),
        "booking.paid",
        "helper.phone",
    ),
    "choir": OwnApp(
        CHOIR,
        use_choir,
        choir_records,
        "singer",
        ("paid", True),
        ("voice", "Sings"),
        "phone",
        ("loan", {"singer": "Singer 1", "copies": 1}),
        "score",
        ("title", {}),
        "score.copies",
        "attendance.came",
    ),
}


@pytest.mark.crash
@pytest.mark.parametrize("name", list(APPS) if IS_FULL else ["cafe"])
def test_app_is_used_from_nothing_and_grows_by_six_wishes(desk: OwnDesk, name: str) -> None:
    app = APPS[name]
    begin(desk, app)
    with desk.visiting() as client:
        fill(client, app.rows(RECORDS))
        before = records(client, app.thing)
    kept: dict[str, Any] = {}
    for number, (morphs, check) in enumerate(wishes(app), 1):
        desk.wish(number, KILLS, *morphs)
        with desk.visiting("Keeper" if number == WISHES else "") as client:
            check(client)
            kept = records(client, app.thing)
            assert kept.keys() >= before.keys()
            for id_, record in before.items():
                same = {key: one for key, one in record.items() if key != app.dropped}
                assert same.items() <= kept[id_].items()
    holder, _, private = app.private.partition(".")
    with desk.visiting("Guest") as client:
        assert all(private not in one for one in records(client, holder).values())
    # The stage before the roles has what was written in between.
    desk.deploy("grow", "rollback", kills=KILLS)
    with desk.visiting() as client:
        assert records(client, app.thing) == kept


def begin(desk: OwnDesk, app: OwnApp) -> None:
    """Type the commands of the page without a model, and use the app at both widths."""
    section = PAGE.read_text().partition("\n## See it as an app without a model\n")[2]
    typed = re.findall(r"`attractor ([^`]+)`", section.partition("\n\nDesires,")[0])
    kinds = ["grow init", "grow plan", "grow simulate", "grow deploy", "decide", "grow deploy"]
    assert [" ".join(one.split()[: 1 + one.startswith("grow")]) for one in typed] == [
        *kinds,
        "grow open",
    ]
    known = {"farm.yaml": str(app.document)}
    for number, line in enumerate(typed[:-1]):
        words = [known.get(one, one) for one in str(line).split()]
        if words[0] == "decide":
            desk.decide()
        elif words[1] == "plan":
            known["PLAN"] = str(desk.answer(*words)["plan_id"])
        else:
            desk.type(*words, code=PARKED if number == 3 else 0)
    url = desk.answer("grow", "open")["url"]
    with browser() as started:
        for width, height in ((390, 844), (1440, 900)):
            page = started.new_page(viewport={"width": width, "height": height}, base_url=url)
            app.use(page)
            page.close()
            with desk.visiting() as client:
                remove_all(client, app)


def remove_all(client: httpx.Client, app: OwnApp) -> None:
    for entity in (app.thing, app.target):
        for id_ in records(client, entity):
            assert client.delete(f"/data/{entity}/{id_}").status_code == HTTPStatus.OK


def fill(client: httpx.Client, rows: Rows) -> None:
    for entity, record in rows:
        answer = client.post(f"/data/{entity}", json=record)
        assert answer.status_code == HTTPStatus.CREATED, (answer.text, record)


def records(client: httpx.Client, entity: str) -> dict[str, Any]:
    answer = client.get(f"/data/{entity}").json()
    return {one["id"]: one for one in answer.get("records", ())}


Wish = tuple[Sequence[Mapping[str, Any]], Callable[[httpx.Client], None]]


def wishes(app: OwnApp) -> Iterator[Wish]:
    """Yield the morphs of each wish, and what holds when it is granted."""
    field, default = app.default
    added = {"type": "add_field", "entity": app.thing, "name": field, "field_type": "boolean"}

    def has_default(client: httpx.Client) -> None:
        assert {one[field] for one in records(client, app.thing).values()} == {default}

    yield [{**added, "default": default}], has_default
    word, shown = app.shown

    def has_words(client: httpx.Client) -> None:
        page = client.get(f"/new/{app.thing}", headers={"accept": "text/html"}).text
        assert f'<label for="f-{word}">{shown}' in page

    renamed = {"type": "rename", "node": f"{app.thing}.{word}", "name": word, "shown": shown}
    yield [renamed], has_words

    def lacks_field(client: httpx.Client) -> None:
        assert all(app.dropped not in one for one in records(client, app.thing).values())

    yield [{"type": "drop_field", "entity": app.thing, "field": app.dropped}], lacks_field
    limit = {"type": "add_limit", "name": "Full", "at_most": "5", "of": [app.target]}
    yield [{**limit, "entity": app.crowd[0]}], lambda client: rush(client, app)
    owner, _, number = app.total.partition(".")
    page = {"type": "add_surface", "panels": ["Sums"], "shows": [owner]}
    totals = {"type": "arrange_panel", "panel": "sums", "view": "table", "sum": [app.total]}

    def has_totals(client: httpx.Client) -> None:
        text = client.get("/panels/sums", headers={"accept": "text/html"}).text
        whole = sum(one[number] or 0 for one in records(client, owner).values())
        assert f"{whole:.2f}" in text or str(whole) in text

    yield [page, {**totals, "count": True}], has_totals
    holder, _, private = app.private.partition(".")
    everything = [one.id for one in graph_of(app.document).of_kind("entity")]
    guest = {"type": "add_role", "name": "Guest", "sees": everything}
    keeper = {"type": "add_role", "name": "Keeper", "sees": [app.private], "edits": everything}

    def is_private(client: httpx.Client) -> None:
        seen = next(iter(records(client, holder).values()))
        assert seen[private] is not None

    yield [guest, keeper], is_private


def rush(client: httpx.Client, app: OwnApp) -> None:
    """Let 100 people take the five places of two things at once: five each get one."""
    (entity, record), of, (key, more) = app.crowd, app.target, app.place
    places = ["2050-05-01", "2050-05-08"]
    for one in places:
        fill(client, iter([(of, {key: one, **more})]))

    def take(person: int) -> int:
        sent = {**record, "id": f"rush-{person}", of: places[person % 2]}
        return client.post(f"/data/{entity}", json=sent).status_code

    with ThreadPoolExecutor(PEOPLE) as pool:
        found = list(pool.map(take, range(PEOPLE)))
    assert sorted(set(found)) == [HTTPStatus.CREATED, HTTPStatus.CONFLICT]
    taken = [one[of] for one in records(client, entity).values() if one["id"].startswith("rush-")]
    assert [taken.count(one) for one in places] == [5, 5]
