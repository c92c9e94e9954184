"""GitLab, over its REST API: merge requests, jobs, notes, members and issues."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Self
from urllib.parse import quote, urlsplit

from attractor.base.json import Json
from attractor.engine.storage.json_files import Fields
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
    MOST_LISTED,
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

_TITLE = "GitLab"
_HOST = "gitlab.com"
_API = "GITLAB_API_URL"
_DEVELOPER = 30
_DRAFT = "Draft: "
_LONGEST_DESCRIPTION = 255
_NEWEST_FIRST = "order_by=created_at&sort=desc"
_MERGE_REF = "refs/merge-requests/{}/merge"
_COMMENT_PAGES = 100
"""An issue has at most 5,000 comments, besides notes of GitLab itself."""

_EDITS = (
    "changed the description",
    "changed title",
    "marked the checklist item",
    "marked the task",
)
"""The beginnings of the notes about a changed title or text of an issue."""
_MARKS_OF_TRACES = re.compile(
    r"section_(?:start|end):\d+:(?:(?!section_(?:start|end):)[^\r\n])*+\r|\x1b\[[0-9;]*[A-Za-z]"
)
_STATES = {
    **dict.fromkeys(("success", "skipped", "manual"), CheckState.PASSED),
    **dict.fromkeys(("failed", "canceled", "canceling"), CheckState.FAILED),
}
"""The states of ended jobs; a manual one may never be started."""

_checked = checked(_TITLE)


class GitLab:
    """The merge requests of a project on GitLab."""

    title = _TITLE
    token_variables: Sequence[str] = ("GITLAB_TOKEN",)
    head_ref = "refs/merge-requests/{}/head"

    def __init__(self, account: ForgeAccount) -> None:
        self._name = account.repository.name
        address = ForgeAddress(
            self.title,
            api_address(account.environ, _API, f"https://{_HOST}/api/v4"),
            f"/projects/{quote(self._name, safe='')}",
            token_variable=self.token_variables[0],
            rights="the scope api, of a person with the role Developer or more",
            headers={"accept": "application/json"},
        )
        self._api = ForgeApi(account, address)

    @classmethod
    def serves(cls, repository: RemoteRepository, environ: Mapping[str, str]) -> bool:
        """Return whether a repository is on gitlab.com, or on the host whose API is named."""
        return repository.host in (_HOST, urlsplit(environ.get(_API, "")).netloc)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._api.close()

    @_checked
    async def default_branch(self) -> str:
        """Return the default branch; refuse a project to which the operator may not push."""
        project = await self._api.ask_one("GET", "")
        operator = await self._api.ask_one("GET", "/user", is_global=True)
        # The permissions in the project lack those of groups that were invited.
        path = f"/members/all/{operator.number('id')}"
        reply = await self._api.ask("GET", path, accept=(200, 404))
        if reply.status == 404 or not _is_writer(self._api.read(reply, path)):
            raise self._api.no_write_access()
        return project.text("default_branch")

    @_checked
    async def may_write(self, login: str) -> bool:
        """Return whether a person is a member with the role Developer or more."""
        members = await self._api.ask_all(f"/members/all?query={quote(login, safe='')}")
        return any(member.text("username") == login and _is_writer(member) for member in members)

    @_checked
    async def find_open(self, branch: str) -> PullRequest | None:
        """Return the open merge request of a branch of the project itself, or None."""
        query = f"/merge_requests?state=opened&source_branch={quote(branch, safe='')}"
        found = [self._pull(fields) for fields in await self._api.ask_all(query)]
        return own_pull(found, self._name, branch)

    @_checked
    async def create(self, content: PullContent) -> PullRequest:
        """Open a merge request."""
        body: dict[str, Json] = {
            "title": f"{_DRAFT if content.is_draft else ''}{content.title}",
            "description": content.body,
            "source_branch": content.branch,
            "target_branch": content.target,
        }
        return self._pull(await self._api.ask_one("POST", "/merge_requests", body))

    @_checked
    async def update(self, number: int, content: PullContent) -> PullRequest:
        """Change title and text of a merge request; a draft stays one."""
        path = f"/merge_requests/{number}"
        is_draft = bool((await self._api.ask_one("GET", path)).all().get("draft"))
        body: dict[str, Json] = {
            "title": f"{_DRAFT if is_draft else ''}{content.title}",
            "description": content.body,
        }
        return self._pull(await self._api.ask_one("PUT", path, body))

    @_checked
    async def read(self, number: int) -> PullRequest:
        """Return a merge request."""
        return self._pull(await self._api.ask_one("GET", f"/merge_requests/{number}"))

    @_checked
    async def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels to a merge request."""
        body: dict[str, Json] = {"add_labels": ",".join(labels)}
        await self._api.ask_one("PUT", f"/merge_requests/{number}", body)

    @_checked
    async def set_status(self, commit: str, words: str, url: str) -> None:
        """Set the status of a commit: the gate said go."""
        known = _latest(await self._statuses(commit))
        # GitLab refuses to set a state again.
        if CONTEXT in known and known[CONTEXT].text("status") == "success":
            return
        body: dict[str, Json] = {
            "state": "success",
            "name": CONTEXT,
            "description": words[:_LONGEST_DESCRIPTION],
            "target_url": url,
        }
        await self._api.ask_one("POST", f"/statuses/{commit}", body)

    @_checked
    async def checks(self, number: int, commit: str) -> Sequence[ForgeCheck]:
        """Return the jobs and statuses of a commit, without the status of the gate.

        The jobs of its merge with the target are included: GitLab lists them apart.
        """
        found = [*await self._statuses(commit), *await self._merged_jobs(number, commit)]
        return [
            await self._check(status) for name, status in _latest(found).items() if name != CONTEXT
        ]

    @_checked
    async def remarks(self, number: int) -> Sequence[ForgeRemark]:
        """Return the notes of a merge request and its discussions, oldest first."""
        notes = await self._api.ask_all(f"/merge_requests/{number}/notes?{_NEWEST_FIRST}")
        people = [note for note in reversed(notes) if not note.flag("system")]
        return [_remark(note) for note in people if optional_text(note, "body").strip()]

    @_checked
    async def labelled_issues(self, label: str) -> Sequence[ForgeIssue]:
        """Return the open issues that have a label now, each with the person who set it last."""
        path = f"/issues?state=opened&labels={quote(label, safe='')}"
        # A filter by the names None and Any means something else.
        issues = [
            issue for issue in await self._api.ask_all(path) if label in issue.texts("labels")
        ]
        found = [await self._labelled(issue, label) for issue in issues]
        return sorted(filter(None, found), key=lambda issue: issue.labelled)

    @_checked
    async def has_comment(self, number: int, words: str) -> bool:
        """Return whether a comment on an issue contains words; look at the newest ones first."""
        for page in range(1, _COMMENT_PAGES + 1):
            notes = await self._api.ask_page(f"/issues/{number}/notes?{_NEWEST_FIRST}", page)
            if have_words(notes, words) or len(notes) < PAGE:
                return have_words(notes, words)
        return False

    @_checked
    async def comment(self, number: int, text: str) -> None:
        """Comment an issue."""
        await self._api.ask_one("POST", f"/issues/{number}/notes", {"body": text})

    async def _statuses(self, commit: str) -> Sequence[Fields]:
        """Return the statuses of a commit: of jobs, and of other services."""
        return await self._api.ask_all(f"/repository/commits/{commit}/statuses")

    async def _merged_jobs(self, number: int, commit: str) -> Sequence[Fields]:
        """Return the jobs of the last pipeline of merged results of a commit.

        That pipeline is of a merge commit by GitLab, whose parents include the given commit.
        """
        pipelines = await self._api.ask_all(f"/merge_requests/{number}/pipelines")
        ref = _MERGE_REF.format(number)
        merged = [pipeline for pipeline in pipelines if pipeline.text("ref") == ref]
        if not merged:
            return ()
        last = max(merged, key=lambda pipeline: pipeline.number("id"))
        path = f"/repository/commits/{commit_id(last.text('sha'))}"
        reply = await self._api.ask("GET", path, accept=(200, 404))
        # GitLab may have removed the merge of an earlier commit.
        if reply.status == 404 or commit not in self._api.read(reply, path).texts("parent_ids"):
            return ()
        return await self._api.ask_all(f"/pipelines/{last.number('id')}/jobs")

    async def _check(self, status: Fields) -> ForgeCheck:
        name = status.text("name")
        state = _STATES.get(status.text("status"), CheckState.PENDING)
        if state is not CheckState.FAILED:
            return ForgeCheck(name, state)
        if status.all().get("allow_failure") is True:
            return ForgeCheck(name, CheckState.PASSED)
        # The status of another service is no job, and has no trace.
        trace = await self._api.ask_log(f"/jobs/{status.number('id')}/trace")
        words = joined_texts(status, "description", "target_url")
        return ForgeCheck(name, state, _MARKS_OF_TRACES.sub("", trace) or words)

    def _pull(self, found: Fields) -> PullRequest:
        state, source = found.text("state"), found.all().get("source_project_id")
        is_own = source == found.number("target_project_id")
        is_merged, is_closed = state == "merged", state == "closed"
        ended = PullState.MERGED if is_merged else PullState.CLOSED
        # The branch may be gone, and a fork may be deleted.
        head = optional_text(found, "sha")
        # With the method fast-forward there is no merge commit, and without a squash none at all.
        names = ("merge_commit_sha", "squash_commit_sha", "sha")
        merged_as = next(filter(None, (optional_text(found, name) for name in names)), "")
        return PullRequest(
            number=found.number("iid"),
            url=found.text("web_url"),
            state=ended if is_merged or is_closed else PullState.OPEN,
            source=self._name if is_own else f"project {source}" if source else "",
            branch=found.text("source_branch"),
            head=commit_id(head) if head else "",
            target=found.text("target_branch"),
            merged_as=commit_id(merged_as) if is_merged else "",
            has_conflict=state == "opened" and found.all().get("has_conflicts") is True,
        )

    async def _labelled(self, issue: Fields, label: str) -> ForgeIssue | None:
        """Return an issue with its last labelling; None if it has no event of it.

        It counts as edited, too, if more notes or events followed than are read.
        """
        path = f"/issues/{issue.number('iid')}"
        events = await self._api.ask_all(f"{path}/resource_label_events")
        # The label of an event may be deleted.
        ours = [event for event in events if event.has("label") and _label_of(event) == label]
        added = [event for event in ours if event.text("action") == "add"]
        if not added:
            return None
        last = max(added, key=lambda event: event.time("created_at"))
        labelled = last.time("created_at")
        notes = await self._api.ask_all(f"{path}/notes?{_NEWEST_FIRST}")
        later = [note for note in notes if note.time("created_at") >= labelled]
        edits = [
            note for note in later if note.flag("system") and note.text("body").startswith(_EDITS)
        ]
        return ForgeIssue(
            number=issue.number("iid"),
            url=issue.text("web_url"),
            title=issue.text("title"),
            text=optional_text(issue, "description"),
            labelled_by=inner_text(last, "user", "username"),
            labelled=labelled,
            is_edited=bool(edits) or MOST_LISTED in (len(later), len(events)),
        )


def _latest(statuses: Iterable[Fields]) -> Mapping[str, Fields]:
    """Return the latest status of each name."""
    in_order = sorted(statuses, key=lambda status: status.number("id"))
    return {status.text("name"): status for status in in_order}


def _is_writer(member: Fields) -> bool:
    return member.number("access_level") >= _DEVELOPER and member.text("state") == "active"


def _label_of(event: Fields) -> str:
    return event.inner("label").text("name")


def _remark(note: Fields) -> ForgeRemark:
    position = note.inner("position") if note.has("position") else Fields({}, "position")
    # A line that was removed is in the old file only.
    sides = [side for side in ("new", "old") if position.has(f"{side}_line")]
    line = position.number(f"{sides[0]}_line") if sides else 0
    return ForgeRemark(
        id=f"note-{note.number('id')}",
        author=inner_text(note, "author", "username"),
        text=optional_text(note, "body").strip(),
        path=optional_text(position, f"{sides[0] if sides else 'new'}_path"),
        line=line,
    )


part = GitLab
