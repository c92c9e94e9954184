"""A forge, such as GitHub or GitLab: the service with the pull requests of a repository.

All texts of a forge were written by others. They are data: cut to a length, without secrets and
invisible characters, and fenced before an agent sees them.
"""

import unicodedata
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, Self
from urllib.parse import urlsplit

from attractor.base.dataclasses import dataclass
from attractor.base.patterns import late_pattern
from attractor.base.registry import Registry
from attractor.factory.errors import ForgeLimited, NoForge

LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")

_SHORT_ADDRESS = late_pattern(r"(?:[^@/:]+@)?(?P<host>[^/:]+):(?P<path>[^/].*)")
_TOKEN = late_pattern(
    r"\b(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|sk-|AKIA)[\w-]{12,}"
    r"|(?i:(?<=bearer )|(?<=token ))[\w.~+/-]{16,}=*"
)
"""Tokens of well-known services, which a careless check prints."""


@dataclass(frozen=True)
class RemoteRepository:
    """A repository of a forge, such as `ada/shop`, and the git remote that leads to it."""

    remote: str
    scheme: str
    host: str
    name: str

    @property
    def address(self) -> str:
        """The address for git over HTTP, without a user."""
        return f"{self.scheme}://{self.host}/{self.name}.git"


def same_repository(name: str, other: str) -> bool:
    """Return whether two names are of one repository: their case does not matter to a forge."""
    return name.casefold() == other.casefold()


def parse_remote(remote: str, url: str) -> RemoteRepository:
    """Return the repository of a forge behind the address of a git remote."""
    short = _SHORT_ADDRESS.fullmatch(url)
    if short and "://" not in url:
        scheme, host, path = "https", short["host"], short["path"]
    else:
        parts = urlsplit(url)
        scheme = "http" if parts.scheme == "http" else "https"
        # User and password stay out; the port of ssh is not that of the API.
        host, path = parts.netloc.rpartition("@")[2], parts.path
        host = host if parts.scheme in ("http", "https") else host.partition(":")[0]
    name = path.strip("/").removesuffix(".git")
    if not host or "/" not in name:
        raise NoForge(
            f"the remote {remote} leads to no forge: it is no address of a repository on a server",
            hint=f"show it: git remote get-url {remote}; or set pull_request.remote",
        )
    return RemoteRepository(remote, scheme, host, name)


class CheckState(StrEnum):
    """The state of a check of a commit."""

    PASSED = "passed"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True)
class ForgeCheck:
    """A check of a commit, with the end of its log if it failed."""

    name: str
    state: CheckState
    log: str = ""


@dataclass(frozen=True)
class ForgeRemark:
    """A comment of a person, about a line of a file if it has a path."""

    id: str
    author: str
    text: str
    path: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """The file and the line, or an empty text."""
        return f"{self.path}:{self.line}" if self.path and self.line else self.path


class PullState(StrEnum):
    """The state of a pull request."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True)
class PullRequest:
    """A pull request; `source` is the repository of its branch, `head` the tip of this branch."""

    number: int
    url: str
    state: PullState
    source: str
    branch: str
    head: str
    target: str
    merged_as: str = ""
    has_conflict: bool = False


def own_pull(pulls: Iterable[PullRequest], repository: str, branch: str) -> PullRequest | None:
    """Return the first pull request from a branch of the repository, not of a fork, or None."""
    for pull in pulls:
        if same_repository(pull.source, repository) and pull.branch == branch:
            return pull
    return None


@dataclass(frozen=True)
class PullContent:
    """The content of a pull request."""

    branch: str
    target: str
    title: str
    body: str
    is_draft: bool = False


@dataclass(frozen=True)
class ForgeIssue:
    """An issue, as it was when a person labelled it."""

    number: int
    url: str
    title: str
    text: str
    labelled_by: str
    labelled: datetime
    is_edited: bool = False
    """Its title or text was changed after it was labelled."""


@dataclass(frozen=True)
class ForgeAccount:
    """A repository, and how to ask for it: the operator's token, and a sleep until a limit resets.

    `environ` are the operator's variables. `tell` prints a sentence for people.
    """

    repository: RemoteRepository
    token: str
    environ: Mapping[str, str]
    sleep: Callable[[timedelta], Awaitable[None]]
    tell: Callable[[str], None]


class Forge(Protocol):
    """The pull requests and issues of a repository, within `async with`.

    Each file of `forges` has one.
    """

    title: str
    token_variables: Sequence[str]
    head_ref: str

    def __init__(self, account: ForgeAccount) -> None: ...

    @classmethod
    def serves(cls, repository: RemoteRepository, environ: Mapping[str, str]) -> bool:
        """Return whether a repository is on this forge."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exit: object) -> None: ...

    async def default_branch(self) -> str:
        """Return the default branch; refuse a repository to which the operator may not push."""
        ...

    async def may_write(self, login: str) -> bool:
        """Return whether a person has write access."""
        ...

    async def find_open(self, branch: str) -> PullRequest | None:
        """Return the open pull request of a branch of the repository itself, or None."""
        ...

    async def create(self, content: PullContent) -> PullRequest:
        """Open a pull request."""
        ...

    async def update(self, number: int, content: PullContent) -> PullRequest:
        """Change title and text of a pull request."""
        ...

    async def read(self, number: int) -> PullRequest:
        """Return a pull request."""
        ...

    async def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels to a pull request."""
        ...

    async def set_status(self, commit: str, words: str, url: str) -> None:
        """Set the status of a commit: the gate said go."""
        ...

    async def checks(self, number: int, commit: str) -> Sequence[ForgeCheck]:
        """Return the checks of a commit of a pull request, without the status of the gate."""
        ...

    async def remarks(self, number: int) -> Sequence[ForgeRemark]:
        """Return the comments and reviews of a pull request, oldest first."""
        ...

    async def labelled_issues(self, label: str) -> Sequence[ForgeIssue]:
        """Return the open issues that have a label now, each as it was labelled last."""
        ...

    async def has_comment(self, number: int, words: str) -> bool:
        """Return whether a comment on an issue contains words; look at the newest ones first."""
        ...

    async def comment(self, number: int, text: str) -> None:
        """Comment an issue."""
        ...


async def refuse_to_wait(wait: timedelta) -> None:
    """Raise instead of waiting until a limit resets, because the run stays locked meanwhile."""
    raise ForgeLimited(wait)


def forges() -> Registry[type[Forge]]:
    """Return the forges by name."""
    return Registry("attractor.factory.pulls.forges", type[Forge], noun="forge")


def token_variables() -> Sequence[str]:
    """Return the variables with the tokens of the operator for all forges."""
    return [name for kind in forges().values() for name in kind.token_variables]


def forge_of(repository: RemoteRepository, environ: Mapping[str, str]) -> tuple[str, type[Forge]]:
    """Return the name and the class of the forge of a repository."""
    for name, kind in forges().items():
        if kind.serves(repository, environ):
            return name, kind
    raise NoForge(
        f"unknown forge at {repository.host}: the remote {repository.remote} leads there",
        hint="set GITHUB_API_URL or GITLAB_API_URL for a server of your own; "
        "or set pull_request.remote",
    )


def clean_text(text: str, redact: Callable[[str], str]) -> str:
    """Return a text of others without secrets and without characters that people do not see."""
    seen = (
        char for char in text if char in "\n\t" or not unicodedata.category(char).startswith("C")
    )
    return _TOKEN.sub("***", redact("".join(seen)))


def end_of(text: str, most: int) -> str:
    """Return the end of a text, with a mark if something is missing."""
    return text if len(text) <= most else f"[...] {text[len(text) - most :]}"


def failed_checks(checks: Collection[ForgeCheck]) -> list[ForgeCheck]:
    """Return the failed checks."""
    return [check for check in checks if check.state is CheckState.FAILED]
