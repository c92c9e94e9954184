"""The contract of `Forge`, for each forge against its twin over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from attractor.factory.errors import ForgeFailed, ForgeRefused, NoForge
from attractor.factory.forge import (
    CheckState,
    Forge,
    ForgeAccount,
    PullContent,
    PullState,
    clean_text,
    forge_of,
    forges,
    parse_remote,
)
from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import parse_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.forges import CHECKS, NAME, OPERATOR, REVIEWER, STRANGER, Hub, hub
from tests.pipeline.projects import git, make_project
from tests.tables import table

T = TypeVar("T")
CONTENT = PullContent("words", "main", "Words", "All words.", ("attractor",), is_draft=True)
GARBAGE = """
name = "garbage"
[[routes]]
method = "*"
path = "/{rest...}"
kind = "fixed"
"""


async def no_sleep(duration: timedelta) -> None:
    """Do not wait."""


def account(url: str, environ: Mapping[str, str] | None = None) -> ForgeAccount:
    found = parse_remote("origin", f"{url}/{NAME}.git")
    variables = environ or {"GITHUB_API_URL": url}
    return ForgeAccount(found, OPERATOR, variables, no_sleep, lambda _: None)


def call(given: ForgeAccount, work: Callable[[Forge], Awaitable[T]]) -> T:
    """Open the forge of an account, and use it."""

    async def opened() -> T:
        _, kind = forge_of(given.repository, given.environ)
        async with kind(given) as forge:
            return await work(forge)

    return asyncio.run(opened())


def publish(forge: Hub, tmp_path: Path) -> str:
    """Push a project with the branch `words`, and return its commit."""
    project = make_project(tmp_path / "project")
    forge.publish(project)
    git(project, "commit", "--quiet", "--allow-empty", "--message", "Words")
    git(project, "push", "--quiet", "origin", "HEAD:words")
    return git(project, "rev-parse", "HEAD").strip()


def test_every_forge_has_a_contract() -> None:
    assert list(forges()) == ["github"]


def test_pull_request_is_created_updated_and_read(tmp_path: Path) -> None:
    with hub() as forge:
        commit, given = publish(forge, tmp_path), account(forge.twin.url)
        assert call(given, lambda one: one.default_branch()) == "main"
        assert call(given, lambda one: one.find_open("words")) is None
        made = call(given, lambda one: one.create(CONTENT))
        assert (made.state, made.source, made.head) == (PullState.OPEN, NAME, commit)
        assert call(given, lambda one: one.find_open("words")) == made
        changed = replace(CONTENT, title="More words")
        assert call(given, lambda one: one.update(made.number, changed)) == made
        shown = forge.ask(f"GET /pulls/{made.number}")
        assert (shown["title"], shown["draft"]) == ("More words", True)
        assert shown["labels"] == [{"name": "attractor"}]
        merged = forge.ask(f"PUT /pulls/{made.number}/merge", {}, by=REVIEWER)
        read = call(given, lambda one: one.read(made.number))
        assert (read.state, read.merged_as) == (PullState.MERGED, merged["sha"])


def test_checks_and_remarks_are_read_from_all_pages(tmp_path: Path) -> None:
    with hub() as forge:
        commit, given = publish(forge, tmp_path), account(forge.twin.url)
        number = call(given, lambda one: one.create(CONTENT)).number
        call(given, lambda one: one.set_status(commit, "go", "https://example.org"))
        lint = {"name": "lint", "head_sha": commit, "conclusion": "success"}
        slow = {"name": "slow", "head_sha": commit, "status": "queued"}
        log = "x" * 100_000 + " 3 failed"
        test = {"name": "test", "head_sha": commit, "conclusion": "failure", "log": log}
        for body in (lint, slow, test):
            forge.ask("POST /check-runs", body, by=CHECKS)
        forge.ask(f"POST /statuses/{commit}", {"state": "error", "context": "old"}, by=CHECKS)
        checks = call(given, lambda one: one.checks(commit))
        passed, pending, failed = CheckState.PASSED, CheckState.PENDING, CheckState.FAILED
        assert {one.name: one.state for one in checks} == {
            **{"lint": passed, "slow": pending},
            **{"test": failed, "old": failed},
        }
        assert [len(one.log) < 70_000 and one.log.endswith("3 failed") for one in checks][2]
        for count in range(102):
            forge.ask(f"POST /issues/{number}/comments", {"body": f"No. {count}"}, by=STRANGER)
        line = {"body": "Why?", "path": "a.py", "line": 3}
        forge.ask(f"POST /pulls/{number}/comments", line, by=REVIEWER)
        review = {"body": "Not yet.", "event": "REQUEST_CHANGES"}
        forge.ask(f"POST /pulls/{number}/reviews", review, by=REVIEWER)
        remarks = call(given, lambda one: one.remarks(number))
        assert len({one.id for one in remarks}) == 104
        assert [one.place for one in remarks if one.text == "Why?"] == ["a.py:3"]
        known = ["reviewer", "stranger", "another", "../../user"]
        assert [call(given, lambda one, login=login: one.may_write(login)) for login in known] == [
            *(True, False, False, False),
        ]


def test_pull_request_of_a_fork_is_not_found(tmp_path: Path) -> None:
    with hub() as forge:
        publish(forge, tmp_path)
        forge.ask("POST /forks", {}, by=STRANGER)
        body = {"title": "Mine", "head": "stranger:words", "base": "main"}
        forge.ask("POST /pulls", body, by=STRANGER)
        assert call(account(forge.twin.url), lambda one: one.find_open("words")) is None


def test_missing_right_is_refused_before_a_change(tmp_path: Path) -> None:
    with hub() as forge:
        publish(forge, tmp_path)
        weak = replace(account(forge.twin.url), token=STRANGER)
        with pytest.raises(ForgeRefused, match="no write access to operator/shop"):
            call(weak, lambda one: one.default_branch())
        with pytest.raises(ForgeRefused, match="GitHub answered 401 to GET /"):
            call(replace(weak, token="other"), lambda one: one.default_branch())


def test_rate_limit_is_waited_for_and_told(tmp_path: Path) -> None:
    with hub(rate={"limit": 1, "remaining": 1, "reset": 0}) as forge:
        told: list[str] = []

        async def sleep(duration: timedelta) -> None:
            forge.twin.advance(duration)

        forge.send("POST /user/repos", {"name": "shop"})
        given = replace(account(forge.twin.url), sleep=sleep, tell=told.append)
        assert call(given, lambda one: one.default_branch()) == "main"
        assert told == ["the rate limit of GitHub is reached: waiting 1h for its reset"]


@table("answer", ['body = "<html>"', "json = []", 'json = { permissions = "x" }', "status = 503"])
def test_garbage_is_a_failure(answer: str) -> None:
    twin = ServiceTwin(parse_service(GARBAGE + answer, folder=Path()))
    with in_background(twin), pytest.raises(ForgeFailed, match="GitHub"):
        call(account(twin.url), lambda one: one.default_branch())


def test_unreachable_forge_fails_without_the_token() -> None:
    with pytest.raises(ForgeFailed, match=r"no answer of 127\.0\.0\.1: ConnectError$"):
        call(account("http://127.0.0.1:9"), lambda one: one.default_branch())


@table("address", ["http://example.org", "ftp://localhost", ""])
def test_token_goes_to_no_plain_or_unknown_address(address: str) -> None:
    given = account("https://example.org", {"GITHUB_API_URL": address})
    with pytest.raises(NoForge):
        call(given, lambda one: one.default_branch())


@table(
    ("url", "host", "name"),
    [
        ("git@github.com:ada/shop.git", "github.com", "ada/shop"),
        ("ssh://git@github.com:22/ada/shop", "github.com", "ada/shop"),
        ("https://ada:secret@github.com/ada/shop.git/", "github.com", "ada/shop"),
        ("http://127.0.0.1:8431/ada/shop.git", "127.0.0.1:8431", "ada/shop"),
    ],
)
def test_repository_is_found_in_an_address(url: str, host: str, name: str) -> None:
    found = parse_remote("origin", url)
    assert (found.host, found.name) == (host, name)


@table("url", ["/srv/shop.git", "file:///srv/shop.git", "../shop", "https://github.com/shop"])
def test_address_without_a_repository_is_refused(url: str) -> None:
    with pytest.raises(NoForge, match="leads to no forge"):
        parse_remote("origin", url)


def test_text_of_others_has_no_tokens_and_no_invisible_characters() -> None:
    text = "Bearer abcdefghijklmnop1234 ghp_0123456789abcdefABCD mine\u202e\u200b\x1b[2J ok\n"
    cleaned = clean_text(text, lambda one: one.replace("mine", "***"))
    assert cleaned == "Bearer *** *** ***[2J ok\n"
