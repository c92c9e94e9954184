"""From a labelled issue to a merged pull request, by a person who uses the pages in Chromium."""

import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from attractor.server.service import Service
from tests.browsers import chromium
from tests.factory.flows import REASON, Flow
from tests.forges import Hub
from tests.patience import wait_until
from tests.pipeline.projects import git
from tests.prepared import run_prepared
from tests.server.conftest import serving
from tests.server.test_attention_page import sign_in
from tests.server.test_webhooks import SECRET
from tests.server.test_whole_way_of_an_issue import labelled

AUTOMATION = "fixes: issue operator/shop#1"


@dataclass(frozen=True)
class Person:
    """A person at a browser and at a terminal."""

    page: Page
    flow: Flow
    token: str

    def press(self, name: str, within: Locator | None = None) -> None:
        """Press the link or the button with a name."""
        place = within or self.page.get_by_role("main")
        found = place.get_by_role("link", name=name, exact=True)
        found.or_(place.get_by_role("button", name=name, exact=True)).click()

    def visit(self, name: str) -> None:
        """Open a page by the navigation."""
        self.press(name, self.page.get_by_role("navigation").first)

    def review(self) -> str:
        """Open the review of the only run that waits for a decision; return the run."""
        self.visit("Attention")
        row = self.page.get_by_role("article", name=re.compile("decision$"))
        run = str(row.get_by_role("link").first.get_attribute("href")).rpartition("/")[2]
        self.press("Review and decide", row)
        return run

    def approve(self) -> None:
        """Approve the result that is shown."""
        expect(self.page.get_by_role("region", name="Gate")).to_contain_text("go")
        panel = self.page.get_by_role("region", name="Decide")
        panel.get_by_label("Rationale").fill(REASON)
        panel.get_by_label("Token").fill(self.token)
        self.press("Approve", panel)
        expect(panel.get_by_text("Approved by ann-decide")).to_be_visible()

    def reads(self, *words: str) -> None:
        """Read about the pull request on the page of a run."""
        facts = self.page.get_by_role("region", name="Race, queue and pull request")
        for text in words:
            expect(facts).to_contain_text(text)

    def propose(self) -> str:
        """Run the command that the page names for a pull request; return its output."""
        words = self.page.locator("#decide code").filter(has_text="--to pr").inner_text()
        environ = self.flow.machine.environ
        ended = run_prepared(words.split()[1:], folder=self.flow.project, variables=environ)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout


def test_person_takes_an_issue_to_a_merge_in_two_rounds(tmp_path: Path) -> None:
    with (
        labelled(Hub, tmp_path) as (forge, flow, _),
        serving(Service.of(flow.project, flow.machine.environ)) as server,
        chromium() as screen,
    ):
        forge.tell(f"{server.url}/webhooks/{forge.name}", SECRET)
        page, person = screen.page, Person(screen.page, flow, flow.make_token())
        sign_in(server, page)
        listed = page.get_by_role("region", name="Runs").get_by_role("row")
        expect(listed.filter(has_text="Review and decide")).to_be_visible()
        first = person.review()
        expect(page.get_by_role("region", name="Facts")).to_contain_text(AUTOMATION)
        person.approve()
        assert "pull request 2 opened" in person.propose()
        person.press(first)
        expect(page.get_by_role("region", name="Run", exact=True)).to_contain_text(AUTOMATION)
        commit = forge.ask("GET /pulls/2")["head"]["sha"]
        forge.report(commit, "test", "failure", "made.txt is too short\n")
        forge.say_about(2, "made.txt:1", "Say it twice.")
        person.press("Read the pull request again")
        person.reads("1 failed: test", "made.txt is too short", "made.txt:1", "Say it twice.")
        person.visit("Attention")
        person.press("Open the run", page.get_by_role("article", name="pull request 2"))
        person.press("Begin round 2")
        person.reads("round 2 of pull request 2", f"continues {first}")
        expect(page.get_by_role("status").filter(has_text="gate: go")).to_be_visible()
        second = person.review()
        assert second != first
        person.approve()
        assert "pull request 2 updated" in person.propose()
        merged = forge.merge(2, squash=True)
        wait_until(lambda: git(flow.project, "ls-remote", "origin", "attractor/*") == "")
        person.visit("Pull requests")
        row = page.get_by_role("row").filter(has_text="operator/shop 2")
        expect(row.get_by_role("cell", name="merged")).to_be_visible()
        person.press(second)
        person.reads("merged")
        person.press("Decision")
        expect(page.get_by_role("region", name="On record")).to_contain_text(merged[:12])
        page.goto(f"{server.url}/runs/{first}")
        person.reads("merged", f"a later round: {second}")
