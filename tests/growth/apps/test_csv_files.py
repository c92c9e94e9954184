"""Take records of a generated app out as CSV, and in again."""

import csv
import io
from collections.abc import Generator, Mapping
from pathlib import Path
from random import Random

import httpx
import pytest

from attractor.growth.apps.routes import triggered
from attractor.growth.apps.skeleton import write_app
from attractor.growth.morph import apply_morphs
from attractor.growth.simulation.traffic import read_recording
from tests.browsers import browser
from tests.counts import count
from tests.growth.apps.lending import write_lending
from tests.growth.apps.test_pages import any_record, fill, records, require_look, served
from tests.growth.sequences import GUARDED, random_sequence, without_limits
from tests.tables import table


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[httpx.Client]:
    with served(write_lending(tmp_path_factory.mktemp("csv") / "tree")) as client:
        fill(client)
        yield client


def send(
    client: httpx.Client, entity: str, content: str | bytes, *, add: bool = False
) -> httpx.Response:
    data = content.encode() if isinstance(content, str) else content
    end = "/add" if add else ""
    return client.post(f"/new/{entity}/csv{end}", files={"file": ("a.csv", data, "text/csv")})


def download(client: httpx.Client, entity: str) -> str:
    answer = client.get(f"/records/{entity}.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return answer.content.decode("utf-8-sig")


FORMULAS = (
    "=1+1",
    "+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "＝1+1",
    "'=1",
    "''",
    "'tis",
    "=cmd|' /C calc'!A0",
)


def test_formulas_are_defused_and_read_back_equal(client: httpx.Client, tmp_path: Path) -> None:
    sent = [{"name": one, "mail": one} for one in FORMULAS]
    assert client.post("/data/neighbour", json=sent).status_code == 201
    text = download(client, "neighbour")
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert not [one for one in cells if one.startswith(tuple("=+-@\t\r＝"))]
    with served(write_lending(tmp_path / "tree")) as other:
        assert "Added 12 to Neighbour." in send(other, "neighbour", text, add=True).text
        assert records(other, "neighbour") == records(client, "neighbour")


def test_each_value_of_random_apps_passes_through_a_file(tmp_path: Path) -> None:
    for seed in range(count(ci=2, full=50)):
        graph = without_limits(apply_morphs(GUARDED, random_sequence(seed, GUARDED)))
        write_app(graph, tmp_path / f"{seed}" / "tree")
        # The steps that a trigger starts are not built.
        entities = [one.id for one in graph.of_kind("entity") if one.id not in triggered(graph)]
        texts: dict[str, str] = {}
        for name in ("one", "other"):
            state = str(tmp_path / f"{seed}-{name}")
            with served(tmp_path / f"{seed}" / "tree", APP_STATE=state) as client:
                for entity in entities:
                    sent = [any_record(Random(f"{entity}{one}"), graph, entity) for one in range(9)]
                    if name == "one":
                        answer = client.post(f"/data/{entity}", json=sent)
                        texts[entity] = download(client, entity)
                    else:
                        answer = send(client, entity, texts[entity], add=True)
                    assert answer.status_code in (200, 201), answer.text
                    assert len(records(client, entity)) == 9
                    assert download(client, entity) == texts[entity]


WRONG: Mapping[str, tuple[str, str]] = {
    "unknown column": ("name,kind,colour\nAxe,hand,red", "Line 1, colour: unknown column"),
    "column twice": ("name,kind,Kind\nAxe,hand,hand", "Line 1, Kind: this column is there twice"),
    "missing column": ("name\nAxe", "Line 1, Kind: this column is missing"),
    "choice": ("name,kind\nAxe,hand\nHoe,blunt", "Line 3, Kind: choose one of the values"),
    "missing value": ("name,kind\n,hand", "Line 2, Name: fill this in"),
    "number": ("name,kind,price\nAxe,hand,much", "Line 2, Price: write a number, such as 12.5"),
    "thousands": (
        'name,kind,price\nAxe,hand,"1,200"',
        "Line 2, Price: write it without a comma between thousands",
    ),
    "thousands of a whole number": (
        "name;kind;weight\nAxe;hand;-12,345,678",
        "Line 2, Weight: write it without a comma between thousands",
    ),
    "infinite": ("name,kind,price\nAxe,hand,1e999", "Line 2, Price: write a number"),
    "date": ("name,kind,bought\nAxe,hand,2026-02-30", "Line 2, Bought: write a date"),
    "twice": ("name,kind\nAxe,hand\n\nAxe,power", "Line 4: the same record as in line 2"),
    "stored": ("name,kind\nDrill,hand", "Line 2: this record is in the app already"),
    "too many cells": ("name,kind\nAxe,hand,red", "Line 2: more cells than the first line has"),
    "several lines": ('name,kind,note\nAxe,hand,"a\nb"\nHoe,x', "Line 4, Kind: choose one"),
    "open quote": ('name,kind\n"Axe,hand', "Line 2: this is no CSV"),
    "empty": ("", "Line 1: the file has no records"),
    "long cell": (f"name,kind\nAxe,{'x' * 140_000}", "Line 2: this is no CSV"),
    "too many": (
        "name,kind\n" + "".join(f"{one},hand\n" for one in range(5001)),
        "Line 5002: more",
    ),
}


@table("case", WRONG)
def test_fault_is_named_by_line_and_column_and_nothing_is_added(
    client: httpx.Client, case: str
) -> None:
    content, fault = WRONG[case]
    for add in (False, True):
        page = send(client, "tool", content, add=add).text
        assert f"<li>{fault}" in page
        assert "Nothing was added." in page
    assert len(records(client, "tool")) == 2


def test_reference_to_no_record_is_a_fault_of_its_line(client: httpx.Client) -> None:
    content = "tool,neighbour\nDrill,Ann\nAxe,Ann"
    assert "<li>Line 3, Tool: no record of Tool" in send(client, "wish", content).text


def test_file_that_cannot_be_read_is_refused(client: httpx.Client) -> None:
    assert send(client, "tool", b"name\n\xff").status_code == 422
    assert send(client, "tool", b"a" * (1 << 20) + b"a").status_code == 413
    assert send(client, "tool", b"a" * (3 << 20)).status_code == 413
    assert send(client, "no", "a\nb").status_code == 404
    for kind in (b"text/csv", b"multipart/form-data", b"multipart/form-data; boundary=x", b"\xe9"):
        headers = {b"content-type": kind}
        answer = client.post("/new/tool/csv", content=b"--x\r\n\r\nname", headers=headers)
        assert answer.status_code == 422
    files = {"file": ("a.csv", b"name,kind\nAxe,hand", "text/csv")}
    site = {"origin": "https://evil.example"}
    assert client.post("/new/tool/csv/add", files=files, headers=site).status_code == 403
    assert len(records(client, "tool")) == 2


def test_spreadsheet_of_a_person_is_shown_added_and_recorded(tmp_path: Path) -> None:
    tree = write_lending(tmp_path / "tree")
    content = '\ufeffName;Kind;Price;Works\r\nAxe;hand;12,5;yes\r\n"<b>";hand;;\r\n;;;\r\n'
    with served(tree, APP_RECORDING=str(tmp_path / "taped")) as client, browser() as started:
        (tmp_path / "tools.csv").write_text(content, newline="")
        page = started.new_page(viewport={"width": 390, "height": 844}, java_script_enabled=True)
        page.goto(f"{client.base_url}/records/tool")
        page.get_by_role("link", name="Add from a CSV file").click()
        require_look(page)
        page.get_by_label("CSV file").set_input_files(tmp_path / "tools.csv")
        page.get_by_role("button", name="Check the file").click()
        require_look(page)
        assert records(client, "tool") == []
        assert "&lt;b&gt;" in page.content()
        page.get_by_role("button", name="Add 2 records").click()
        assert page.get_by_role("status").inner_text() == "Added 2 to Tool."
        assert [one["price"] for one in records(client, "tool")] == [None, 12.5]
        send(client, "tool", content)
        require_fault(client)
    told = [one.request for one in read_recording(tmp_path / "taped").exchanges]
    [added] = [one for one in told if one.method != "GET"]
    assert added.path == "/data/tool"
    assert isinstance(added.body, list)
    assert len(added.body) == 2


def require_fault(client: httpx.Client) -> None:
    wish = "tool,neighbour\nAxe,Ann"
    assert "Line 2, Neighbour: no record of Neighbour" in send(client, "wish", wish, add=True).text


def test_records_without_a_key_get_the_next_numbers(tmp_path: Path) -> None:
    with served(write_lending(tmp_path / "tree")) as client:
        fill(client)
        content = "id,tool,neighbour\n7,Drill,Ann\n,Saw,Bob\nx,Drill,Bob\n"
        page = send(client, "wish", content, add=True).text
        assert "Added 3 to Wish." in page
        assert "3 lent." in page
        assert [one["id"] for one in records(client, "wish")] == ["7", "8", "x"]
        assert (
            "Free tools did not accept 1 of them."
            in send(client, "wish", "tool,neighbour\nSaw,Ann", add=True).text
        )
