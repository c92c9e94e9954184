"""The contract of `Forge`, for each forge against its twin over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from attractor.factory.errors import ForgeFailed, ForgeRefused, NoForge
from attractor.factory.pulls.forge import (
    CheckState,
    Forge,
    ForgeAccount,
    ForgeIssue,
    PullContent,
    PullState,
    clean_text,
    forge_of,
    forges,
    parse_remote,
)
from attractor.factory.pulls.forge_api import MOST_LISTED
from attractor.factory.pulls.forges.gitlab import GitLab
from attractor.twins.server.hosting import in_background
from attractor.twins.services.service import parse_service
from attractor.twins.services.service_twin import ServiceTwin
from tests.forges import HELPER, KINDS, NAME, OPERATOR, REVIEWER, STRANGER, Hub, Lab, hub
from tests.pipeline.projects import git, make_project
from tests.tables import table

T = TypeVar("T")
CONTENT = PullContent("words", "main", "Words", "All words.", is_draft=True)
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


def account_of(forge: Hub, *, by: str = OPERATOR) -> ForgeAccount:
    return replace(account(forge.twin.url, forge.environ()), token=forge.key(by))


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
    assert [*forges()] == [kind.name for kind in KINDS]


@table("kind", KINDS)
def test_pull_request_is_created_updated_and_read(kind: type[Hub], tmp_path: Path) -> None:
    with hub(kind) as forge:
        commit, given = publish(forge, tmp_path), account_of(forge)
        assert call(given, lambda one: one.default_branch()) == "main"
        assert call(given, lambda one: one.find_open("words")) is None
        made = call(given, lambda one: one.create(CONTENT))
        assert (made.state, made.source, made.head) == (PullState.OPEN, NAME, commit)
        assert call(given, lambda one: one.find_open("words")) == made
        changed = replace(CONTENT, title="More words")
        assert call(given, lambda one: one.update(made.number, changed)) == made
        call(given, lambda one: one.label(made.number, ["attractor"]))
        shown = forge.shown(made.number)
        assert (shown.title, shown.is_draft) == ("More words", True)
        assert shown.labels == ["attractor"]
        forge.be_ready(made.number)
        merged = forge.merge(made.number)
        read = call(given, lambda one: one.read(made.number))
        assert (read.state, read.merged_as) == (PullState.MERGED, merged)


@table("kind", KINDS)
def test_checks_and_remarks_are_read_from_all_pages(kind: type[Hub], tmp_path: Path) -> None:
    with hub(kind) as forge:
        commit, given = publish(forge, tmp_path), account_of(forge)
        number = call(given, lambda one: one.create(CONTENT)).number
        for _ in range(2):
            call(given, lambda one: one.set_status(commit, "go", "https://example.org"))
        forge.report(commit, "lint", "success")
        forge.report(commit, "slow", "pending")
        forge.report(commit, "test", "failure", "x" * 100_000 + " 3 failed")
        checks = call(given, lambda one: one.checks(number, commit))
        passed, pending, failed = CheckState.PASSED, CheckState.PENDING, CheckState.FAILED
        states = {"lint": passed, "slow": pending, "test": failed}
        assert {one.name: one.state for one in checks} == states
        assert [len(one.log) < 70_000 and one.log.endswith("3 failed") for one in checks][2]
        for count in range(102):
            forge.say(number, f"No. {count}", by=STRANGER)
        forge.say_about(number, "a.py:3", "Why?")
        remarks = call(given, lambda one: one.remarks(number))
        assert len({one.id for one in remarks}) == 103
        assert remarks[1].text == "No. 1"
        assert [(one.place, one.author) for one in remarks if one.text == "Why?"] == [
            ("a.py:3", "reviewer")
        ]
        known = ["reviewer", "stranger", "another", "../../user"]
        assert [call(given, lambda one, login=login: one.may_write(login)) for login in known] == [
            *(True, False, False, False),
        ]


def test_reviews_and_statuses_of_github_are_read(tmp_path: Path) -> None:
    with hub() as forge:
        commit, given = publish(forge, tmp_path), account_of(forge)
        number = call(given, lambda one: one.create(CONTENT)).number
        forge.ask(f"POST /statuses/{commit}", {"state": "error", "context": "old"}, by=REVIEWER)
        review = {"body": "Not yet.", "event": "REQUEST_CHANGES"}
        forge.ask(f"POST /pulls/{number}/reviews", review, by=REVIEWER)
        [check] = call(given, lambda one: one.checks(number, commit))
        assert (check.name, check.state) == ("old", CheckState.FAILED)
        assert [one.text for one in call(given, lambda one: one.remarks(number))] == ["Not yet."]


def test_labelled_issues_are_read_with_their_last_labelling(tmp_path: Path) -> None:
    second = timedelta(seconds=1)
    with hub() as forge:
        publish(forge, tmp_path)
        given = account_of(forge)
        plain, edited, renamed, again, gone, closed = (
            forge.issue(f"No. {number}", "All.") for number in range(6)
        )
        forge.ask(f"PATCH /issues/{plain}", {"title": "Plain", "body": "All of it."}, by=STRANGER)
        forge.twin.advance(second)
        for number in (plain, edited, renamed, again, gone, closed):
            forge.label(number, "Fix", by=HELPER)
        forge.label(plain, "other")
        forge.ask(f"PATCH /issues/{edited}", {"body": "More."}, by=STRANGER)
        forge.twin.advance(second)
        forge.ask(f"PATCH /issues/{renamed}", {"title": "More"})
        forge.label(again, "Fix", is_set=False)
        forge.label(again, "Fix")
        forge.label(gone, "Fix", is_set=False)
        forge.ask(f"PATCH /issues/{closed}", {"state": "closed"})
        found = call(given, lambda one: one.labelled_issues("fix"))
        assert {one.number: (one.labelled_by, one.is_edited) for one in found} == {
            plain: ("helper", False),
            edited: ("helper", True),
            renamed: ("helper", True),
            again: ("reviewer", False),
        }
        [first] = [one for one in found if one.number == plain]
        assert (first.title, first.text) == ("Plain", "All of it.")
        assert first.labelled == datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
        assert first.url.endswith(f"/{NAME}/{plain}")


def test_labelled_issues_are_read_from_all_pages(tmp_path: Path) -> None:
    with hub() as forge:
        publish(forge, tmp_path)
        for count in range(45):
            forge.ask("POST /issues", {"title": f"No. {count}", "labels": ["fix"]}, by=REVIEWER)
        forge.ask("POST /issues", {"title": "Mine", "labels": ["fix"]}, by=STRANGER)
        found = call(account_of(forge), lambda one: one.labelled_issues("fix"))
        assert len({one.number for one in found}) == 45


def test_issue_is_commented(tmp_path: Path) -> None:
    with hub() as forge:
        publish(forge, tmp_path)
        number, given = forge.issue("Words", ""), account_of(forge)
        call(given, lambda one: one.comment(number, "Begun."))
        assert forge.comments(number) == ["Begun."]
        with pytest.raises(ForgeRefused, match="404"):
            call(given, lambda one: one.comment(number + 1, "Begun."))


@table("kind", KINDS)
def test_comment_is_found_among_more_than_are_listed(kind: type[Hub], tmp_path: Path) -> None:
    with hub(kind) as forge:
        publish(forge, tmp_path)
        number = forge.write_issue("Words")
        call(account_of(forge), lambda one: one.comment(number, "Begun: mark-1"))
        state: dict[str, Any] = {**forge.twin.state}
    [said] = state["notes" if kind is Lab else "comments"].values()
    others = [{**said[0], "body": f"No. {count}"} for count in range(MOST_LISTED + 100)]
    for comments in ([*others, *said], [*said, *others]):
        said[:] = comments
        with hub(kind, **state) as forge:
            given = account_of(forge)
            found = [
                call(given, lambda one, words=words: one.has_comment(number, words))
                for words in ("mark-1", "mark-2")
            ]
        assert found == [True, False]


def test_error_of_a_query_is_refused() -> None:
    with hub() as forge, pytest.raises(ForgeRefused, match="Could not resolve to a Repository"):
        call(account_of(forge), lambda one: one.labelled_issues("fix"))


def test_allowed_failure_and_other_service_of_gitlab_are_known(tmp_path: Path) -> None:
    with hub(Lab) as forge:
        commit, given = publish(forge, tmp_path), account_of(forge)
        number = call(given, lambda one: one.create(CONTENT)).number
        path, trace = f"POST /statuses/{commit}", "section_start:1:a[x]\r\x1b[0KRun\n\x1b[31mno"
        for body in (
            {"name": "may fail", "state": "failed", "allow_failure": True},
            {"name": "by hand", "state": "manual"},
            {"name": "scan", "state": "failed", "description": "2 leaks"},
            {"name": "test", "state": "canceled", "trace": trace},
        ):
            forge.ask(path, body)
        checks = call(given, lambda one: one.checks(number, commit))
        assert {one.name: (one.state, one.log) for one in checks} == {
            "may fail": (CheckState.PASSED, ""),
            "by hand": (CheckState.PASSED, ""),
            "scan": (CheckState.FAILED, "2 leaks"),
            "test": (CheckState.FAILED, "Run\nno"),
        }


def test_jobs_of_the_merge_with_the_target_are_read_on_gitlab(tmp_path: Path) -> None:
    with hub(Lab) as forge:
        commit, given = publish(forge, tmp_path), account_of(forge)
        number = call(given, lambda one: one.create(CONTENT)).number
        path = f"POST /merge_requests/{number}/pipelines"

        def states() -> dict[str, tuple[CheckState, str]]:
            checks = call(given, lambda one: one.checks(number, commit))
            return {one.name: (one.state, one.log) for one in checks}

        detached = forge.ask(path, {})
        assert (detached["sha"], detached["ref"]) == (commit, f"refs/merge-requests/{number}/head")
        passed = (CheckState.PASSED, "")
        forge.report(commit, "lint", "success")
        forge.report(commit, "test", "success")
        forge.ask("PUT ", {"merge_pipelines_enabled": True})
        merged = forge.ask(path, {})
        assert merged["sha"] != commit
        assert states() == {"lint": passed, "test": passed}
        forge.report(merged["sha"], "test", "failure", "3 failed")
        assert states() == {"lint": passed, "test": (CheckState.FAILED, "3 failed")}
        # The jobs of a later merge count; those of another head do not.
        again = forge.ask(path, {})
        forge.report(again["sha"], "test", "pending")
        assert states()["test"] == (CheckState.PENDING, "")
        forge.commit(tmp_path, "words", "more.txt", "more\n")
        other = forge.ask(path, {})
        forge.report(other["sha"], "test", "failure")
        assert states()["test"] == passed


@table("squash", [True, False])
def test_merge_of_gitlab_without_a_merge_commit_is_known(squash: bool, tmp_path: Path) -> None:
    with hub(Lab) as forge:
        commit, given = publish(forge, tmp_path), account_of(forge)
        forge.ask("PUT ", {"merge_method": "ff"})
        number = call(given, lambda one: one.create(replace(CONTENT, is_draft=False))).number
        merged = forge.merge(number, squash=squash)
        assert call(given, lambda one: one.read(number)).merged_as == merged
        assert (merged == commit) is not squash


@table("kind", KINDS)
def test_pull_request_of_a_fork_is_not_found(kind: type[Hub], tmp_path: Path) -> None:
    with hub(kind) as forge:
        publish(forge, tmp_path)
        forge.propose_from_fork("words")
        assert call(account_of(forge), lambda one: one.find_open("words")) is None


@table("kind", KINDS)
def test_missing_right_is_refused_before_a_change(kind: type[Hub], tmp_path: Path) -> None:
    with hub(kind) as forge:
        publish(forge, tmp_path)
        weak = account_of(forge, by=STRANGER)
        with pytest.raises(ForgeRefused, match="no write access to operator/shop"):
            call(weak, lambda one: one.default_branch())
        with pytest.raises(ForgeRefused, match=f"{forge.title} answered 401 to GET /"):
            call(replace(weak, token="other"), lambda one: one.default_branch())
        call(account_of(forge), lambda one: one.create(CONTENT))
        with pytest.raises(ForgeRefused, match="already exists"):
            call(account_of(forge), lambda one: one.create(CONTENT))


@table("kind", KINDS)
def test_rate_limit_is_waited_for_and_told(kind: type[Hub], tmp_path: Path) -> None:
    with hub(kind, rate={"limit": 3, "remaining": 1, "reset": 1_767_225_610}) as forge:
        told: list[str] = []

        async def sleep(duration: timedelta) -> None:
            forge.twin.advance(duration)

        forge.send(forge.begin, {"name": "shop"})
        given = replace(account_of(forge), sleep=sleep, tell=told.append)
        assert call(given, lambda one: one.default_branch()) == "main"
        [words] = told
        assert words.startswith(f"the rate limit of {forge.title} is reached: waiting ")


def labelled_by_gitlab(given: ForgeAccount) -> Sequence[ForgeIssue]:
    async def read() -> Sequence[ForgeIssue]:
        async with GitLab(given) as forge:
            return await forge.labelled_issues("attractor")

    return asyncio.run(read())


def test_labels_and_edits_of_issues_of_gitlab_are_read(tmp_path: Path) -> None:
    with hub(Lab) as forge:
        publish(forge, tmp_path)
        given = account_of(forge)
        number, other = forge.write_issue("Count words"), forge.write_issue("Count lines")
        path, label = f"PUT /issues/{number}", {"add_labels": "attractor"}
        forge.ask(path, {"description": "All of them."}, by=STRANGER)
        forge.ask(path, label, by=STRANGER)
        forge.ask(path, {"remove_labels": "attractor"}, by=REVIEWER)
        assert not labelled_by_gitlab(given)
        forge.ask(path, label, by=REVIEWER)
        forge.ask(f"PUT /issues/{other}", {"add_labels": "None"}, by=REVIEWER)
        call(given, lambda one: one.comment(number, "Begun."))
        assert forge.comments(number) == ["Begun."]
        [found] = labelled_by_gitlab(given)
        assert (found.number, found.title, found.text) == (number, "Count words", "All of them.")
        assert (found.labelled_by, found.is_edited) == ("reviewer", False)
        for edit in ({"title": "Delete words"}, {"description": "No."}):
            forge.ask(path, edit, by=STRANGER)
            [edited] = labelled_by_gitlab(given)
            assert edited.is_edited
            forge.ask(path, {"remove_labels": "attractor"}, by=REVIEWER)
            forge.ask(path, label, by=REVIEWER)
            [again] = labelled_by_gitlab(given)
            assert (again.is_edited, edited.labelled < again.labelled) == (False, True)
        forge.ask(path, {"state_event": "close"}, by=REVIEWER)
        assert not labelled_by_gitlab(given)


def test_edit_of_an_issue_of_gitlab_that_later_notes_hide_is_known(tmp_path: Path) -> None:
    with hub(Lab) as forge:
        publish(forge, tmp_path)
        number = forge.write_issue("Count words")
        path = f"PUT /issues/{number}"
        forge.ask(path, {"add_labels": "attractor"}, by=REVIEWER)
        forge.ask(path, {"description": "Delete all."}, by=STRANGER)
        state: dict[str, Any] = {**forge.twin.state}
    notes: list[dict[str, Any]] = next(iter(state["notes"].values()))
    made: dict[str, Any] = {**notes[-1], "system": False, "body": "Please."}
    notes += [{**made, "id": made["id"] + one} for one in range(1, MOST_LISTED + 1)]
    with hub(Lab, **state) as forge:
        told: list[str] = []
        [found] = labelled_by_gitlab(replace(account_of(forge), tell=told.append))
        assert (found.text, found.is_edited) == ("Delete all.", True)
        words = f"GitLab: only 1000 entries of /issues/{number}/notes of operator/shop were read"
        assert told == [words]


LARGE = 'body = "LARGE"'
ANSWERS = ['body = "<html>"', "json = []", 'json = { permissions = "x" }', "status = 503", LARGE]


@table("answer", ANSWERS)
def test_garbage_is_a_failure(answer: str) -> None:
    twin = ServiceTwin(
        parse_service(GARBAGE + answer.replace("LARGE", "x" * (17 << 20)), folder=Path())
    )
    with in_background(twin):
        for title in ("GitHub", "GitLab"):
            given = account(twin.url, {f"{title.upper()}_API_URL": twin.url})
            words = f"too large answer of {title}" if answer == LARGE else title
            with pytest.raises(ForgeFailed, match=words):
                call(given, lambda one: one.default_branch())


def test_unreachable_forge_fails_without_the_token() -> None:
    with pytest.raises(ForgeFailed, match=r"no answer of 127\.0\.0\.1: ConnectError$"):
        call(account("http://127.0.0.1:9"), lambda one: one.default_branch())


@table("address", ["http://example.org", "ftp://localhost", ""])
def test_token_goes_to_no_plain_or_unknown_address(address: str) -> None:
    for name in ("GITHUB_API_URL", "GITLAB_API_URL"):
        with pytest.raises(NoForge):
            call(account("https://example.org", {name: address}), lambda one: one.default_branch())


@table(
    ("url", "name"),
    [
        ("git@github.com:ada/shop.git", "github"),
        ("git@gitlab.com:group/part/shop.git", "gitlab"),
        ("ssh://git@git.example.org:2222/ada/shop.git", "gitlab"),
        ("https://api.git.example.org/ada/shop.git", ""),
        ("https://example.org/ada/shop.git", ""),
    ],
)
def test_forge_of_a_remote_is_known_by_its_host(url: str, name: str) -> None:
    environ = {"GITLAB_API_URL": "https://git.example.org/api/v4"}
    found = parse_remote("origin", url)
    assert [one for one, kind in forges().items() if kind.serves(found, environ)] == (
        [name] if name else []
    )


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
