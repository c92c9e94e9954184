"""A team reads queues and pull requests, over HTTP and in the browser."""

from contextlib import closing
from pathlib import Path

import httpx
from playwright.sync_api import expect

from attractor.factory.promotion_queue import PromotionQueues
from attractor.factory.pulls.feedback import PULL_REQUEST_FILE
from attractor.factory.pulls.readings import pull_records
from attractor.factory.pulls.rounds import list_rounds
from attractor.server.service import Service
from tests.browsers import chromium
from tests.factory.flows import Flow, make_flow
from tests.factory.queues import approved, enqueue, process, queue_of, variables
from tests.forges import CHECKS, REVIEWER, Hub
from tests.server.conftest import RunningServer, csrf_in, serving
from tests.server.runs import await_rest
from tests.server.test_pages_in_a_browser import look_at
from tests.server.test_webhooks import proposed


def test_queue_says_why_runs_wait_and_lets_a_person_remove_one(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    first, conflicting = approved(flow, "one", shares=True), approved(flow, "two", shares=True)
    waiting = approved(flow, "three")
    enqueue(flow, first, conflicting)
    process(flow)
    # The server does not promote runs of a queue that another process holds.
    with PromotionQueues.of(flow.opened).processing("main"):
        enqueue(flow, waiting)
        with serving(Service.of(flow.project, variables(flow))) as server:
            with server.client("read") as client:
                records = client.get("/api/v1/queues").json()
                assert client.get("/api/v1/queues?branch=other").json() == []
                assert httpx.get(f"{server.url}/api/v1/queues").status_code == 401
                refused = client.post(f"/queue/{conflicting.run_id}/remove")
                assert refused.status_code == 403
            assert [(one["position"], one["run_id"]) for one in records] == [
                (1, waiting.run_id),
                (0, conflicting.run_id),
            ]
            with chromium() as screen:
                code = server.service.access.codes.create()
                screen.page.goto(f"{server.url}/login?code={code}&here=1")
                screen.page.get_by_role("link", name="Queue").click()
                assert look_at(screen.page, "queue", screen.page.url) == []
            with closing(server.browser()) as browser:
                page = browser.get("/queue").text
                for words in ("works on it", "returned", "shared.txt"):
                    assert words in page, words
                assert f'href="/start?feedback={conflicting.run_id}' in page
                address = f"/queue/{conflicting.run_id}/remove"
                assert 'name="branch" value="main"' in page
                browser.post(address, data={"csrf": csrf_in(page), "branch": "main"})
                assert "is removed from the queue of main" in browser.get("/queue").text
                assert "queue of main" in browser.get(f"/runs/{waiting.run_id}").text
            assert [one.run_id for one in queue_of(flow).runs] == [waiting.run_id]


def test_navigation_has_no_entry_for_what_a_project_lacks(server: RunningServer) -> None:
    with closing(server.browser()) as browser:
        page = browser.get("/runs").text
        for address in ("/queue", "/pulls", "/races"):
            assert f'href="{address}' not in page
            assert browser.get(address).status_code == 200


def say(forge: Hub, commit: str) -> None:
    """Let a check fail, another one pass, and a person comment."""
    for name, conclusion in (("test", "failure"), ("lint", "success")):
        check = {"name": name, "head_sha": commit, "conclusion": conclusion}
        forge.ask("POST /check-runs", check, by=CHECKS)
    forge.ask("POST /issues/1/comments", {"body": "Longer, please."}, by=REVIEWER)


def test_pull_request_is_read_and_its_next_round_begun_on_the_page_of_its_run(
    tmp_path: Path,
) -> None:
    with (
        proposed(tmp_path) as (forge, flow, server),
        chromium() as screen,
        # Made before the next round: while its stages work, no token is created.
        server.client("read") as client,
    ):
        page, run = screen.page, only_run(flow)
        page.goto(f"{server.url}/login?code={server.service.access.codes.create()}&here=1")
        page.goto(f"{server.url}/runs/{run}")
        facts = page.get_by_role("region", name="Race, queue and pull request")
        expect(facts).to_contain_text("checks: none")
        say(forge, list_rounds(flow.opened)[0].round.commit)
        page.get_by_role("button", name="Read the pull request again").click()
        expect(facts).to_contain_text("checks: 1 passed; 1 failed: test")
        expect(facts).to_contain_text(f"attractor pr next {run}")
        file = flow.runs_dir / run / PULL_REQUEST_FILE
        file.write_text(file.read_text().replace("Longer", "Shorter"))
        page.reload()
        expect(facts).to_contain_text("differs from the ledger")
        expect(facts).not_to_contain_text("please")
        page.get_by_role("button", name="Read the pull request again").click()
        expect(facts).to_contain_text("Longer, please.")
        faults = look_at(page, "pull-request", page.url)
        faults += look_at(page, "pull-requests", f"{server.url}/pulls")
        faults += look_at(page, "attention", f"{server.url}/attention")
        assert faults == []
        row = page.get_by_role("article", name="pull request 1: pull request")
        expect(row).to_contain_text("1 check failed, 1 remark: round 2 of at most 3 has not begun")
        row.get_by_role("link", name="Open the run").click()
        page.get_by_role("button", name="Begin round 2").click()
        expect(page.get_by_role("status").filter(has_text="next round")).to_be_visible()
        following = page.url.rpartition("/")[2]
        await_rest(client, following)
        [record] = client.get("/api/v1/pulls").json()
        assert [record] == pull_records(flow.opened)
        assert (record["reading"]["next_run"], record["next"]) == (following, None)
        page.goto(f"{server.url}/runs/{run}")
        facts.get_by_role("link", name=following).click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()


def only_run(flow: Flow) -> str:
    [listed] = list_rounds(flow.opened)
    return listed.round.run_id
