"""GitHub: pull requests, checks, remarks, permissions and comments over REST, issues over GraphQL.

Only GraphQL says when the text of an issue was edited, and it has the labellings of many issues in
one answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self
from urllib.parse import quote, urlsplit

from attractor.base.json import Json
from attractor.engine.storage.json_files import Fields
from attractor.factory.errors import ForgeRefused
from attractor.factory.pulls.forge import (
    CheckState,
    ForgeAccount,
    ForgeCheck,
    ForgeIssue,
    ForgeRemark,
    PullContent,
    PullRequest,
    PullState,
    RemoteRepository,
    own_pull,
)
from attractor.factory.pulls.forge_api import (
    CONTEXT,
    MOST_PAGES,
    PAGE,
    ForgeAddress,
    ForgeApi,
    api_address,
    checked,
    commit_id,
    have_words,
    inner_text,
    joined_texts,
    optional_text,
)

_TITLE = "GitHub"
_HOST = "github.com"
_API = "GITHUB_API_URL"
_WRITERS = ("admin", "maintain", "write")
_ISSUES = """
query ($owner: String!, $name: String!, $label: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    issues(
      labels: [$label], states: OPEN, first: 20, after: $after,
      orderBy: { field: UPDATED_AT, direction: DESC }
    ) {
      pageInfo { hasNextPage endCursor }
      nodes {
        number url title body lastEditedAt
        timelineItems(last: 100, itemTypes: [LABELED_EVENT, RENAMED_TITLE_EVENT]) {
          nodes {
            __typename
            ... on LabeledEvent { createdAt actor { __typename login } label { name } }
            ... on RenamedTitleEvent { createdAt }
          }
        }
      }
    }
  }
}
"""
_EVENTS = 100
_FAILED = ("failure", "timed_out", "cancelled", "action_required", "startup_failure")

_checked = checked(_TITLE)


class GitHub:
    """The pull requests of a repository on GitHub."""

    title = _TITLE
    token_variables: Sequence[str] = ("GITHUB_TOKEN", "GH_TOKEN")
    head_ref = "refs/pull/{}/head"

    def __init__(self, account: ForgeAccount) -> None:
        self._name = account.repository.name
        address = ForgeAddress(
            self.title,
            api_address(account.environ, _API, "https://api.github.com"),
            f"/repos/{self._name}",
            token_variable=self.token_variables[0],
            rights="the permissions contents, issues, pull requests and statuses",
            headers={
                "accept": "application/vnd.github+json",
                "x-github-api-version": "2022-11-28",
            },
        )
        self._api = ForgeApi(account, address)
        # The API of GitHub Enterprise is at `/api/v3`, and GraphQL beside it.
        beside = replace(address, url=address.url.removesuffix("/v3"))
        self._graph = ForgeApi(account, beside)

    @classmethod
    def serves(cls, repository: RemoteRepository, environ: Mapping[str, str]) -> bool:
        """Return whether a repository is on GitHub, or on the host whose API the operator names."""
        named = urlsplit(environ.get(_API, "")).netloc
        return repository.host == _HOST or named in (repository.host, f"api.{repository.host}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._api.close()
        await self._graph.close()

    @_checked
    async def default_branch(self) -> str:
        """Return the default branch; refuse a repository to which the operator may not push."""
        found = await self._api.ask_one("GET", "")
        if found.has("permissions") and not found.inner("permissions").flag("push"):
            raise self._api.no_write_access()
        return found.text("default_branch")

    @_checked
    async def may_write(self, login: str) -> bool:
        """Return whether a person has write access."""
        path = f"/collaborators/{quote(login, safe='')}/permission"
        reply = await self._api.ask("GET", path, accept=(200, 404))
        return reply.status == 200 and self._api.read(reply, path).text("permission") in _WRITERS

    @_checked
    async def find_open(self, branch: str) -> PullRequest | None:
        """Return the open pull request of a branch of the repository itself, or None."""
        owner = self._name.partition("/")[0]
        query = f"/pulls?state=open&head={quote(f'{owner}:{branch}')}"
        found = [self._pull(fields) for fields in await self._api.ask_all(query)]
        return own_pull(found, self._name, branch)

    @_checked
    async def create(self, content: PullContent) -> PullRequest:
        """Open a pull request."""
        body: dict[str, Json] = {
            "title": content.title,
            "body": content.body,
            "head": content.branch,
            "base": content.target,
            "draft": content.is_draft,
        }
        return self._pull(await self._api.ask_one("POST", "/pulls", body))

    @_checked
    async def update(self, number: int, content: PullContent) -> PullRequest:
        """Change title and text of a pull request."""
        body: dict[str, Json] = {"title": content.title, "body": content.body}
        return self._pull(await self._api.ask_one("PATCH", f"/pulls/{number}", body))

    @_checked
    async def read(self, number: int) -> PullRequest:
        """Return a pull request."""
        return self._pull(await self._api.ask_one("GET", f"/pulls/{number}"))

    @_checked
    async def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels to a pull request."""
        await self._api.ask("POST", f"/issues/{number}/labels", {"labels": list(labels)})

    @_checked
    async def set_status(self, commit: str, words: str, url: str) -> None:
        """Set the status of a commit: the gate said go."""
        body: dict[str, Json] = {"state": "success", "context": CONTEXT, "description": words[:140]}
        await self._api.ask_one("POST", f"/statuses/{commit}", {**body, "target_url": url})

    @_checked
    async def checks(self, number: int, commit: str) -> Sequence[ForgeCheck]:
        """Return the checks and statuses of a commit, without the status of the gate.

        GitHub lists the checks of its merge with the target among them.
        """
        runs = await self._api.ask_all(f"/commits/{commit}/check-runs", "check_runs")
        found = [await self._check(run) for run in runs]
        for status in await self._api.ask_all(f"/commits/{commit}/status", "statuses"):
            if status.text("context") != CONTEXT:
                state = _STATES.get(status.text("state"), CheckState.FAILED)
                words = joined_texts(status, "description", "target_url")
                found.append(ForgeCheck(status.text("context"), state, words))
        return found

    @_checked
    async def remarks(self, number: int) -> Sequence[ForgeRemark]:
        """Return the comments and reviews of a pull request, oldest first."""
        places = {
            "comment": f"/issues/{number}/comments",
            "review": f"/pulls/{number}/reviews",
            "line": f"/pulls/{number}/comments",
        }
        found: list[tuple[str, ForgeRemark]] = []
        for kind, path in places.items():
            for fields in await self._api.ask_all(path):
                at = optional_text(fields, "submitted_at") or optional_text(fields, "created_at")
                if text := optional_text(fields, "body").strip():
                    found.append((at, _remark(kind, fields, text)))
        return [remark for _, remark in sorted(found, key=lambda pair: pair[0])]

    @_checked
    async def labelled_issues(self, label: str) -> Sequence[ForgeIssue]:
        """Return the open issues that have a label now, each as it was labelled last."""
        owner, _, name = self._name.partition("/")
        asked: dict[str, Json] = {"owner": owner, "name": name, "label": label, "after": None}
        found: list[ForgeIssue] = []
        for _ in range(MOST_PAGES):
            issues = await self._query(_ISSUES, asked)
            for node in issues.inners("nodes"):
                if issue := _labelled(node, label):
                    found.append(issue)
                else:
                    self._api.tell_cut(_EVENTS, f"/issues/{node.number('number')}/timeline")
            page = issues.inner("pageInfo")
            if not page.flag("hasNextPage"):
                break
            asked["after"] = page.text("endCursor")
        else:
            self._api.tell_cut(len(found), "/issues")
        return sorted(found, key=lambda issue: issue.labelled)

    @_checked
    async def has_comment(self, number: int, words: str) -> bool:
        """Return whether a comment on an issue contains words; look at the newest ones first."""
        path = f"/issues/{number}"
        known = (await self._api.ask_one("GET", path)).number("comments")
        # The list is oldest first, and may have one more page by now.
        for page in range(known // PAGE + 1, 0, -1):
            if have_words(await self._api.ask_page(f"{path}/comments", page), words):
                return True
        return False

    async def comment(self, number: int, text: str) -> None:
        """Comment an issue."""
        await self._api.ask("POST", f"/issues/{number}/comments", {"body": text})

    async def _query(self, query: str, variables: Mapping[str, Json]) -> Fields:
        """Return the issues that a query of GraphQL finds; it answers 200 to an error, too."""
        body: dict[str, Json] = {"query": query, "variables": dict(variables)}
        found = await self._graph.ask_one("POST", "/graphql", body, is_global=True)
        if found.has("errors"):
            said = [error.text("message")[:200] for error in found.inners("errors")]
            raise ForgeRefused(
                f"{self.title} refused to list the issues of {self._name}: {'; '.join(said[:3])}",
                hint="use a token with the permission issues",
            )
        return found.inner("data").inner("repository").inner("issues")

    async def _check(self, run: Fields) -> ForgeCheck:
        if run.text("status") != "completed":
            return ForgeCheck(run.text("name"), CheckState.PENDING)
        if optional_text(run, "conclusion") not in _FAILED:
            return ForgeCheck(run.text("name"), CheckState.PASSED)
        log = ""
        if inner_text(run, "app", "slug") == "github-actions":
            log = await self._api.ask_log(f"/actions/jobs/{run.number('id')}/logs")
        output = run.inner("output") if run.has("output") else Fields({}, "output")
        log = log or joined_texts(output, "title", "summary", "text")
        return ForgeCheck(run.text("name"), CheckState.FAILED, log)

    def _pull(self, found: Fields) -> PullRequest:
        head, base = found.inner("head"), found.inner("base")
        is_open, is_merged = found.text("state") == "open", bool(found.all().get("merged"))
        closed = PullState.MERGED if is_merged else PullState.CLOSED
        return PullRequest(
            number=found.number("number"),
            url=found.text("html_url"),
            state=PullState.OPEN if is_open else closed,
            # The repository of a fork may be deleted.
            source=inner_text(head, "repo", "full_name"),
            branch=head.text("ref"),
            head=commit_id(head.text("sha")),
            target=base.text("ref"),
            merged_as=commit_id(found.text("merge_commit_sha")) if is_merged else "",
            has_conflict=is_open and found.all().get("mergeable") is False,
        )


_STATES = {"success": CheckState.PASSED, "pending": CheckState.PENDING}


def _remark(kind: str, fields: Fields, text: str) -> ForgeRemark:
    line = fields.all().get("line")
    return ForgeRemark(
        id=f"{kind}-{fields.number('id')}",
        author=inner_text(fields, "user", "login"),
        text=text,
        path=optional_text(fields, "path"),
        line=line if isinstance(line, int) else 0,
    )


def _login(actor: Fields) -> str:
    """Return the login of a person; that of an app has a mark, so that it is no person's."""
    is_person = actor.text("__typename") == "User"
    return actor.text("login") if is_person else f"{actor.text('login')}[bot]"


def _labelled(issue: Fields, label: str) -> ForgeIssue | None:
    """Return an issue with its last labelling; None if a long timeline hides that."""
    labelled_by, labelled, is_renamed = "", None, False
    for event in issue.inner("timelineItems").inners("nodes"):
        if event.text("__typename") == "RenamedTitleEvent":
            is_renamed = True
        elif event.inner("label").text("name").casefold() == label.casefold():
            labelled, is_renamed = event.time("createdAt"), False
            # The account may be deleted.
            labelled_by = _login(event.inner("actor")) if event.has("actor") else ""
    if labelled is None:
        return None
    edited = issue.time("lastEditedAt") if issue.has("lastEditedAt") else None
    return ForgeIssue(
        number=issue.number("number"),
        url=issue.text("url"),
        title=issue.text("title"),
        text=issue.text("body"),
        labelled_by=labelled_by,
        labelled=labelled,
        # Within one second, the order of edit and labelling is unknown.
        is_edited=is_renamed or (edited is not None and edited >= labelled),
    )


part = GitHub
