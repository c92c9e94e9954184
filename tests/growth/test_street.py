"""The lending example from an empty folder to its third version, and a person in its pages.

The operator types the commands that are printed, and no file. The person has seen only pages.
"""

import json
import re
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from attractor.server.service import Service
from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import load_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.browsers import browser
from tests.cli.test_grow_init import AppDesk, models
from tests.counts import IS_FULL
from tests.examples import ROOT
from tests.patience import PATIENCE_S
from tests.prepared import PROGRAM
from tests.server.conftest import PAGE, serving

PARKED, REFUSED = 3, 4
DAY = timedelta(days=1)
MINUTES = 15


@dataclass
class Street(AppDesk):
    """The street's folder, and the commands that its operator typed."""

    typed: list[str] = field(default_factory=list[str])

    def do(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a process: the browser of the test has an event loop here."""
        command = [PROGRAM, *words]
        return subprocess.run(
            command, cwd=self.place, env=self.environ, capture_output=True, text=True, check=False
        )

    def type(self, *words: str, code: int = 0) -> str:
        """Type a command; return what it printed."""
        self.typed.append(" ".join(words))
        ended = self.do(*words)
        assert ended.returncode == code, (words, ended.stdout, ended.stderr)
        return ended.stdout

    def deploy(self, plan: str) -> None:
        """Simulate, deploy, approve, and deploy to the end."""
        self.type("grow", "simulate", plan)
        self.type("grow", "deploy", plan, code=PARKED)
        self.typed.append("decide")
        self.decide()
        self.type("grow", "deploy", plan)

    def accept(self, words: str) -> str:
        """Make a desire of what a neighbour wrote, and plan it; return the plan."""
        listed = self.type("grow", "feedback", "--list")
        [draft] = [line.partition(":")[0] for line in listed.splitlines() if words in line]
        [next_] = re.findall(
            "next: attractor (.*)", self.type("grow", "feedback", "--accept", draft)
        )
        return self.plan(*next_.split())

    def plan(self, *words: str) -> str:
        """Plan; return the plan."""
        self.typed.append(" ".join(words))
        return str(self.answer(*words)["plan_id"])


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    street = Street(tmp_path)
    yield street
    street.do("grow", "stop")
    street.end()


@contextmanager
def letters(street: Street) -> Generator[Any]:
    """Let the app send by the twin of a mail server; yield what reads its letters."""
    with in_background(ServiceTwin(load_service(ROOT / "scenarios" / "_twins" / "mail"))) as twin:
        found = twin.environ()
        url, _, sender = found["MAIL_URL"].partition("?sender=")
        prefix = "ATTRACTOR_GROWTH__ADAPTERS__MAIL__"
        values = {"URL": url, "SENDER": sender, "TOKEN": found["MAIL_TOKEN"]}
        street.models = {**street.models, **{prefix + key: one for key, one in values.items()}}
        yield lambda: httpx.get(f"{twin.url}/letters").json()["letters"]


@pytest.mark.skipif(not IS_FULL, reason="deploys four versions for minutes; set COUNTS=full")
def test_street_grows_from_an_empty_folder_to_a_third_version_and_back(street: Street) -> None:
    began = time.monotonic()
    street.typed += ["grow init --example lending"]
    start, wait, planning = street.answer("grow", "init", "--example", "lending")["next"]
    with models(street, start, wait) as street.models, letters(street) as arrived:
        street.deploy(street.plan(*planning.split()[1:]))
        assert (time.monotonic() - began) / 60 < MINUTES
        assert len(street.typed) <= 8
        with browser() as chromium:
            page = chromium.new_page(base_url=street.answer("grow", "open")["url"])
            borrow(page)
            tell(page, "Please remind us by e-mail before a tool is due.")
            street.deploy(street.accept("remind us"))
            be_reminded(page, arrived)
            tell(page, "Show on a calendar when tools come back.")
            tell(page, "I would rather have a board of who has what.")
            calendar, board = street.accept("calendar"), street.accept("board")
            refused = street.do("grow", "simulate", board)
            collide(street, calendar, board)
            assert refused.returncode in (0, REFUSED)
            street.deploy(calendar)
            page.goto("/panels/bring_back")
            expect(page.locator("table.month")).to_be_visible()
            page.goto("/story")
            expect(page.get_by_text("calendar").first).to_be_visible()
            street.type("grow", "rollback", code=PARKED)
            street.decide()
            street.type("grow", "rollback")
            page.goto("/panels/bring_back")
            expect(page.locator("table.month")).to_have_count(0)
            expect(page.get_by_role("link", name="Drill")).to_be_visible()


@pytest.mark.skipif(not IS_FULL, reason="builds an app for a minute or more; set COUNTS=full")
def test_street_is_planned_decided_and_deployed_over_http(street: Street) -> None:
    start, wait, planning = street.answer("grow", "init", "--example", "lending")["next"]
    with models(street, start, wait) as street.models:
        served = serving(Service.of(street.place, street.environ))
        with served as server, server.client("decide") as client:
            client.timeout = httpx.Timeout(120)
            specification = {"spec_graph_id": planning.split()[-1]}
            plan = {"plan_id": client.post("/growth/plan", json=specification).json()["plan_id"]}
            simulated = client.post("/growth/simulate", json=plan)
            assert simulated.status_code == 200, simulated.text
            run_id = deployed(client, plan, "decision")
            decision = {"verdict": "approved", "rationale": "All scenarios pass."}
            decided = client.post(f"/api/v1/runs/{run_id}/decision", json=decision)
            assert decided.status_code == 201, decided.text
            deployed(client, plan, "")
            page = httpx.get(client.post("/growth/start").json()["url"], headers=PAGE).text
            assert "To bring back" in page


def deployed(client: httpx.Client, plan: dict[str, str], waits_for: str) -> str:
    """Continue a deployment until it waits for something, or for nothing; return its run."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        answer = client.post("/growth/deploy", json=plan).json()
        if answer.get("waits_for") == waits_for:
            return str(answer["run_id"])
        time.sleep(0.5)
    raise AssertionError(f"the deployment does not wait for {waits_for!r}")


def collide(street: Street, calendar: str, board: str) -> None:
    """Deploying the second plan of one panel is refused; the printed command ends the collision."""
    ended = street.do("grow", "deploy", board)
    assert ended.returncode == REFUSED
    assert calendar in ended.stderr
    street.type("grow", "drop", board)


def add(page: Page, entity: str, **values: str) -> None:
    """Fill in a form, from the home page on."""
    page.goto("/")
    page.get_by_role("link", name=entity, exact=True).first.click()
    page.get_by_role("link", name=f"New: {entity}").first.click()
    for name, value in values.items():
        box = page.get_by_label(name)
        if box.evaluate("one => one.tagName") == "SELECT":
            box.select_option(value)
        else:
            box.fill(value)
    page.get_by_role("button", name="Add").click()


def lend(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Lend what neighbours ask for").click()
    page.get_by_role("button", name="Lend what neighbours ask for").click()


def borrow(page: Page) -> None:
    """Two neighbours ask for one drill: the first gets it."""
    add(page, "Tool", Name="Drill", Kind="power")
    add(page, "Neighbour", Name="Ada", Mail="ada@street.example")
    add(page, "Neighbour", Name="Ben", Mail="ben@street.example")
    add(page, "Wish", Tool="Drill", Neighbour="Ada", Due=str(date.today() + DAY))
    lend(page)
    expect(page.get_by_text("1 lent.")).to_be_visible()
    add(page, "Wish", Tool="Drill", Neighbour="Ben", Due=str(date.today() + DAY))
    lend(page)
    expect(page.get_by_text("0 lent.")).to_be_visible()
    page.goto("/panels/bring_back")
    expect(page.get_by_role("row")).to_have_count(2)


def tell(page: Page, words: str) -> None:
    page.goto("/")
    page.get_by_role("link", name="Tell us").click()
    page.get_by_label("Your words").fill(words)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()


def be_reminded(page: Page, arrived: Any) -> None:
    page.goto("/")
    page.get_by_role("button", name="Send the reminders now").click()
    page.get_by_role("button", name="Send the reminders now").click()
    expect(page.get_by_text("1 reminded.")).to_be_visible()
    [letter] = arrived()
    assert letter["to"] == ["ada@street.example"]
    assert "Drill" in json.dumps(letter)
