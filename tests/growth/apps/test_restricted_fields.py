"""A field that a role is named to see: answers to others lack its value, and no change loses it."""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from attractor.growth.apps.routes import routes
from attractor.growth.errors import InvalidSpec
from attractor.growth.morph import add_child, apply_morphs, new_node, read_morph
from attractor.growth.specification.document import read_document
from attractor.growth.specification.document_writer import write_document
from attractor.growth.specification.graph import Relation, SpecGraph
from attractor.growth.specification.rights import changed_sight, told_by_steps
from tests.growth.apps import test_access
from tests.growth.apps.lending import LENDING
from tests.growth.apps.test_access import JSON, PAGE, Street
from tests.tables import table

CANARY = "canary@street.example"
ROLES: tuple[Mapping[str, Any], ...] = (
    {"name": "Guest"},
    {"name": "Visitor", "sees": ["Neighbour", "People", "Mails", "Desk"], "edits": ["Loan"]},
    {"name": "Clerk", "sees": ["People"], "does": ["Lending"], "edits": ["Neighbour"]},
    {"name": "Helper", "sees": ["neighbour.mail"], "edits": ["Neighbour"]},
)
SEES = {"Guest": True, "Visitor": False, "Clerk": False, "Helper": True}


def restricted() -> SpecGraph:
    graph = LENDING
    panel = new_node(graph, "People", "panel").with_targets(Relation.SHOWS, ["neighbour"])
    graph = add_child(graph, "interface", panel)
    desk = {"type": "add_surface", "panels": ["Desk"], "shows": ["neighbour"]}
    board = {"type": "arrange_panel", "panel": "desk", "view": "board", "by": "neighbour.mail"}
    graph = apply_morphs(graph, [read_morph(desk), read_morph(board)])
    output = new_node(graph, "Mails", "output").with_targets(Relation.READS, ["neighbour"])
    graph = add_child(graph, "workflows", output)
    for one in ROLES:
        graph = read_morph({"type": "add_role", **one}).apply(graph)
    return graph


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Generator[Street]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_access, "with_roles", restricted)
        app = Street(tmp_path_factory.mktemp("street"))
    body = Path(app.tree, "app", "panels", "people.py")
    rows = '[{"name": one["name"], "mail": one["mail"]} for one in records["neighbour"]]'
    body.write_text(
        "from app.contract import Context, Panel, Records\n\n\n"
        "def rows(records: Records, context: Context) -> Panel:\n"
        f'    return Panel("People", 1, {rows})\n'
    )
    with app.serving():
        with app.harness() as harness:
            person = {"name": "Zoe", "mail": CANARY}
            assert harness.post("/data/neighbour", json=person).status_code == 201
            harness.post("/data/tool", json={"name": "Drill", "kind": "power"})
            loan = {"id": "1", "tool": "Drill", "neighbour": "Zoe", "due": "2026-01-02"}
            assert harness.post("/data/loan", json=loan).status_code == 201
        yield app


def places() -> list[str]:
    found = {one.path.replace("{id}", "Zoe") for one in routes(restricted()) if one.method == "GET"}
    for entity in ("neighbour", "loan", "tool"):
        found |= {f"/records/{entity}", f"/records/{entity}.csv", f"/new/{entity}"}
    return [*sorted(found), "/records/neighbour/Zoe", "/records/neighbour/Zoe/remove", "/"]


@table("role", [*SEES])
@table("headers", [PAGE, JSON])
def test_no_answer_has_the_value(street: Street, role: str, headers: Mapping[str, str]) -> None:
    with street.signed_in(role, headers) as client:
        answers = [client.get(f"{path}{query}") for path in places() for query in ("", "?q=canary")]
        if role == "Clerk":
            answers.append(client.post("/run/lending"))
    assert any(CANARY in one.text for one in answers) == SEES[role]
    assert not [str(one.url) for one in answers if one.status_code == 500]


def mail(street: Street) -> str:
    with street.harness() as harness:
        [zoe] = [
            one for one in harness.get("/data/neighbour").json()["records"] if one["name"] == "Zoe"
        ]
        return zoe["mail"]


def test_search_and_order_say_nothing_about_the_value(street: Street) -> None:
    with street.harness() as harness:
        other = {"name": "Adam", "mail": "zz@street.example"}
        assert harness.post("/data/neighbour", json=other).status_code == 201
    with street.signed_in("Visitor") as client:
        pages = [client.get(f"/records/neighbour{query}").text for query in ("", "?q=canary")]
        assert ("Zoe" in pages[0], "Zoe" in pages[1]) == (True, False)
        assert "Mail" not in pages[0]
        rows = client.get("/records/neighbour?sort=mail&order=falling").text
        assert rows.index("Adam") < rows.index("Zoe")
    with street.harness() as harness:
        assert harness.delete("/data/neighbour/Adam").status_code == 200


@table("role", ["Guest", "Visitor"])
def test_board_by_a_hidden_field_is_a_table(street: Street, role: str) -> None:
    with street.signed_in(role) as client:
        page = client.get("/panels/desk").text
        assert ('class="board"' in page, "Zoe" in page) == (SEES[role], True)


def test_change_by_another_role_keeps_the_value(street: Street) -> None:
    with street.signed_in("Clerk", JSON) as client:
        put = client.put("/data/neighbour/Zoe", json={"name": "Zoe"})
        assert (put.status_code, "mail" in put.json()) == (200, False), put.text
        given = client.put("/data/neighbour/Zoe", json={"name": "Zoe", "mail": "other@x.example"})
        assert given.status_code == 403
    assert mail(street) == CANARY
    with street.signed_in("Clerk") as client:
        page = client.get("/records/neighbour/Zoe").text
        assert 'name="mail"' not in page
        seen = page.split('name="record.seen" value="')[1].split('"')[0]
        sent = {"name": "Zoe", "record.seen": seen}
        assert client.post("/records/neighbour/Zoe", data=sent).status_code == 200
        sent["mail"] = "other@x.example"
        assert client.post("/records/neighbour/Zoe", data=sent).status_code in (200, 403)
    assert mail(street) == CANARY
    with street.signed_in("Helper", JSON) as client:
        record = client.get("/data/neighbour").json()["records"][0]
        assert client.put("/data/neighbour/Zoe", json=record).json()["mail"] == CANARY


def test_conflict_says_nothing_about_the_value(street: Street) -> None:
    with street.harness() as harness, street.signed_in("Visitor") as client:
        loan = harness.get("/data/loan").json()["records"][0]
        page = client.get("/records/loan/1").text
        seen = page.split('name="record.seen" value="')[1].split('"')[0]
        harness.put("/data/loan/1", json={**loan, "due": "2026-01-03"})
        sent = {"due": "2026-01-04", "neighbour": "", "record.seen": seen}
        stale = client.post("/records/loan/1", data=sent)
        assert ("2026-01-03" in stale.text, CANARY in stale.text) == (True, False)
    with street.harness() as harness, street.signed_in("Clerk", JSON) as client:
        read = client.get("/data/neighbour").json()["records"][0]
        hidden = {**read, "record.seen": {**read, "mail": CANARY}}
        assert client.put("/data/neighbour/Zoe", json=hidden).json()["record"] == read
        other = {"name": "Zoe", "mail": "new@street.example"}
        assert harness.put("/data/neighbour/Zoe", json=other).status_code == 200
        # A change of a hidden value is no change to this person.
        assert client.put("/data/neighbour/Zoe", json={**read, "record.seen": read}).is_success
        page = client.get("/records/neighbour/Zoe", headers=PAGE).text
        seen = page.split('name="record.seen" value="')[1].split('"')[0]
        harness.put("/data/neighbour/Zoe", json={"name": "Zoe", "mail": CANARY})
        sent = {"name": "Zoe", "record.seen": seen}
        saved = client.post("/records/neighbour/Zoe", data=sent, headers=PAGE)
        assert (saved.status_code, CANARY in saved.text) == (200, False)
    assert mail(street) == CANARY


def test_person_types_the_value_of_a_new_record_and_does_not_see_it_again(street: Street) -> None:
    with street.signed_in("Clerk") as client:
        assert 'name="mail"' in client.get("/new/neighbour").text
        sent = {"name": "Eve", "mail": "eve@street.example"}
        answer: httpx.Response = client.post("/records/neighbour", data=sent)
        assert answer.status_code == 200
        assert "eve@street.example" not in answer.text
    with street.harness() as harness:
        stored = harness.get("/data/neighbour").json()["records"]
        assert {one["mail"] for one in stored} == {CANARY, "eve@street.example"}
        harness.delete("/data/neighbour/Eve")


def test_key_is_refused_in_a_morph_and_in_a_document() -> None:
    with pytest.raises(InvalidSpec, match="role clerk: sees leads to the key neighbour.name"):
        read_morph({"type": "add_role", "name": "Clerk", "sees": ["neighbour.name"]}).apply(LENDING)
    text = write_document(restricted())
    assert read_document(text).spec_hash == restricted().spec_hash
    with pytest.raises(InvalidSpec, match="role helper: sees leads to the key neighbour.name"):
        read_document(text.replace("neighbour.mail", "neighbour.name"))


def test_plan_names_steps_that_may_tell_others() -> None:
    told = [*told_by_steps(restricted())]
    assert told == []
    reading = restricted()["lend"].with_targets(Relation.READS, ["neighbour"])
    reading = reading.with_targets(Relation.WRITES, ["loan"])
    [line] = told_by_steps(restricted().replace(reading))
    assert line.endswith("reads neighbour.mail, which only some see, and writes loan")


def test_plan_names_roles_that_lose_or_gain_a_field_by_the_rights_of_another() -> None:
    after, both = restricted(), "clerk, visitor"
    others = {"type": "add_role", **ROLES[-1], "sees": ["neighbour"]}
    before = read_morph(others).apply(after)
    assert [*changed_sight(before, after)] == [f"field neighbour.mail: hidden from {both}"]
    assert [*changed_sight(after, before)] == [
        "field neighbour.mail: shown to clerk, helper, visitor"
    ]
    assert [*changed_sight(after, after)] == [*changed_sight(LENDING, LENDING)] == []
