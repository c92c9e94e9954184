"""A person of an app asks for a link by mail, and signs in with it once."""

import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from attractor.growth.morph import read_morph
from attractor.growth.specification.document import read_document
from attractor.growth.specification.graph import SpecGraph
from attractor.twins.services.service_twin import ServiceTwin
from tests.browsers import browser
from tests.growth.apps import test_access
from tests.growth.apps.test_access import ROLES, Street
from tests.growth.apps.test_pages import require_look
from tests.growth.test_mail import letters, mail_twin
from tests.patience import PATIENCE_S

HOST = {"host": "tools.example"}
ADA = "ada@street.example"
NOW, LATE = "2026-11-26T08:00:00Z", "2026-11-26T08:15:00Z"
SENT = "a letter with a link is on its way"


def with_mail() -> SpecGraph:
    graph = read_document(
        "{identity: {purpose: Lend tools}, evidence_policy: {sources: [Mail]}, data_contracts: "
        "{entities: [{name: Tool, fields: [name]}]}, workflows: {pipelines: "
        "[{name: Lending, steps: [{name: Remind, reads: [Tool], writes: [Mail]}]}]}}"
    )
    return read_morph({"type": "add_role", **ROLES[0]}).apply(graph)


def make_street(folder: Path) -> Street:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_access, "with_roles", with_mail)
        patch.setattr(test_access, "BODIES", {})
        street = Street(folder)
    for name, *more in (("Ada", f"--mail={ADA}"), ("Bob",)):
        street.run("invite", name, "--role", "Guest", *more, clock=NOW)
    return street


@contextmanager
def serving(street: Street, twin: ServiceTwin, clock: str = NOW) -> Generator[httpx.Client]:
    with (
        street.serving(APP_CLOCK=clock, APP_HOSTS="tools.example,other.example", **twin.environ()),
        street.client() as client,
    ):
        client.headers.update(HOST)
        client.follow_redirects = False
        yield client


def ask(client: httpx.Client, address: str, **headers: str) -> httpx.Response:
    return client.post("/sign-in", data={"address": address}, headers=headers)


def link_in(twin: ServiceTwin, number: int) -> str:
    """Return the path of the link in a letter, which is sent after the answer."""
    until = time.monotonic() + PATIENCE_S
    while len(letters(twin)) < number and time.monotonic() < until:
        time.sleep(0.02)
    letter = letters(twin)[number - 1]
    assert (letter["to"], letter["subject"]) == ([ADA], "Sign in: Lend tools")
    found = re.search(r"https://tools\.example(/sign-in/\S{43})\n", str(letter["body"]))
    assert found
    return found[1]


def test_link_of_a_letter_signs_in_once_by_a_button(tmp_path: Path) -> None:
    street = make_street(tmp_path)
    with mail_twin() as twin, serving(street, twin) as client:
        assert 'name="address"' in client.get("/").text
        answers = {ask(client, one).text for one in ("Ada@street.example", "eve@x.example", "")}
        assert len(answers) == 1
        assert SENT in answers.pop()
        link = link_in(twin, 1)
        assert len(letters(twin)) == 1
        # A scanner of mail opens links.
        for _ in range(2):
            assert "Sign in as Ada" in client.get(link).text
        ask(client, ADA)
        other = link_in(twin, 2)
        signed_in = client.post(link)
        assert signed_in.headers["location"] == "/"
        client.headers["cookie"] = signed_in.headers["set-cookie"].partition(";")[0]
        assert client.get("/").status_code == 200
        del client.headers["cookie"]
        client.cookies.clear()
        for used in (link, other):
            assert client.post(used).status_code == 403
            refused = client.get(used).text
            assert "used already, or its time is over" in refused
            assert "Send me a link" in refused
        stored = (street.state / "sign_in.json").read_text()
        assert ADA in stored
        assert link.rpartition("/")[2] not in stored
        # Three letters in fifteen minutes.
        for _ in range(4):
            assert SENT in ask(client, ADA).text
        people = {one["name"]: one["invited_until"] for one in street.run("people", clock=NOW)}
        link_in(twin, 3)
        # The invitations of the operator hold.
        assert all(people.values())
    assert len(letters(twin)) == 3


def test_link_ends_after_fifteen_minutes_and_with_the_person(tmp_path: Path) -> None:
    street = make_street(tmp_path)
    with mail_twin() as twin:
        with serving(street, twin) as client:
            for number in (1, 2, 3):
                ask(client, ADA)
                link = link_in(twin, number)
        with serving(street, twin, LATE) as client:
            assert client.get(link).status_code == client.post(link).status_code == 403
            ask(client, ADA)
            link = link_in(twin, 4)
            assert client.get(link).status_code == 200
            street.run("remove", "Ada")
            street.run("invite", "Ada", "--role", "Guest", clock=LATE)
            assert client.post(link).status_code == 403
            assert SENT in ask(client, ADA).text
        assert len(letters(twin)) == 4


def test_strangers_choose_neither_the_address_of_a_link_nor_the_page(tmp_path: Path) -> None:
    street = make_street(tmp_path)
    with mail_twin() as twin, serving(street, twin) as client:
        forged = {"host": "tools.example:80@evil.example", "x-forwarded-host": "evil.example"}
        ask(client, ADA, **forged)
        link_in(twin, 1)
        assert ask(client, ADA, **{"sec-fetch-site": "cross-site"}).status_code == 403
        assert ask(client, ADA, host="evil.example").status_code == 421
        assert client.get("/sign-in").status_code == 403
        assert client.post("/sign-in", content=b"\xff").status_code == 422
        assert len(letters(twin)) == 1
        (street.state / "sign_in.json").write_text('{"links": [{"name": "Ada"}]}')
        assert "sign_in.json is damaged" in street.run("people", code=1)


def test_address_is_refused_where_no_letter_could_be_sent(tmp_path: Path) -> None:
    street = make_street(tmp_path / "mail")
    words = ("invite", "Eve", "--role", "Guest", "--mail")
    assert "NAME@DOMAIN" in street.run(*words, "eve@local", code=1)
    assert "another person has this mail address" in street.run(*words, ADA.upper(), code=1)
    with mail_twin() as twin:
        variables = {"APP_USER_HEADER": "x-user", "APP_HOSTS": "tools.example"}
        for given in ({}, variables):
            with street.serving(**given, **twin.environ()), street.client() as client:
                assert "Send me a link" not in client.get("/").text
                assert ask(client, ADA).status_code == 403
    other = Street(tmp_path / "no_mail")
    assert "none of its steps writes the source Mail" in other.run(*words, ADA, code=1)


def test_page_that_asks_for_an_address_has_no_violation_of_axe(tmp_path: Path) -> None:
    street = make_street(tmp_path)
    with mail_twin() as twin, serving(street, twin) as client, browser() as started:
        page = started.new_page(viewport={"width": 390, "height": 844})
        page.set_content(client.get("/").text)
        require_look(page)
        assert page.get_by_label("Your mail address").is_visible()
