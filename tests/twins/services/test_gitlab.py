"""The shipped twin of GitLab: real repositories, webhooks with tokens, rights and limits."""

import json
from pathlib import Path

import httpx

from tests.forges import (
    CHECKS,
    REVIEWER,
    STRANGER,
    Hub,
    Lab,
    hub,
    published,
    pushes,
    webhook_receiver,
)
from tests.patience import PATIENCE_S
from tests.pipeline.projects import git

SECRET = "between us"


def propose(forge: Hub, title: str = "Words") -> int:
    body = {"title": title, "source_branch": "words", "target_branch": "main"}
    return int(forge.ask("POST /merge_requests", body, by=REVIEWER)["iid"])


def test_squash_is_merged_by_a_commit_with_two_parents(tmp_path: Path) -> None:
    with published(tmp_path, Lab) as (forge, project):
        before = git(project, "rev-parse", "main").strip()
        merged = forge.merge(propose(forge), squash=True)
        squashed = forge.ask("GET /merge_requests/1")["squash_commit_sha"]
        git(project, "fetch", "--quiet", "origin")
        assert git(project, "rev-parse", f"{merged}^@").split() == [before, squashed]
        assert git(project, "rev-parse", f"{squashed}^@").split() == [before]
        assert git(project, "show", "origin/main:words.txt") == "one\n"


def test_draft_conflict_and_closed_merge_request_are_not_merged(tmp_path: Path) -> None:
    with published(tmp_path, Lab) as (forge, _):
        number = propose(forge, "Draft: Words")
        path = f"PUT {forge.place}/merge_requests/{number}/merge"
        assert forge.ask(f"GET /merge_requests/{number}")["draft"]
        assert forge.send(path, {}, by=REVIEWER).status_code == 405
        forge.be_ready(number)
        forge.commit(tmp_path, "main", "words.txt", "other\n")
        assert forge.ask(f"GET /merge_requests/{number}")["has_conflicts"]
        assert forge.send(path, {}, by=REVIEWER).status_code == 405
        forge.ask(f"PUT /merge_requests/{number}", {"state_event": "close"}, by=REVIEWER)
        assert forge.ask("GET /merge_requests?state=opened") == []
        assert forge.ask("GET /merge_requests")[0]["state"] == "closed"


def test_merge_request_stays_open_after_its_branch_is_deleted(tmp_path: Path) -> None:
    with published(tmp_path, Lab) as (forge, project):
        number = propose(forge)
        git(project, "push", "--quiet", "origin", "--delete", "words")
        assert forge.ask(f"GET /merge_requests/{number}")["state"] == "opened"


def test_rights_of_people_are_kept_over_http_and_git(tmp_path: Path) -> None:
    with published(tmp_path, Lab) as (forge, project):
        number = propose(forge)
        assert not pushes(project, forge.address(by=REVIEWER), "free").returncode
        assert "403" in pushes(project, forge.address(by=STRANGER), "taken").stderr
        path = f"PUT {forge.place}/merge_requests/{number}/merge"
        assert forge.send(path, {}, by=STRANGER).status_code == 403
        forge.say(number, "Hm.", by=STRANGER)
        levels = {one["username"]: one["access_level"] for one in forge.ask("GET /members/all")}
        assert levels == {"operator": 50, "reviewer": 30, "checks": 30, "stranger": 20}
        assert forge.send(f"GET {forge.place}/members/all/9").status_code == 404
        forge.ask("POST /protected_branches", {"name": "guarded"})
        assert "protected branches" in pushes(project, forge.address(), "guarded").stderr
        key = {"PRIVATE-TOKEN": forge.key(REVIEWER)}
        shown = httpx.get(f"{forge.twin.url}{forge.api}/user", headers=key)
        assert shown.json()["username"] == "reviewer"


def test_job_has_a_trace_and_no_state_is_set_twice(tmp_path: Path) -> None:
    with published(tmp_path, Lab) as (forge, project):
        sha = git(project, "rev-parse", "words").strip()
        body = {"state": "failed", "name": "test", "trace": "3 failed\n"}
        job = forge.ask(f"POST /statuses/{sha}", body, by=CHECKS)["id"]
        assert forge.send(f"GET {forge.place}/jobs/{job}/trace").text == "3 failed\n"
        refused = forge.send(f"POST {forge.place}/statuses/{sha}", body, by=CHECKS)
        assert (refused.status_code, "Cannot transition" in refused.text) == (400, True)


def test_webhook_has_the_token_of_its_receiver(tmp_path: Path) -> None:
    with published(tmp_path, Lab) as (forge, _), webhook_receiver() as (url, got):
        number = forge.write_issue("Count words")
        hook = {"url": url, "token": SECRET}
        forge.ask("POST /hooks", {**hook, "issues_events": True})
        elsewhere = {**hook, "url": "https://example.org/"}
        assert forge.send(f"POST {forge.place}/hooks", elsewhere).status_code == 422
        forge.ask(f"PUT /issues/{number}", {"add_labels": "attractor"}, by=REVIEWER)
        headers, content = got.get(timeout=PATIENCE_S)
    assert (headers["x-gitlab-event"], headers["x-gitlab-token"]) == ("Issue Hook", SECRET)
    assert json.loads(content)["changes"]["labels"]["current"] == [{"title": "attractor"}]


def test_rate_limit_resets_by_the_clock_of_the_twin() -> None:
    with hub(Lab, rate={"limit": 2, "remaining": 1, "reset": 0}) as forge:
        first, second, third = (forge.send("GET /user") for _ in range(3))
        assert [one.status_code for one in (first, second, third)] == [200, 200, 429]
        assert third.headers["ratelimit-remaining"] == "0"
        assert forge.send("GET /user", by="other").status_code == 401
