"""Sends requests to the REST API of a forge: pages of lists, logs, rate limits and refusals."""

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import wraps
from typing import Any, ParamSpec, TypeAlias, TypeVar
from urllib.parse import urlsplit

import httpx

from attractor import __version__
from attractor.base.dataclasses import dataclass
from attractor.base.durations import describe_duration
from attractor.base.errors import NotCanonical
from attractor.base.json import Json, canonical_json, parse_json, parse_object
from attractor.engine.errors import RecordBroken
from attractor.engine.storage.json_files import Fields
from attractor.factory.errors import ForgeFailed, ForgeRefused, NoForge
from attractor.factory.pulls.forge import LOCAL_HOSTS, ForgeAccount

P = ParamSpec("P")
T = TypeVar("T")

CONTEXT = "attractor"
"""The context of the commit status of the gate."""

PAGE = 100
"""The number of entries of a page."""

MOST_PAGES = 10
MOST_LISTED = MOST_PAGES * PAGE
"""A list with so many entries may have more, which are not read."""

_LARGEST = 16 << 20
_LOG_END = 64 << 10
_LONGEST_WORDS = 200
_TRIES = 4
_LONGEST_WAIT = timedelta(hours=1, minutes=5)
_SECONDS = 30.0
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


Method: TypeAlias = Callable[P, Coroutine[Any, Any, T]]


def checked(title: str) -> Callable[[Method[P, T]], Method[P, T]]:
    """Let a method of the forge with a title fail if an answer lacks a field."""

    def decorate(method: Method[P, T]) -> Method[P, T]:
        @wraps(method)
        async def call(*args: P.args, **named: P.kwargs) -> T:
            try:
                return await method(*args, **named)
            except RecordBroken as cause:
                raise ForgeFailed(f"invalid answer of {title}: {cause.message}") from cause

        return call

    return decorate


@dataclass(frozen=True)
class ForgeAddress:
    """The address of an API, the path of a repository in it, and the headers of a request.

    `rights` are the rights that the token in the variable `token_variable` needs.
    """

    title: str
    url: str
    repository: str
    token_variable: str
    rights: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class ApiReply:
    """The status, the headers and the body of an answer."""

    status: int
    headers: httpx.Headers
    content: bytes


class ForgeApi:
    """The API of a forge, asked about the repository of an account with its token."""

    def __init__(self, account: ForgeAccount, address: ForgeAddress) -> None:
        self._account = account
        self._address = address
        self._client = httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask_one(
        self, method: str, path: str, body: Json = None, *, is_global: bool = False
    ) -> Fields:
        """Return an object; a global path is not about the repository."""
        return self.read(await self.ask(method, path, body, is_global=is_global), path)

    async def ask_all(self, path: str, member: str = "") -> list[Fields]:
        """Return the objects of the first pages of a list; report if it may have more."""
        found: list[Fields] = []
        for page in range(1, MOST_PAGES + 1):
            entries = await self.ask_page(path, page, member)
            found += entries
            if len(entries) < PAGE:
                return found
        self.tell_cut(MOST_LISTED, path)
        return found

    async def ask_page(self, path: str, page: int, member: str = "") -> list[Fields]:
        """Return the objects of a page of a list; the first page is 1."""
        mark = "&" if "?" in path else "?"
        reply = await self.ask("GET", f"{path}{mark}per_page={PAGE}&page={page}")
        value = self._json(reply, path)
        items = Fields(value, path).items(member) if member else value
        if not isinstance(items, list):
            raise self._garbage(path)
        return [Fields(item, path) for item in items]

    def tell_cut(self, most: int, path: str) -> None:
        """Say that a list may have more entries than were read."""
        place = f"{path.partition('?')[0]} of {self._account.repository.name}"
        self._account.tell(f"{self._address.title}: only {most} entries of {place} were read")

    async def ask_log(self, path: str) -> str:
        """Return the end of a log, which another host may serve: it gets no token."""
        reply = await self.ask("GET", path, accept=(200, 302, 403, 404, 410), is_log=True)
        if reply.status == 302:
            address = reply.headers.get("location", "")
            require_safe(address)
            reply = await self._send("GET", address, None, with_token=False, is_log=True)
        return reply.content.decode("utf-8", "replace") if reply.status == 200 else ""

    async def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        accept: Sequence[int] = (200, 201),
        is_global: bool = False,
        is_log: bool = False,
    ) -> ApiReply:
        """Send a request; if the rate limit is reached, wait for its reset."""
        title = self._address.title
        place = "" if is_global else self._address.repository
        for _ in range(_TRIES):
            reply = await self._send(
                method, f"{self._address.url}{place}{path}", body, is_log=is_log
            )
            reply = _as_limited(reply)
            if reply.status in accept:
                return reply
            wait = _until_reset(reply)
            if wait is None:
                raise self._refusal(reply, f"{method} {path or '/'}")
            words = f"the rate limit of {title} is reached"
            if wait > _LONGEST_WAIT:
                after = f"wait {describe_duration(wait)}, then repeat the command"
                raise ForgeRefused(words, hint=after)
            self._account.tell(f"{words}: waiting {describe_duration(wait)} for its reset")
            await self._account.sleep(wait)
        raise ForgeRefused(f"the rate limit of {title} stays reached", hint="try again later")

    def read(self, reply: ApiReply, path: str) -> Fields:
        """Return the object in an answer."""
        return Fields(self._json(reply, path), path or "/")

    def no_write_access(self) -> ForgeRefused:
        """Return the error of a token that may not push."""
        name, rights = self._account.repository.name, self._address.rights
        message = f"the token has no write access to {name}"
        return ForgeRefused(message, hint=f"use a token with {rights}")

    def _json(self, reply: ApiReply, path: str) -> Json:
        try:
            return parse_json(reply.content)
        except NotCanonical as cause:
            raise self._garbage(path) from cause

    def _garbage(self, path: str, fault: str = "invalid") -> ForgeFailed:
        place = f"{self._address.title} at {self._address.url}"
        return ForgeFailed(f"{fault} answer of {place}: {path or '/'}")

    async def _send(
        self, method: str, address: str, body: Json, *, with_token: bool = True, is_log: bool
    ) -> ApiReply:
        headers = {**self._address.headers, "user-agent": f"attractor/{__version__}"}
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
                        raise self._garbage(urlsplit(address).path, "too large")
            finally:
                await reply.aclose()
        except (httpx.HTTPError, httpx.InvalidURL) as cause:
            # Its text may contain the address, which may be signed.
            host = urlsplit(address).hostname
            raise ForgeFailed(f"no answer of {host}: {type(cause).__name__}") from cause
        return ApiReply(reply.status_code, reply.headers, bytes(content))

    def _refusal(self, reply: ApiReply, asked: str) -> ForgeRefused | ForgeFailed:
        address, said = self._address, _said(reply)
        message = f"{address.title} answered {reply.status} to {asked} of "
        message += self._account.repository.name + (f": {said}" if said else "")
        if reply.status >= 500:
            return ForgeFailed(message)
        hints = {
            401: f"the token is invalid: set another one in {address.token_variable}",
            403: f"use a token with {address.rights}",
            404: "check the repository, and whether the token may read it",
        }
        return ForgeRefused(message, hint=hints.get(reply.status, ""))


def api_address(environ: Mapping[str, str], variable: str, default: str) -> str:
    """Return the address of an API, to which the token may be sent."""
    named = environ.get(variable, "")
    if named:
        require_safe(named, variable)
    return named.rstrip("/") or default


def require_safe(address: str, variable: str = "") -> None:
    """Refuse a plain connection to another machine."""
    parts = urlsplit(address)
    local = [host.strip("[]") for host in LOCAL_HOSTS]
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in local):
        return
    raise NoForge(
        f"{parts.scheme}://{parts.hostname} is no address for a token: it is not encrypted",
        hint=f"use https, in {variable}" if variable else "",
    )


def commit_id(text: str) -> str:
    """Return the id of a commit, which git gets as an argument."""
    if not _COMMIT.fullmatch(text):
        raise RecordBroken("a commit has an invalid id")
    return text


def optional_text(fields: Fields, name: str) -> str:
    """Return a text; empty if it is missing or null."""
    value = fields.all().get(name)
    return value if isinstance(value, str) else ""


def inner_text(fields: Fields, member: str, name: str) -> str:
    """Return a text of an inner object, or "" without one, such as for a deleted account."""
    return optional_text(fields.inner(member), name) if fields.all().get(member) else ""


def joined_texts(fields: Fields, *names: str) -> str:
    """Return the texts that are not empty, a line each."""
    return "\n".join(filter(None, (optional_text(fields, name) for name in names)))


def have_words(entries: Iterable[Fields], words: str) -> bool:
    """Return whether the body of a comment contains words."""
    return any(words in optional_text(entry, "body") for entry in entries)


def _said(reply: ApiReply) -> str:
    """Return the reason of a refusal: a text, or the mistakes of each field."""
    try:
        found = parse_json(reply.content)
    except NotCanonical:
        return ""
    said = (found.get("message") or found.get("error")) if isinstance(found, dict) else ""
    words = said if isinstance(said, str) else canonical_json(said) if said else ""
    return words[:_LONGEST_WORDS]


def _as_limited(reply: ApiReply) -> ApiReply:
    """Return an answer; one of GraphQL above the rate limit with the status that REST has."""
    if reply.status != 200 or reply.headers.get("x-ratelimit-remaining") != "0":
        return reply
    found = parse_object(reply.content) or {}
    is_limited = "errors" in found and not found.get("data")
    return replace(reply, status=429) if is_limited else reply


def _until_reset(reply: ApiReply) -> timedelta | None:
    """Return the time until the rate limit resets, by the clock of the service; None without."""
    headers = reply.headers
    if reply.status not in (403, 429):
        return None
    # GitLab and the coming standard leave out the "x-".
    left, reset = (
        headers.get(f"x-ratelimit-{name}") or headers.get(f"ratelimit-{name}", "")
        for name in ("remaining", "reset")
    )
    try:
        if after := headers.get("retry-after"):
            return timedelta(seconds=max(1, int(after)))
        if reply.status == 403 and left != "0":
            return None
        now = parsedate_to_datetime(headers["date"]).timestamp()
        return timedelta(seconds=max(1, int(reset) - int(now)))
    except (KeyError, ValueError, OverflowError):
        return timedelta(minutes=1)
