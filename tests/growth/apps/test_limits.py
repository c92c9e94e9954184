"""Limits of an app hold without code: in forms, the API, imports, runs and among many writers."""

import asyncio
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.growth.apps.process import import_state
from attractor.growth.specification.document import read_document
from tests.growth.apps.small_app import write_with_bodies
from tests.growth.apps.test_pages import records, served

SPEC = read_document("""
identity: {purpose: Book repairs}
data_contracts:
  entities:
    - name: Booking
      fields:
        - {name: Guest, key: true}
        - {name: Session}
        - {name: Seat, type: integer}
        - {name: Begin, type: date}
        - {name: End, type: date}
        - {name: Kind}
      limits:
        - {name: Full, at_most: 5, of: [Session]}
        - {name: One seat each, unique: true, of: [Session, Seat]}
        - {name: Seats, between: [1, 300], of: [Seat]}
        - {name: Not in the past, not_before: today, of: [Begin]}
        - {name: Ends later, not_before: Begin, of: [End]}
        - {name: Kinds, one_of: [lamp, <b>radio</b>], of: [Kind]}
    - {name: Log, fields: [Line], limits: [{name: Short, at_most: 1}]}
workflows:
  pipelines: [{name: Write, steps: [{name: Two lines, reads: [Log], writes: [Log]}]}]
  triggers: [{name: New log, reads: [Log], runs: [Write]}]
interface: {actions: [{name: Write now, runs: [Write]}]}
""")
BODY = "return {'log': [*records['log'], {'id': 'a'}, {'id': 'b'}]}"


@pytest.fixture
def client(tmp_path: Path) -> Generator[httpx.Client]:
    tree = write_with_bodies(SPEC, tmp_path / "tree", {"steps/two_lines": BODY})
    with served(tree) as client:
        yield client


REFUSED_SEAT = "One seat each: there is one with the same Session and Seat already."
REFUSED: Sequence[tuple[dict[str, Any], str, str]] = (
    ({"seat": 301}, "seat", "Seats: Seat from 1 to 300."),
    ({"begin": "2026-11-25"}, "begin", "Not in the past: Begin not before today."),
    (
        {"begin": "2026-11-27", "end": "2026-11-26"},
        "end",
        "Ends later: End not before Begin.",
    ),
    ({"session": "a\0b", "seat": 8}, "session", REFUSED_SEAT),
    ({"kind": "toy"}, "kind", "Kinds: Kind: lamp, <b>radio</b>."),
    (
        {"session": "A", "seat": 7},
        "session",
        REFUSED_SEAT,
    ),
)


def test_limit_refuses_a_record_beside_its_field(client: httpx.Client) -> None:
    first = {"guest": "Ann", "session": "A", "seat": 7, "begin": "2026-11-26", "kind": "lamp"}
    assert client.post("/data/booking", json=first).is_success
    odd = {"guest": "Cy", "session": "a\0b", "seat": 8}
    assert client.post("/data/booking", json=odd).is_success
    for given, field, words in REFUSED:
        answer = client.post("/data/booking", json={"guest": "Bob", **given})
        assert (answer.status_code, answer.json()) == (409, {"error": words, "field": field})
        page = client.post("/records/booking", data={"guest": "Bob", **given})
        escaped = words.replace("<", "&lt;").replace(">", "&gt;")
        assert page.status_code == 409
        assert f'<p class="wrong" id="f-{field}-fault">{escaped}</p>' in page.text
        assert 'value="Bob"' in page.text
    assert [one["guest"] for one in records(client, "booking")] == ["Ann", "Cy"]
    assert client.post("/data/booking", json={"guest": "Bob"}).is_success


def test_hundred_writers_leave_five_of_a_session(client: httpx.Client) -> None:
    def book(number: int) -> int:
        record = {"guest": f"guest {number}", "session": 'Mon "A"', "seat": number + 1}
        return httpx.post(f"{client.base_url}/data/booking", json=record, timeout=60).status_code

    with ThreadPoolExecutor(100) as threads:
        statuses = list(threads.map(book, range(100)))
    assert (statuses.count(201), statuses.count(409)) == (5, 95)
    kept = records(client, "booking")
    assert len(kept) == 5
    other = {"guest": "late", "session": "B"}
    assert client.post("/data/booking", json=other).is_success
    path, moved = "/data/booking/late", {"guest": "late", "session": 'Mon "A"'}
    assert client.put(path, json=moved).json()["field"] == "session"
    assert client.put(path, json={**other, "kind": "lamp"}).is_success
    assert client.put(f"/data/booking/{kept[0]['id']}", json={**kept[0], "seat": 200}).is_success


def test_import_names_the_line_of_each_record_that_breaks_a_limit(client: httpx.Client) -> None:
    lines = [f"g{number},A,{number}" for number in range(1, 7)] + ["g7,B,301", "g8,B,1"]
    file = {"file": ("b", "\n".join(["guest,session,seat", *lines]))}
    for path in ("/new/booking/csv", "/new/booking/csv/add"):
        page = client.post(path, data={}, files=file)
        assert page.text.count("Full: at most 5 with the same Session.") == 6
        assert "<li>Line 8: Seats: Seat from 1 to 300.</li>" in page.text
        assert "Line 9" not in page.text
    assert records(client, "booking") == []


def test_run_that_breaks_a_limit_is_undone_and_told_beside_its_button(
    client: httpx.Client,
) -> None:
    page = client.post("/do/write_now")
    assert page.status_code == 409
    words = '<button>Write now</button><p class="wrong" role="alert">Short: at most 1.</p></form>'
    assert words in page.text
    answer = client.post("/data/log", json={"id": "1"})
    assert (answer.status_code, answer.json()["error"]) == (409, "Short: at most 1.")
    assert records(client, "log") == []
    assert client.get("/telemetry").json()["two_lines"]["errors"] == 0


def test_record_that_breaks_a_limit_already_changes_in_other_fields(tmp_path: Path) -> None:
    tree = write_with_bodies(SPEC, tmp_path / "tree", {})
    old = {"begin": "2026-01-01", "end": None, "guest": "Ann", "kind": None, "session": None}
    stored = {**old, "id": "Ann", "seat": 999}
    asyncio.run(
        import_state(tree, tmp_path / "state", {"booking": (dict(sorted(stored.items())),)})
    )
    with served(tree, APP_STATE=str(tmp_path / "state")) as client:
        for change, status in (({"kind": "lamp"}, 200), ({"seat": 998}, 409), ({"seat": 9}, 200)):
            answer = client.put("/data/booking/Ann", json={**stored, **change})
            assert answer.status_code == status
