"""Pages of apps that nobody wrote code for: words of people, lists, filters and totals."""

import re
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from attractor.growth.apps.skeleton import write_app
from attractor.growth.errors import InvalidSpec
from attractor.growth.specification.document import read_document
from tests.browsers import PICTURES, browser
from tests.counts import IS_FULL
from tests.growth.apps.test_pages import ALLOWED, LOOKS, require_look, served
from tests.growth.own_apps.apps import CAFE, CHOIR, Rows, cafe_records, choir_records, graph_of
from tests.tables import table

MANY = 25
GARDEN = read_document("""
identity: {purpose: Garden}
data_contracts:
  entities:
    - {name: Gardener, fields: [name]}
    - name: Work
      fields: [{name: who, refers_to: [Gardener]}, {name: hours, type: number, unit: EUR}]
    - {name: Lamp, fields: [{name: state, choices: ["on", "off"]}]}
interface:
  panels:
    - name: Hours
      shows: [Work]
      arranged_by: [work.who]
      count: true
      sum: [work.hours]
    - {name: Lamps, shows: [Lamp], view: board, arranged_by: [lamp.state]}
""")


def fill(client: httpx.Client, records: Rows) -> None:
    for entity, record in records:
        assert client.post(f"/data/{entity}", json=record).status_code == 201, record


def words_of(page: str) -> str:
    """Return what a person reads."""
    text = re.sub(r"<(style|option).*?</\1>", "", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture(scope="module")
def cafe(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    tree = tmp_path_factory.mktemp("cafe") / "tree"
    write_app(graph_of(CAFE), tree)
    with served(tree) as client:
        yield client


@pytest.fixture(scope="module")
def filled(cafe: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    tree = tmp_path_factory.mktemp("filled") / "tree"
    write_app(graph_of(CAFE), tree)
    with served(tree) as client:
        fill(client, cafe_records(MANY))
        yield client


def test_empty_list_says_what_to_do(cafe: httpx.Client) -> None:
    for path in ("/panels/bookings", "/records/booking", "/panels/the_jar"):
        page = cafe.get(path).text
        assert "Nothing here yet. Add the first: Booking ." in words_of(page), path
        assert '<a href="/new/booking">Booking</a>' in page


def test_form_has_words_and_chooses_the_first_value(filled: httpx.Client) -> None:
    form = filled.get("/new/booking").text
    labels = [one.split("<")[0].strip() for one in re.findall(r"<label[^>]*>(.*?)</label>", form)]
    wanted = ["Guest", "Session", "Thing", "Kind", "Status", "Helped by", "Given to the jar (EUR)"]
    assert labels == wanted
    assert '<option value="booked" selected>' in form
    [kinds] = re.findall(r'<select id="f-kind".*?</select>', form, re.S)
    assert '<option value=""' not in kinds
    # A record keeps what it has.
    filled.post("/records/booking", data={**BOOKING, "status": "given up"})
    [new] = [one["id"] for one in records(filled) if one["guest"] == "Cleo"]
    assert '<option value="given up" selected>' in filled.get(f"/records/booking/{new}").text
    filled.delete(f"/data/booking/{new}")


BOOKING = {"guest": "Cleo", "session": "2026-12-05", "thing": "Lamp", "kind": "lamp"}


def records(client: httpx.Client) -> list[dict[str, str]]:
    return client.get("/data/booking").json()["records"]


def test_record_is_named_by_its_key_and_a_text_everywhere(filled: httpx.Client) -> None:
    hall = "5 Dec 2026, Library hall"
    assert f'<option value="2026-12-05">{hall}</option>' in filled.get("/new/booking").text
    for path in ("/records/booking", "/panels/bookings"):
        assert f'<a href="/records/session/2026-12-05">{hall}</a>' in filled.get(path).text
    assert f"Remove {hall}?" in filled.get("/records/session/2026-12-05/remove").text


def test_sessions_are_offered_in_the_order_of_their_days(filled: httpx.Client) -> None:
    form = filled.get("/new/booking").text
    offered = re.findall(r'<option value="(2026-\d\d-\d\d|2027-\d\d-\d\d)">', form)
    assert len(offered) > 5
    assert offered == sorted(offered)


def test_card_has_no_technical_id(filled: httpx.Client) -> None:
    assert "b-7" not in words_of(filled.get("/panels/bookings").text)
    assert "/records/booking/b-7" in filled.get("/panels/bookings").text


def test_day_of_a_calendar_and_column_of_a_board_name_their_records(
    filled: httpx.Client, tmp_path: Path
) -> None:
    december = filled.get("/panels/sessions?month=2026-12").text
    assert '<li><a href="/records/session/2026-12-05">Library hall</a></li>' in december
    write_app(GARDEN, tmp_path / "tree")
    with served(tmp_path / "tree") as client:
        fill(client, iter([("lamp", {"id": "1", "state": "on"})]))
        assert '<a href="/records/lamp/1">on</a>' in client.get("/panels/lamps").text


def test_thing_has_one_entry_in_the_menu_with_its_list_behind(filled: httpx.Client) -> None:
    menu = filled.get("/").text.partition('<nav aria-label="Pages">')[2].partition("</nav>")[0]
    places = ["/panels/bookings", "/panels/the_jar", "/panels/sessions", "/records/helper"]
    assert re.findall('href="([^"]+)"', menu) == places
    assert '<a href="/records/booking">All: Booking</a>' in filled.get("/panels/bookings").text


def test_column_without_cards_is_narrow(filled: httpx.Client) -> None:
    page = filled.get("/panels/bookings").text
    assert '<section aria-label="booked">' in page
    assert '<section class="bare" aria-label="given up">' in page


def test_long_list_has_filters(filled: httpx.Client) -> None:
    assert 'role="search"' not in filled.get("/records/helper").text
    page = filled.get("/records/booking").text
    names = re.findall(r'<select id="is-([a-z_]+)"', page)
    # All are booked: to choose among one value is of no use.
    assert names == ["session", "kind", "helped_by"]
    found = filled.get("/records/booking?is.kind=radio&is.session=2026-12-05&sort=guest").text
    assert re.findall(r">(Guest \d+)</a>", found) == ["Guest 1", "Guest 3"]
    assert "is.kind=radio" in found
    assert "2 of 25." in words_of(found)
    none = words_of(filled.get("/records/booking?is.kind=bicycle").text)
    assert "Nothing is left by these choices. Show all 25" in none


def test_totals_are_of_all_rows_and_of_each_group(filled: httpx.Client) -> None:
    for path in ("/panels/the_jar", "/"):
        page = words_of(filled.get(path).text)
        assert "Kind Number Given to the jar" in page
        assert "lamp 13 EUR 1.20 radio 12 EUR 1.20 Total 25 EUR 2.40" in page
    chosen = words_of(filled.get("/panels/the_jar?is.kind=radio").text)
    assert "radio 12 EUR 1.20 Total 12 EUR 1.20" in chosen


def test_totals_of_two_records_with_one_name_are_apart(tmp_path: Path) -> None:
    write_app(GARDEN, tmp_path / "tree")
    with served(tmp_path / "tree") as client:
        gardens = [("gardener", {"id": one, "name": "Ann"}) for one in ("1", "2")]
        hours = [("work", {"id": one, "who": one, "hours": int(one)}) for one in ("1", "2")]
        fill(client, iter([*gardens, *hours]))
        page = words_of(client.get("/panels/hours").text)
        assert "Ann 1 EUR 1.00 Ann 1 EUR 2.00 Total 2 EUR 3.00" in page
        # An amount that no page can write would take the home page from everybody.
        for value in (10**300, -(10**400)):
            refused = client.put("/data/work/1", json={"hours": value})
            assert (refused.status_code, refused.json()) == (
                422,
                {"error": "work.hours: not of type number"},
            )
        assert client.put("/data/work/1", json={"hours": 10**300 - 1}).is_success
        assert client.get("/").status_code == client.get("/panels/hours").status_code == 200


@table(
    ("sum_", "fault"),
    [
        ("thing.name", "is no number to sum"),
        ("other.price", "does not show other"),
        ("thing.price, pot.price", "more than one unit"),
    ],
)
def test_sum_that_makes_no_sense_is_refused(sum_: str, fault: str) -> None:
    price = "{name: price, type: number, unit: %s}"
    document = f"""
identity: {{purpose: Sell}}
data_contracts:
  entities:
    - {{name: Thing, fields: [name, {price % "EUR"}]}}
    - {{name: Pot, fields: [{price % "CHF"}]}}
    - {{name: Other, fields: [{price % "EUR"}]}}
interface:
  panels: [{{name: Sold, shows: [Thing, Pot], sum: [{sum_}]}}]
"""
    with pytest.raises(InvalidSpec, match=fault):
        read_document(document)


def test_records_with_references_as_keys_are_named_by_them(tmp_path: Path) -> None:
    write_app(graph_of(CHOIR), tmp_path / "tree")
    with served(tmp_path / "tree") as client:
        fill(client, choir_records(3))
        page = client.get("/records/attendance/2026-12-05-Singer 1").text
        assert "<h1>5 Dec 2026, Library hall, Singer 1</h1>" in page


@pytest.mark.parametrize("name", ["cafe", "choir"])
def test_pages_look_right_at_both_widths(name: str, tmp_path: Path) -> None:
    file, rows = {"cafe": (CAFE, cafe_records), "choir": (CHOIR, choir_records)}[name]
    graph = graph_of(file)
    write_app(graph, tmp_path / "tree")
    entities = [one.id for one in graph.of_kind("entity")]
    paths = ["/", *(f"/panels/{one.id}" for one in graph.of_kind("panel"))]
    paths += [f"/{place}/{one}" for one in entities for place in ("records", "new")]
    with served(tmp_path / "tree") as client, browser() as started:
        for number, several in enumerate((0, MANY)):
            fill(client, rows(several) if several else iter(()))
            for look, width, height, scheme in LOOKS if IS_FULL or PICTURES else LOOKS[1:2]:
                page = started.new_page(
                    viewport={"width": width, "height": height},
                    color_scheme="dark" if scheme == "dark" else "light",
                    extra_http_headers={**ALLOWED},
                )
                for path in paths if IS_FULL or PICTURES else paths[:5]:
                    page.goto(f"{client.base_url}/{path[1:]}")
                    require_look(page)
                    if PICTURES:
                        place = path.replace("/", "-")
                        picture = f"{PICTURES}/{name}{place}-{number}-{look}.png"
                        page.screenshot(path=picture, full_page=True)
                page.close()
