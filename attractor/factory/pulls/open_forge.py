"""Opens the forge of a project with the token and the own git of the operator.

The token of the forge stays in this process: it is in no run, no log and no line of the ledger.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.base.processes import ExecResult
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.storage.secrets import Redactor
from attractor.factory.decisions.promotion import HEADS
from attractor.factory.errors import ForgeFailed, ForgeRefused, NoForge, UnknownBranch
from attractor.factory.evaluation.evaluate import Evaluator
from attractor.factory.ledger.ledger import LineKind
from attractor.factory.pulls.forge import (
    Forge,
    ForgeAccount,
    RemoteRepository,
    forge_of,
    parse_remote,
)
from attractor.pipeline.project.project import Project
from attractor.workspaces.git.remote import find_password, run_own_git
from attractor.workspaces.git.repository import Repository, open_repository

Sleep = Callable[[timedelta], Awaitable[None]]
"""Waits until a rate limit of the forge resets."""

_LONGEST_FAULT = 1_000


@dataclass(frozen=True)
class OpenForge:
    """The repository of the project, and its remote on a forge."""

    project: Project
    repository: Repository
    remote: RemoteRepository
    kind: str
    api: Forge
    redactor: Redactor

    async def git(self, *arguments: str) -> ExecResult:
        """Run the operator's git in the project."""
        environ = self.project.machine.environ
        return await run_own_git(*arguments, folder=self.project.root, environ=environ)

    async def fetch(self, branch: str) -> str:
        """Fetch a branch of the remote, and return its commit."""
        ref = f"refs/remotes/{self.remote.remote}/{branch}"
        wanted = f"+{HEADS}{branch}:{ref}"
        done = await self.git("fetch", "--quiet", "--no-tags", self.remote.remote, wanted)
        if done.exit_code:
            if "couldn't find remote ref" in done.stderr:
                raise UnknownBranch(f"unknown branch {branch!r} of {self.remote.name}")
            raise self.fault("fetch from", done)
        return await self.repository.ref(ref)

    async def remove(self, branch: str, commit: str) -> None:
        """Remove a merged branch of the remote, unless it moved or the forge removed it."""
        lease = f"--force-with-lease={HEADS}{branch}:{commit}"
        done = await self.git("push", "--quiet", lease, self.remote.remote, f":{HEADS}{branch}")
        is_other = "stale info" in done.stderr or "does not exist" in done.stderr
        if done.exit_code and not is_other:
            self.project.console.tell(self.fault("push to", done).in_one_line)

    def fault(self, action: str, done: ExecResult) -> ForgeRefused | ForgeFailed:
        """Return the error of a fetch or a push."""
        said = " ".join(self.redactor.text(done.stderr).split())[-_LONGEST_FAULT:]
        message = f"cannot {action} the remote {self.remote.remote} ({self.remote.name}): {said}"
        for words, hint in _GIT_FAULTS.items():
            if words in done.stderr:
                return ForgeRefused(message, hint=hint)
        return ForgeFailed(message, hint=f"try it: git {action.split()[0]} {self.remote.remote}")


_CREDENTIALS = "give your own git a credential that may push there: git credential, or a key of ssh"

_GIT_FAULTS = {
    "stale info": "another person moved the branch meanwhile: repeat the command",
    "GH006": "the branch is protected: let the rules of the repository admit attractor/*",
    "protected branch": "the branch is protected: let the rules of the repository admit it",
    "hook declined": "a rule of the repository refused the push",
    "could not read Username": _CREDENTIALS,
    "could not read Password": _CREDENTIALS,
    "Authentication failed": _CREDENTIALS,
    "Permission denied": _CREDENTIALS,
    "403": _CREDENTIALS,
}


@dataclass(frozen=True)
class Work:
    """A locked run, the forge of its pull request, and the operator."""

    run: OpenRun
    evaluator: Evaluator
    forge: OpenForge
    by: str

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.manifest.run_id

    def record(self, kind: LineKind, data: Mapping[str, Json]) -> None:
        """Add a line about the pull request to the ledger."""
        about = {"pipeline": self.run.manifest.pipeline, **data, "by": self.by}
        record, now = self.run.redactor.members(about), self.run.clock.now()
        self.evaluator.ledger.append(kind, self.run_id, record, now=now)


async def find_forge(project: Project) -> tuple[RemoteRepository, str, type[Forge]]:
    """Return the project's remote, and the name and the class of its forge."""
    remote, folder, environ = project.pull_request.remote, project.root, project.machine.environ
    asked = await run_own_git("remote", "get-url", remote, folder=folder, environ=environ)
    if asked.exit_code:
        raise NoForge(
            f"unknown git remote {remote!r}",
            hint=f"add it: git remote add {remote} ADDRESS; or set pull_request.remote",
        )
    found = parse_remote(remote, asked.stdout.strip())
    return found, *forge_of(found, environ)


async def fetch_pull(project: Project, number: int) -> str:
    """Fetch a pull request without the API of its forge, and return the commit of its head."""
    remote, _, kind = await find_forge(project)
    folder, environ = project.root, project.machine.environ
    wanted = kind.head_ref.format(number)
    words = ("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", remote.remote, wanted)
    done = await run_own_git(*words, folder=folder, environ=environ)
    if done.exit_code:
        if "couldn't find remote ref" in done.stderr:
            raise UnknownBranch(f"unknown pull request #{number} of {remote.name}")
        said = " ".join(project.redactor.text(done.stderr).split())[-_LONGEST_FAULT:]
        message = f"cannot fetch from the remote {remote.remote} ({remote.name}): {said}"
        raise ForgeFailed(message, hint=f"try it: git fetch {remote.remote} {wanted}")
    head = await run_own_git("rev-parse", "FETCH_HEAD", folder=folder, environ=environ)
    return head.stdout.strip()


@asynccontextmanager
async def opened_forge(project: Project, sleep: Sleep | None = None) -> AsyncGenerator[OpenForge]:
    """Open the forge of the project's remote, with the operator's token."""
    machine, folder, environ = project.machine, project.root, project.machine.environ
    repository = await open_repository(folder, search_path=machine.search_path)
    found, name, kind = await find_forge(project)
    token = next(filter(None, (environ.get(name, "") for name in kind.token_variables)), "")
    if not token:
        token = await find_password(found.address, folder=folder, environ=environ)
    if not token:
        raise NoForge(
            f"no token for {kind.title}",
            hint=f"set {kind.token_variables[0]}, or sign in with your git: git credential approve",
        )
    tell = project.console.tell
    account = ForgeAccount(found, token, environ, sleep or machine.clock.sleep, tell)
    async with kind(account) as forge:
        yield OpenForge(project, repository, found, name, forge, project.redactor_of([token]))
