"""Use the pages of a generated app: forms, tables, boards, calendars and buttons."""

import html
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from random import Random
from subprocess import run
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from attractor.growth.apps.access import KEY_HASH, hash_of_key, key_header
from attractor.growth.apps.routes import triggered
from attractor.growth.apps.skeleton import write_app
from attractor.growth.morph import apply_morphs, keys_of
from attractor.growth.simulation.traffic import read_recording
from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import Relation, SpecGraph
from tests.browsers import PICTURES, browser
from tests.counts import IS_FULL, count
from tests.growth.apps.lending import write_lending
from tests.growth.apps.test_process import command
from tests.growth.sequences import GUARDED, random_sequence, without_limits
from tests.tables import table

Axe: Any = import_module("axe_playwright_python.sync_playwright").Axe

TOOLS = (
    {"name": "Drill", "kind": "power", "price": "89.5", "weight": "2", "bought": "2026-03-01"},
    {"name": "Saw", "kind": "hand", "price": "1234", "works": "yes", "note": "Sharp!"},
)


ALLOWED = key_header("test")
"""Headers that an app with roles allows everything."""


@contextmanager
def served(tree: Path, **variables: str) -> Generator[httpx.Client]:
    variables = {"APP_CLOCK": "2026-11-26T08:00:00Z", KEY_HASH: hash_of_key("test"), **variables}
    with (
        command(tree, **variables) as (_, url),
        httpx.Client(base_url=url, headers={"accept": "text/html", **ALLOWED}) as client,
    ):
        client.follow_redirects = True
        yield client


@pytest.fixture
def client(tmp_path: Path) -> Generator[httpx.Client]:
    with served(write_lending(tmp_path / "tree")) as client:
        yield client


def fill(client: httpx.Client) -> None:
    for one in TOOLS:
        assert "Added Tool." in client.post("/records/tool", data=one).text
    for name in ("Ann", "Bob"):
        client.post("/records/neighbour", data={"name": name})


def records(client: httpx.Client, entity: str) -> list[dict[str, Any]]:
    return client.get(f"/data/{entity}").json()["records"]


def values_in(page: str) -> dict[str, str]:
    """Return the values of the form of a record, as a browser would send them."""
    form = page.partition('<form class="record"')[2]
    given: dict[str, str] = {}
    for tag in re.findall(r"<(?:input|select|textarea)[^>]*>", form):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        assert name
        given[name[1]] = html.unescape(value[1]) if value else ""
    for name, options in re.findall(
        r'<select id="[^"]*" name="([^"]+)".*?>(.*?)</select>', form, re.S
    ):
        chosen = re.search(r'<option value="([^"]*)" selected>', options)
        given[name] = html.unescape(chosen[1]) if chosen else ""
    for name, text in re.findall(
        r'<textarea[^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>', form, re.S
    ):
        given[name] = html.unescape(text)
    return given


def test_wish_is_granted_refused_and_removed_by_forms(client: httpx.Client) -> None:
    fill(client)
    assert '<option value="Drill">Drill</option>' in client.get("/new/wish").text
    wish = {"tool": "Drill", "neighbour": "Ann", "due": "2026-11-30"}
    granted = client.post("/records/wish", data=wish)
    assert granted.url.path == "/records/wish"
    assert "1 lent." in granted.text
    refused = client.post("/records/wish", data={**wish, "neighbour": "Bob"}).text
    assert "Wish was not accepted by Free tools." in refused
    assert [one["neighbour"] for one in records(client, "loan")] == ["Ann"]

    kept = client.post("/records/tool/Drill/remove").text
    assert "Not removed: a record of wish refers to it." in kept
    assert "Removed Saw." in client.post("/records/tool/Saw/remove").text
    assert [one["id"] for one in records(client, "tool")] == ["Drill"]


def test_button_runs_its_pipeline_or_a_step_with_its_gates(client: httpx.Client) -> None:
    fill(client)
    client.post("/data/wish", json={"id": "w1", "tool": "Saw", "neighbour": "Bob"})
    page = client.get("/").text
    assert "Ask a neighbour" not in page
    assert "Lend again: done." in client.post("/do/lend_again").text
    asked = client.post("/do/lend_without_more").text
    assert "Lend without more?" in asked
    assert 'name="sure" value="yes"' in asked
    done = client.post("/do/lend_without_more", data={"sure": "yes"}).text
    # The gate let no wish pass: the tool is lent already.
    assert "0 lent." in done
    assert len(records(client, "loan")) == 1


WRONG: Mapping[str, tuple[dict[str, str], str, str]] = {
    "missing key": ({"name": ""}, "name", "fill this in"),
    "missing": ({"kind": ""}, "kind", "fill this in"),
    "choice": ({"kind": "blunt"}, "kind", "choose one of the values"),
    "number": ({"price": "much"}, "price", "write a number, such as 12.5"),
    "infinite": ({"price": "inf"}, "price", "write a number, such as 12.5"),
    "thousands": ({"price": "1,200"}, "price", "write it without a comma between thousands"),
    "integer": ({"weight": "2.5"}, "weight", "write a whole number, such as 12"),
    "date": ({"bought": "2026-02-30"}, "bought", "write a date, such as 2026-05-31"),
    "boolean": ({"works": "maybe"}, "works", "choose yes or no"),
    "taken": ({"name": "Saw"}, "name", "there is one with this value already"),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    with served(write_lending(tmp_path_factory.mktemp("filled") / "tree")) as client:
        fill(client)
        yield client


@table("case", WRONG)
def test_wrong_input_is_refused_beside_its_field_and_kept(filled: httpx.Client, case: str) -> None:
    changed, name, fault = WRONG[case]
    sent = {"name": "Axe", "kind": "hand", **changed}
    answer = filled.post("/records/tool", data=sent)
    assert answer.status_code in (409, 422)
    assert f'<p class="wrong" id="f-{name}-fault">{fault}</p>' in answer.text
    assert {key: one for key, one in values_in(answer.text).items() if key in sent} == sent
    assert len(records(filled, "tool")) == 2


def test_reference_to_no_record_is_refused(filled: httpx.Client) -> None:
    sent = {"tool": "Axe", "neighbour": "Ann"}
    assert "no record of tool has this id" in filled.post("/records/wish", data=sent).text
    answer = filled.post("/data/wish", json={"id": "1", **sent})
    assert answer.json() == {"error": "wish.tool: no record of tool has this id"}


def test_stale_form_overwrites_no_change_of_another_person(client: httpx.Client) -> None:
    fill(client)
    seen = values_in(client.get("/records/tool/Drill").text)
    other = {**seen, "price": "90", "note": "Oiled"}
    assert "Saved Drill." in client.post("/records/tool/Drill", data=other).text
    mine = {**seen, "note": "Line\r\nbreak", "weight": "3"}
    stale = client.post("/records/tool/Drill", data=mine)
    assert stale.status_code == 409
    assert "Somebody changed this meanwhile. What you typed is kept." in stale.text
    beside = dict(re.findall(r'id="f-(\w+)-theirs">(.*?)</p>', stale.text))
    assert beside == {
        "note": "The other person wrote: <strong>Oiled</strong>",
        "price": "The other person changed this.",
    }
    assert '<button>Save mine</button> <a class="button" href="/records/tool/Drill">' in stale.text
    assert records(client, "tool")[0]["note"] == "Oiled"
    again = values_in(stale.text)
    assert (again["price"], again["note"]) == ("90", "Line\r\nbreak")
    assert "Saved Drill." in client.post("/records/tool/Drill", data=again).text
    assert records(client, "tool")[0]["note"] == "Line\nbreak"
    client.delete("/data/tool/Drill")
    assert client.post("/records/tool/Drill", data=again).status_code == 404


def test_form_shows_a_reference_and_an_empty_value_of_another_person(client: httpx.Client) -> None:
    fill(client)
    client.post("/records/wish", data={"tool": "Drill", "neighbour": "Ann", "due": "2026-11-30"})
    seen = values_in(client.get("/records/wish/1").text)
    client.post("/records/wish/1", data={**seen, "neighbour": "Bob", "due": ""})
    mine = {**seen, "neighbour": "", "due": "2026-12-01"}
    with browser() as started:
        page = started.new_page(viewport={"width": 390, "height": 844})
        page.set_content(client.post("/records/wish/1", data=mine).text)
        require_look(page)
        told = page.get_by_label("Due").evaluate("one => one.getAttribute('aria-describedby')")
        assert page.locator(f"#{told}").inner_text() == "The other person wrote: nothing"
        assert "wrote: Bob" in page.inner_text("main")


def test_api_refuses_a_record_that_was_read_earlier_and_sends_the_new_one(tmp_path: Path) -> None:
    tree = write_lending(tmp_path / "tree")
    with served(tree, APP_RECORDING=str(tmp_path / "taped")) as client:
        [read] = client.post("/data/neighbour", json={"name": "Ann", "mail": "a"}).json()["records"]
        first = client.put("/data/neighbour/Ann", json={**read, "mail": "b", "record.seen": read})
        late = client.put("/data/neighbour/Ann", json={**read, "mail": "c", "record.seen": read})
        invalid = client.put("/data/neighbour/Ann", json={**read, "record.seen": "b"})
        gone = client.put("/data/neighbour/Bob", json={"name": "Bob", "record.seen": read})
        stored = records(client, "neighbour")
    assert (first.status_code, late.status_code, invalid.status_code) == (200, 409, 422)
    fault = "neighbour: somebody changed the record meanwhile"
    assert late.json() == {"error": fault, "record": {**read, "mail": "b"}}
    assert gone.json() == {"error": fault, "record": None}
    assert stored == [{**read, "mail": "b"}]
    puts = [
        one.request.body
        for one in read_recording(tmp_path / "taped").exchanges
        if one.request.method == "PUT" and one.response.status == 200
    ]
    assert puts == [{**read, "mail": "b"}]


def test_form_that_another_request_overtakes_is_refused(tmp_path: Path) -> None:
    tree = write_lending(tmp_path / "tree")
    code = (
        "from app.answers import App; from app.contract import Changed; from pathlib import Path\n"
        "app = App(Path('state'), None, 0); old = {'id': 'Ann', 'mail': None, 'name': 'Ann'}\n"
        "app.add('neighbour', old); app.put('neighbour', 'Ann', {**old, 'mail': 'a'}, before=old)\n"
        "try: app.put('neighbour', 'Ann', {**old, 'mail': 'b'}, before=old)\n"
        "except Changed: print(app.records('neighbour')['records'][0]['mail'])\n"
    )
    done = run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, check=True)
    assert done.stdout == "a\n"


def test_long_numbers_as_ids_leave_the_next_numbers_free(client: httpx.Client) -> None:
    fill(client)
    wish = {"tool": "Drill", "neighbour": "Ann"}
    for id_ in ("9" * 5000, "9" * 15, "1" + "0" * 15):
        assert client.post("/data/wish", json={"id": id_, **wish}).status_code == 201
    assert "Added Wish." in client.post("/records/wish", data={**wish, "tool": "Saw"}).text
    assert "1" + "0" * 14 + "1" in [one["id"] for one in records(client, "wish")]


def test_large_body_is_refused_by_the_api(client: httpx.Client) -> None:
    large = b'{"name": "' + b"x" * (1 << 20) + b'"}'
    for method, path in (("POST", "/data/tool"), ("PUT", "/data/tool/Saw")):
        assert client.request(method, path, content=large).status_code == 413
    assert records(client, "tool") == []


def test_table_is_searched_sorted_and_shown_in_the_language_of_the_person(
    filled: httpx.Client,
) -> None:
    def shown(query: str = "", language: str = "en") -> list[str]:
        headers = {"accept-language": language}
        page = filled.get(f"/records/tool{query}", headers=headers).text
        cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
        return [re.sub("<.*?>", "", one).replace("\xa0", " ") for one in cells]

    assert shown()[:5] == ["Drill", "power", "EUR 89.50", "2 kg", "1 Mar 2026"]
    assert shown("?sort=price&order=falling")[0] == "Saw"
    assert shown("?q=SHARP") == ["Saw", "hand", "EUR 1,234.00", "", "", "yes", "Sharp!"]
    german = shown("?q=1.234,00", "de-AT,de;q=0.9,en;q=0.1")
    assert german[2] == "1.234,00 EUR"
    assert shown("", "fr")[4] == "01/03/2026"
    assert shown("", "en-US")[4] == "3/1/2026"
    assert shown("", "xx;q=9,*")[4] == "1 Mar 2026"
    assert "Nothing contains “nobody”." in filled.get("/records/tool?q=nobody").text
    for query in ("?page=99999999", "?page=0", "?sort=no", "?page=%F0%9F%90%84"):
        assert filled.get(f"/records/tool{query}").status_code == 200


def test_calendar_shows_the_month_and_its_neighbours(client: httpx.Client) -> None:
    fill(client)
    client.post("/records/wish", data={"tool": "Saw", "neighbour": "Ann", "due": "2026-12-01"})
    assert "November 2026" in client.get("/panels/due_back").text
    december = client.get("/panels/due_back?month=2026-12").text
    assert "December 2026" in december
    assert 'datetime="2026-12-01"' in december
    for month in ("0001-01", "9999-12", "2026-13", "x"):
        assert client.get(f"/panels/due_back?month={month}").status_code == 200


def test_page_of_another_site_changes_nothing(client: httpx.Client) -> None:
    attacks = (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    )
    for headers in attacks:
        for path in ("/records/tool", "/data/tool", "/do/lend_again", "/run/lending"):
            assert client.post(path, data=TOOLS[0], headers=headers).status_code == 403, path
    assert records(client, "tool") == []
    own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert "Added Tool." in client.post("/records/tool", data=TOOLS[0], headers=own).text
    csp = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in csp


def test_form_is_recorded_as_the_request_of_the_api(tmp_path: Path) -> None:
    tree = write_lending(tmp_path / "tree")
    with served(tree, APP_RECORDING=str(tmp_path / "taped")) as client:
        fill(client)
        client.post("/records/tool/Saw", data={"note": "Blunt"})
        client.post("/do/lend_again")
        client.post("/records/tool/Saw/remove")
        client.post("/records/tool", data={"name": ""})
    told = [
        (one.request.method, one.request.path, one.response.status)
        for one in read_recording(tmp_path / "taped").exchanges
        if one.request.method != "GET"
    ]
    assert told == [
        *[("POST", "/data/tool", 201)] * 2,
        *[("POST", "/data/neighbour", 201)] * 2,
        ("PUT", "/data/tool/Saw", 200),
        ("POST", "/actions/lend_again", 200),
        ("DELETE", "/data/tool/Saw", 200),
        ("POST", "/data/tool", 422),
    ]


TEXTS = ("plain", ' <b>"x"</b> & ', "Zoë 🐄", "two\nlines", "\n first", "x" * 200, "=1+1")
VALUES: Mapping[str, tuple[Any, ...]] = {
    "text": TEXTS,
    "integer": (0, -7, 10**30),
    "number": (0.5, -1e-300, 3, 2.5e20),
    "date": ("2026-02-28", "0001-01-01"),
    "boolean": (True, False),
}


def any_record(random: Random, graph: SpecGraph, entity: str) -> dict[str, Any]:
    number = f"r{random.randrange(10**9)}"
    record: dict[str, Any] = {"id": number}
    for field in graph.children(entity, "field"):
        choices: Any = field.fields.get("choices")
        values = choices or VALUES[str(field.fields.get("type", "text"))]
        if field.targets(Relation.REFERS_TO):
            values = ()
        elif field.fields.get("key"):
            values = (number,)
        missing = (None,) if not {"required", "key"} & field.fields.keys() else ()
        record[field.id.partition(".")[2]] = random.choice([*missing, *values])
    return record


def test_each_value_of_random_apps_passes_through_its_form(tmp_path: Path) -> None:
    for seed in range(count(ci=2, full=100)):
        random = Random(seed)
        graph = without_limits(apply_morphs(GUARDED, random_sequence(seed, GUARDED)))
        write_app(graph, tmp_path / str(seed) / "tree")
        with served(tmp_path / str(seed) / "tree") as client:
            # The steps that a trigger starts are not built.
            entities = [one for one in graph.of_kind("entity") if one.id not in triggered(graph)]
            for entity in entities:
                record = any_record(random, graph, entity.id)
                assert client.post(f"/data/{entity.id}", json=record).status_code == 201
                address = f"/records/{entity.id}/{record['id']}"
                page = client.get(address)
                assert client.post(address, data=values_in(page.text)).status_code == 200
                assert records(client, entity.id) == [dict(sorted(record.items()))]
                require_way_back(client, graph, entity.id, address)
                if keys_of(graph, entity.id):
                    continue
                sent = {key: one for key, one in values_in(page.text).items() if one}
                assert "Added " in client.post(f"/records/{entity.id}", data=sent).text
                copy = next(one for one in records(client, entity.id) if one["id"] == "1")
                assert {**record, "id": "1"} == copy


def test_pages_of_random_apps_have_no_violation_of_axe(tmp_path: Path) -> None:
    with browser() as started:
        for seed in range(count(ci=1, full=30)):
            graph = without_limits(apply_morphs(GUARDED, random_sequence(seed, GUARDED)))
            write_app(graph, tmp_path / str(seed) / "tree")
            page = started.new_page(
                viewport={"width": 390, "height": 844}, extra_http_headers={**ALLOWED}
            )
            with served(tmp_path / str(seed) / "tree") as client:
                for entity in [one.id for one in graph.of_kind("entity")][: count(ci=1, full=99)]:
                    record = any_record(Random(seed), graph, entity)
                    client.post(f"/data/{entity}", json=record)
                    for path in (f"/records/{entity}", f"/new/{entity}"):
                        page.goto(str(client.base_url.join(path)))
                        require_look(page)
                page.goto(str(client.base_url))
                require_look(page)
            page.close()


def require_way_back(client: httpx.Client, graph: SpecGraph, entity: str, address: str) -> None:
    pages = ["/", f"/records/{entity}", f"/new/{entity}", address, f"{address}/remove", "/no"]
    pages += [f"/panels/{panel.id}" for panel in graph.of_kind("panel")]
    for path in pages:
        page = client.get(path)
        assert page.status_code == (404 if path == "/no" else 200), path
        assert '<a class="home" href="/"' in page.text


LOOKS = (
    *[("390", 390, 844, "light"), ("390-dark", 390, 844, "dark")],
    *[("1440", 1440, 900, "light"), ("1440-dark", 1440, 900, "dark")],
)


def test_pages_look_right_and_have_no_violation_of_axe(client: httpx.Client) -> None:
    fill(client)
    wish = {"tool": "Drill", "neighbour": "Ann", "due": "2026-11-30"}
    client.post("/records/wish", data=wish)
    paths = ["/", "/records/tool?q=a", "/new/wish", "/records/tool/Saw", "/do/lend_without_more"]
    paths += ["/panels/due_back", "/panels/tools", "/records/tool/Saw/remove", "/no"]
    with browser() as started:
        for name, width, height, scheme in LOOKS if IS_FULL or PICTURES else LOOKS[1:2]:
            page = started.new_page(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                java_script_enabled=True,
            )
            for number, path in enumerate(paths):
                page.goto(f"{client.base_url}/{path[1:]}")
                require_look(page)
                if PICTURES:
                    page.screenshot(path=f"{PICTURES}/app-{number}-{name}.png", full_page=True)
            page.close()


def require_look(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    widths = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    wanted, shown = page.evaluate(widths)
    assert wanted <= shown, page.url


def test_person_without_scripts_lends_a_tool(client: httpx.Client) -> None:
    fill(client)
    with browser() as started:
        page = started.new_page(java_script_enabled=False)
        page.goto(str(client.base_url))
        page.get_by_role("link", name="New: Wish").click()
        page.get_by_label("Tool").select_option("Saw")
        page.get_by_label("Neighbour").select_option("Ann")
        page.get_by_label("Due").fill("2026-12-01")
        page.get_by_role("button", name="Add").click()
        assert page.get_by_role("status").inner_text().split() == ["Added", "Wish.", "1", "lent."]
        page.get_by_role("link", name="Lend the tools of a street").click()
        page.get_by_role("button", name="Lend again").click()
        assert "Lend again: done." in page.get_by_role("status").inner_text()


def test_panel_that_fails_is_said_on_the_home_page(tmp_path: Path) -> None:
    graph = read_document("{identity: {purpose: Fail}, interface: {panels: [One, Two]}}")
    write_app(graph, tmp_path / "tree")
    (tmp_path / "tree" / "app" / "panels" / "one.py").write_text("def rows(a, b): return 1 / 0\n")
    with served(tmp_path / "tree") as client:
        page = client.get("/").text
        assert "panel one: ZeroDivisionError" in page
        assert "Nothing here yet." in page
