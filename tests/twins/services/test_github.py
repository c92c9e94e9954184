"""The shipped twin of GitHub: real repositories, webhooks with signatures, rights and limits."""

import hmac
import json
from pathlib import Path

import httpx

from tests.forges import (
    CHECKS,
    HELPER,
    REVIEWER,
    STRANGER,
    Hub,
    hub,
    published,
    pushes,
    webhook_receiver,
)
from tests.patience import PATIENCE_S
from tests.pipeline.projects import git

SECRET = "between us"


def open_pull(forge: Hub, head: str = "words", by: str = REVIEWER) -> int:
    body = {"title": "Words", "head": head, "base": "main", "draft": True}
    made = forge.ask("POST /pulls", body, by=by)
    assert (made["draft"], made["mergeable"]) == (True, True)
    return int(made["number"])


def test_branch_is_merged_by_a_commit_or_by_a_squash(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, project):
        before = git(project, "rev-parse", "main").strip()
        squashed = forge.ask(
            f"PUT /pulls/{open_pull(forge)}/merge", {"merge_method": "squash"}, by=REVIEWER
        )
        git(project, "fetch", "--quiet", "origin")
        assert git(project, "rev-parse", f"{squashed['sha']}^@").split() == [before]
        assert git(project, "show", "origin/main:words.txt") == "one\n"
        (project / "words.txt").write_text("two\n")
        git(project, "commit", "--quiet", "--all", "--message", "Two")
        git(project, "rebase", "--quiet", "--onto", "origin/main", "HEAD~1")
        git(project, "push", "--quiet", "--force", "origin", "HEAD:words")
        merged = forge.ask(f"PUT /pulls/{open_pull(forge)}/merge", {}, by=REVIEWER)
        git(project, "fetch", "--quiet", "origin")
        tip = git(project, "rev-parse", "HEAD").strip()
        assert git(project, "rev-parse", f"{merged['sha']}^@").split() == [squashed["sha"], tip]


def test_deep_body_is_refused(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, _):
        headers = {"authorization": f"Bearer {forge.key(REVIEWER)}"}
        place = f"{forge.twin.url}{forge.api}{forge.place}/pulls"
        answer = httpx.post(place, content="[" * 100_000, headers=headers)
        assert (answer.status_code, "parsing JSON" in answer.text) == (400, True)


def test_conflict_and_closed_pull_request_are_not_merged(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, _):
        number = open_pull(forge)
        forge.commit(tmp_path, "main", "words.txt", "other\n")
        found = forge.ask(f"GET /pulls/{number}")
        assert (found["mergeable"], found["mergeable_state"]) == (False, "dirty")
        path = f"PUT /repos/operator/shop/pulls/{number}/merge"
        assert forge.send(path, {}).status_code == 405
        forge.ask(f"PATCH /pulls/{number}", {"state": "closed"})
        assert forge.ask("GET /pulls") == []
        assert forge.ask("GET /pulls?state=all")[0]["state"] == "closed"


def test_pull_request_stays_readable_after_its_branch_is_deleted(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, project):
        number = open_pull(forge)
        git(project, "push", "--quiet", "origin", "--delete", "words")
        assert forge.ask("GET /pulls") == []
        found = forge.ask(f"GET /pulls/{number}")
        tip = git(project, "rev-parse", "words").strip()
        assert (found["state"], found["merged"], found["head"]["sha"]) == ("closed", False, tip)


def test_rights_of_people_are_kept_over_http_and_git(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, project):
        number = open_pull(forge)
        assert not pushes(project, forge.address(by=REVIEWER), "free").returncode
        refused = pushes(project, forge.address(by=STRANGER), "taken")
        assert "403" in refused.stderr
        path = f"PUT /repos/operator/shop/pulls/{number}/merge"
        assert forge.send(path, {}, by=STRANGER).status_code == 403
        comment = forge.ask(f"POST /issues/{number}/comments", {"body": "Hm."}, by=STRANGER)
        assert comment["user"] == {"login": "stranger"}
        levels = [
            forge.ask(f"GET /collaborators/{one}/permission")["permission"]
            for one in ("operator", "reviewer", "stranger")
        ]
        assert levels == ["admin", "write", "read"]
        forge.ask("PUT /branches/guarded/protection", {"enforce_admins": True})
        assert "GH006" in pushes(project, forge.address(), "guarded").stderr


def test_fork_has_branches_of_its_own(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, project):
        forge.ask("POST /forks", {}, by=STRANGER)
        address = forge.address(by=STRANGER, name="stranger/shop")
        assert not pushes(project, address, "idea").returncode
        number = open_pull(forge, "stranger:idea", by=STRANGER)
        found = forge.ask(f"GET /pulls/{number}")
        assert found["head"]["repo"]["full_name"] == "stranger/shop"
        assert forge.ask("GET /pulls?head=operator:idea") == []


def test_check_has_a_log_behind_an_address_without_a_key(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, project):
        sha = git(project, "rev-parse", "words").strip()
        body = {"name": "test", "head_sha": sha, "conclusion": "failure", "log": "3 failed\n"}
        made = forge.ask("POST /check-runs", body, by=CHECKS)
        assert made["app"]["slug"] == "github-actions"
        [found] = forge.ask(f"GET /commits/{sha}/check-runs")["check_runs"]
        assert found["conclusion"] == "failure"
        moved = forge.send(f"GET /repos/operator/shop/actions/jobs/{made['id']}/logs")
        assert moved.status_code == 302
        assert httpx.get(moved.headers["location"]).text == "3 failed\n"
        forge.ask(f"POST /statuses/{sha}", {"state": "pending", "context": "slow"}, by=CHECKS)
        forge.ask(f"POST /statuses/{sha}", {"state": "success", "context": "slow"}, by=CHECKS)
        assert forge.ask(f"GET /commits/{sha}/status")["state"] == "success"


def test_webhook_has_the_signature_of_its_secret(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, _), webhook_receiver() as (url, got):
        config = {"url": url, "secret": SECRET}
        forge.ask("POST /hooks", {"config": config, "events": ["issues"]})
        elsewhere = {"config": {**config, "url": "https://example.org/"}, "events": ["issues"]}
        assert forge.send("POST /repos/operator/shop/hooks", elsewhere).status_code == 422
        number = forge.ask("POST /issues", {"title": "Count words"}, by=STRANGER)["number"]
        forge.ask(f"POST /issues/{number}/labels", {"labels": ["attractor"]}, by=REVIEWER)
        headers, content = got.get(timeout=PATIENCE_S)
        assert [one["title"] for one in forge.ask("GET /issues?labels=attractor")] == [
            "Count words"
        ]
    expected = hmac.digest(SECRET.encode(), content, "sha256").hex()
    assert headers["x-github-event"] == "issues"
    assert headers["x-hub-signature-256"] == f"sha256={expected}"
    assert json.loads(content)["issue"]["labels"] == [{"name": "attractor"}]


def test_events_of_an_issue_say_who_labelled_and_renamed_it(tmp_path: Path) -> None:
    with published(tmp_path) as (forge, _):
        number = forge.issue("Count words", "")
        path = f"/repos/operator/shop/issues/{number}"
        assert forge.send(f"POST {path}/labels", {"labels": ["x"]}, by=STRANGER).status_code == 403
        assert forge.send(f"PATCH {path}", {"title": "x"}, by=CHECKS).status_code == 200
        assert forge.ask(f"PATCH /issues/{number}", {"title": "y"}, by=STRANGER)["title"] == "y"
        forge.label(number, by=HELPER)
        forge.label(number, by=HELPER)
        forge.label(number, is_set=False)
        assert forge.ask(f"GET /issues/{number}")["labels"] == []
        events = forge.ask(f"GET /issues/{number}/events")
        assert [(one["event"], one["actor"]["login"]) for one in events] == [
            ("renamed", "checks"),
            ("renamed", "stranger"),
            ("labeled", "helper"),
            ("unlabeled", "reviewer"),
        ]
        assert forge.send(f"DELETE {path}/labels/x").status_code == 404
        assert forge.ask("GET /collaborators/helper/permission")["permission"] == "read"
        other = {"query": "query { viewer { login } }", "variables": {"login": "ann"}}
        [error] = forge.send("POST /graphql", other).json()["errors"]
        assert error["message"].startswith("the twin answers queries for the issues")


def test_rate_limit_resets_by_the_clock_of_the_twin() -> None:
    with hub(rate={"limit": 2, "remaining": 1, "reset": 0}) as forge:
        first, second, third = (forge.send("GET /user") for _ in range(3))
        assert [one.status_code for one in (first, second, third)] == [200, 200, 403]
        assert third.headers["x-ratelimit-remaining"] == "0"
        assert forge.send("GET /user", by="other").status_code == 401
