"""GitHub, over its REST API: pull requests, checks, remarks and permissions."""

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, parse_json
from attractor.engine.errors import RecordBroken
from attractor.engine.storage.json_files import Fields
from attractor.factory.errors import ForgeFailed, ForgeRefused, NoForge
from attractor.factory.forge import (
    LOCAL_HOSTS,
    CheckState,
    ForgeAccount,
    ForgeCheck,
    ForgeRemark,
    PullContent,
    PullRequest,
    PullState,
    RemoteRepository,
)

P = ParamSpec("P")
T = TypeVar("T")

CONTEXT = "attractor"
"""The context of the commit status of the gate."""

_HOST = "github.com"
_API = "GITHUB_API_URL"
_PAGE = 100
_MOST_PAGES = 10
_LARGEST = 16 << 20
_LOG_END = 64 << 10
_TRIES = 4
_LONGEST_WAIT = timedelta(hours=1, minutes=5)
_SECONDS = 30.0
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_WRITERS = ("admin", "maintain", "write")
_FAILED = ("failure", "timed_out", "cancelled", "action_required", "startup_failure")


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: httpx.Headers
    content: bytes


def _checked(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let a method fail if an answer lacks a field."""

    @wraps(method)
    async def checked(*args: P.args, **named: P.kwargs) -> T:
        try:
            return await method(*args, **named)
        except RecordBroken as cause:
            raise ForgeFailed(f"invalid answer of {GitHub.title}: {cause.message}") from cause

    return checked


class GitHub:
    """The pull requests of a repository on GitHub."""

    title = "GitHub"
    token_variables: Sequence[str] = ("GITHUB_TOKEN", "GH_TOKEN")

    def __init__(self, account: ForgeAccount) -> None:
        self._account = account
        self._base = _api_of(account.repository, account.environ)
        self._client = httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False)

    @classmethod
    def serves(cls, repository: RemoteRepository, environ: Mapping[str, str]) -> bool:
        """Return whether a repository is on GitHub, or on the host whose API the operator names."""
        named = urlsplit(environ.get(_API, "")).netloc
        return repository.host == _HOST or named in (repository.host, f"api.{repository.host}")

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self._client.aclose()

    @_checked
    async def default_branch(self) -> str:
        """Return the default branch; refuse a repository to which the operator may not push."""
        found = await self._object("GET", "")
        if found.has("permissions") and not found.inner("permissions").flag("push"):
            raise ForgeRefused(
                f"the token has no write access to {self._name}",
                hint="use a token with the permissions contents, pull requests and statuses",
            )
        return found.text("default_branch")

    @_checked
    async def may_write(self, login: str) -> bool:
        """Return whether a person has write access."""
        path = f"/collaborators/{quote(login, safe='')}/permission"
        reply = await self._ask("GET", path, accept=(200, 404))
        return reply.status == 200 and self._read(reply, path).text("permission") in _WRITERS

    @_checked
    async def find_open(self, branch: str) -> PullRequest | None:
        """Return the open pull request of a branch of the repository itself, or None."""
        owner = self._name.partition("/")[0]
        query = f"/pulls?state=open&head={quote(f'{owner}:{branch}')}"
        found = [self._pull(one) for one in await self._list(query)]
        own = [one for one in found if one.source == self._name and one.branch == branch]
        return own[0] if own else None

    @_checked
    async def create(self, proposal: PullContent) -> PullRequest:
        """Open a pull request."""
        body: dict[str, Json] = {
            "title": proposal.title,
            "body": proposal.body,
            "head": proposal.branch,
            "base": proposal.target,
            "draft": proposal.is_draft,
        }
        made = self._pull(await self._object("POST", "/pulls", body))
        await self._label(made.number, proposal)
        return made

    @_checked
    async def update(self, number: int, proposal: PullContent) -> PullRequest:
        """Change title, text and labels of a pull request."""
        body: dict[str, Json] = {"title": proposal.title, "body": proposal.body}
        changed = self._pull(await self._object("PATCH", f"/pulls/{number}", body))
        await self._label(number, proposal)
        return changed

    @_checked
    async def read(self, number: int) -> PullRequest:
        """Return a pull request."""
        return self._pull(await self._object("GET", f"/pulls/{number}"))

    async def set_status(self, commit: str, words: str, url: str) -> None:
        """Set the status of a commit: the gate said go."""
        body: dict[str, Json] = {"state": "success", "context": CONTEXT, "description": words[:140]}
        await self._object("POST", f"/statuses/{commit}", {**body, "target_url": url})

    @_checked
    async def checks(self, commit: str) -> Sequence[ForgeCheck]:
        """Return the checks and statuses of a commit, without the status of the gate."""
        runs = await self._list(f"/commits/{commit}/check-runs", "check_runs")
        found = [await self._check(one) for one in runs]
        for status in await self._list(f"/commits/{commit}/status", "statuses"):
            if status.text("context") != CONTEXT:
                state = _STATES.get(status.text("state"), CheckState.FAILED)
                found.append(ForgeCheck(status.text("context"), state, _words(status)))
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
            for one in await self._list(path):
                at = _optional(one, "submitted_at") or _optional(one, "created_at")
                if text := _optional(one, "body").strip():
                    found.append((at, _remark(kind, one, text)))
        return [remark for _, remark in sorted(found, key=lambda pair: pair[0])]

    @property
    def _name(self) -> str:
        return self._account.repository.name

    async def _label(self, number: int, proposal: PullContent) -> None:
        if proposal.labels:
            path = f"/issues/{number}/labels"
            await self._ask("POST", path, {"labels": list(proposal.labels)})

    async def _check(self, run: Fields) -> ForgeCheck:
        if run.text("status") != "completed":
            return ForgeCheck(run.text("name"), CheckState.PENDING)
        if _optional(run, "conclusion") not in _FAILED:
            return ForgeCheck(run.text("name"), CheckState.PASSED)
        log = ""
        if run.has("app") and _optional(run.inner("app"), "slug") == "github-actions":
            log = await self._log(f"/actions/jobs/{run.number('id')}/logs")
        output = run.inner("output") if run.has("output") else Fields({}, "output")
        said = [_optional(output, name) for name in ("title", "summary", "text")]
        return ForgeCheck(run.text("name"), CheckState.FAILED, log or "\n".join(filter(None, said)))

    async def _log(self, path: str) -> str:
        """Return the end of a log, which another host may serve: it gets no token."""
        reply = await self._ask("GET", path, accept=(200, 302, 403, 404, 410))
        if reply.status == 302:
            address = reply.headers.get("location", "")
            _require_safe(address)
            reply = await self._send("GET", address, None, with_token=False, is_log=True)
        return reply.content.decode("utf-8", "replace") if reply.status == 200 else ""

    def _pull(self, found: Fields) -> PullRequest:
        head, base = found.inner("head"), found.inner("base")
        is_open, is_merged = found.text("state") == "open", bool(found.all().get("merged"))
        # The repository of a fork may be deleted.
        source = head.inner("repo").text("full_name") if head.all().get("repo") else ""
        closed = PullState.MERGED if is_merged else PullState.CLOSED
        return PullRequest(
            number=found.number("number"),
            url=found.text("html_url"),
            state=PullState.OPEN if is_open else closed,
            source=source,
            branch=head.text("ref"),
            head=_commit(head.text("sha")),
            target=base.text("ref"),
            merged_as=_commit(found.text("merge_commit_sha")) if is_merged else "",
            has_conflict=is_open and found.all().get("mergeable") is False,
        )

    async def _object(self, method: str, path: str, body: Json = None) -> Fields:
        return self._read(await self._ask(method, path, body), path)

    async def _list(self, path: str, member: str = "") -> list[Fields]:
        """Return the objects of all pages of a list."""
        found: list[Fields] = []
        for page in range(1, _MOST_PAGES + 1):
            mark = "&" if "?" in path else "?"
            reply = await self._ask("GET", f"{path}{mark}per_page={_PAGE}&page={page}")
            value = self._json(reply, path)
            items = self._fields(value, path).items(member) if member else value
            if not isinstance(items, list):
                raise self._garbage(path)
            found += [self._fields(one, path) for one in items]
            if len(items) < _PAGE:
                break
        return found

    def _read(self, reply: _Reply, path: str) -> Fields:
        return self._fields(self._json(reply, path), path)

    def _json(self, reply: _Reply, path: str) -> Json:
        try:
            return parse_json(reply.content)
        except NotCanonical as cause:
            raise self._garbage(path) from cause

    def _fields(self, value: Json, path: str) -> Fields:
        return Fields(value, path or "/")

    def _garbage(self, path: str) -> ForgeFailed:
        return ForgeFailed(f"invalid answer of {self.title} at {self._base}: {path or '/'}")

    async def _ask(
        self, method: str, path: str, body: Json = None, *, accept: Sequence[int] = (200, 201)
    ) -> _Reply:
        """Send a request; if the rate limit is reached, wait for its reset."""
        address = f"{self._base}/repos/{self._name}{path}"
        for _ in range(_TRIES):
            reply = await self._send(method, address, body, is_log=path.endswith("/logs"))
            if reply.status in accept:
                return reply
            wait = _until_reset(reply)
            if wait is None:
                raise self._refusal(reply, f"{method} {path or '/'}")
            words = f"the rate limit of {self.title} is reached"
            if wait > _LONGEST_WAIT:
                after = f"wait {describe_duration(wait)}, then repeat the command"
                raise ForgeRefused(words, hint=after)
            self._account.tell(f"{words}: waiting {describe_duration(wait)} for its reset")
            await self._account.sleep(wait)
        raise ForgeRefused(f"the rate limit of {self.title} stays reached", hint="try again later")

    async def _send(
        self, method: str, address: str, body: Json, *, with_token: bool = True, is_log: bool
    ) -> _Reply:
        headers = {
            "accept": "application/vnd.github+json",
            "x-github-api-version": "2022-11-28",
            "user-agent": f"attractor/{__version__}",
        }
        if with_token:
            headers["authorization"] = f"Bearer {self._account.token}"
        content = bytearray()
        try:
            request = self._client.build_request(
                method, address, json=body if body is not None else None, headers=headers
            )
            reply = await self._client.send(request, stream=True)
            try:
                async for piece in reply.aiter_bytes():
                    content += piece
                    if is_log:
                        del content[:-_LOG_END]
                    elif len(content) > _LARGEST:
                        raise self._garbage(urlsplit(address).path)
            finally:
                await reply.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as cause:
            # Its text may contain the address, which may be signed.
            host = urlsplit(address).hostname
            raise ForgeFailed(f"no answer of {host}: {type(cause).__name__}") from cause
        return _Reply(reply.status_code, reply.headers, bytes(content))

    def _refusal(self, reply: _Reply, asked: str) -> ForgeRefused | ForgeFailed:
        try:
            found = parse_json(reply.content)
            said = found.get("message") if isinstance(found, dict) else ""
        except NotCanonical:
            said = ""
        words = f": {said[:200]}" if isinstance(said, str) and said else ""
        message = f"{self.title} answered {reply.status} to {asked} of {self._name}{words}"
        if reply.status >= 500:
            return ForgeFailed(message)
        hints = {
            401: "the token is invalid: set another one in GITHUB_TOKEN",
            403: "use a token with the permissions contents, pull requests and statuses",
            404: "check the repository, and whether the token may read it",
        }
        return ForgeRefused(message, hint=hints.get(reply.status, ""))


_STATES = {"success": CheckState.PASSED, "pending": CheckState.PENDING}


def _api_of(repository: RemoteRepository, environ: Mapping[str, str]) -> str:
    """Return the address of the API, to which the token may be sent."""
    if named := environ.get(_API):
        _require_safe(named)
        return named.rstrip("/")
    return "https://api.github.com"


def _require_safe(address: str) -> None:
    """Refuse a plain connection to another machine."""
    parts = urlsplit(address)
    local = [one.strip("[]") for one in LOCAL_HOSTS]
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in local):
        return
    raise NoForge(
        f"{parts.scheme}://{parts.hostname} is no address for a token: it is not encrypted",
        hint=f"use https, in {_API}",
    )


def _until_reset(reply: _Reply) -> timedelta | None:
    """Return the time until the rate limit resets, by the clock of the service; None without."""
    headers = reply.headers
    if reply.status not in (403, 429):
        return None
    try:
        if after := headers.get("retry-after"):
            return timedelta(seconds=max(1, int(after)))
        if headers.get("x-ratelimit-remaining") != "0":
            return None
        now = parsedate_to_datetime(headers["date"]).timestamp()
        return timedelta(seconds=max(1, int(headers["x-ratelimit-reset"]) - int(now)))
    except (KeyError, ValueError, OverflowError):
        return timedelta(minutes=1)


def _commit(text: str) -> str:
    """Return the id of a commit, which git gets as an argument."""
    if not _COMMIT.fullmatch(text):
        raise RecordBroken("a commit has an invalid id")
    return text


def _optional(fields: Fields, name: str) -> str:
    """Return a text; empty if it is missing or null."""
    value = fields.all().get(name)
    return value if isinstance(value, str) else ""


def _words(status: Fields) -> str:
    words = (_optional(status, "description"), _optional(status, "target_url"))
    return "\n".join(filter(None, words))


def _remark(kind: str, fields: Fields, text: str) -> ForgeRemark:
    # The account of a comment may be deleted.
    author = _optional(fields.inner("user"), "login") if fields.all().get("user") else ""
    line = fields.all().get("line")
    return ForgeRemark(
        id=f"{kind}-{fields.number('id')}",
        author=author,
        text=text,
        path=_optional(fields, "path"),
        line=line if isinstance(line, int) else 0,
    )


part = GitHub
