"""A project: its folders, its settings, and the process that opened it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from attractor.base.dataclasses import dataclass
from attractor.config.configuration import Configuration
from attractor.config.logins import AllowedLogins
from attractor.config.projects import AGENTS
from attractor.config.settings import (
    CachesSettings,
    MemorySettings,
    MissionsSettings,
    NotifySettings,
    PlaceSettings,
    PullRequestSettings,
    Settings,
    WorkspaceSettings,
    WorldsSettings,
)
from attractor.engine.storage.secrets import Redactor, is_secret_name
from attractor.environments.environment import inherited
from attractor.environments.sandbox.bubblewrap import SandboxBounds
from attractor.language.linting.validate import Level, Levels
from attractor.pipeline.project.console import Console
from attractor.pipeline.project.custom_parts import NO_CUSTOM_PARTS, CustomParts
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.rule_levels import rule_levels
from attractor.workspaces.caches import CACHE_VARIABLES
from attractor.workspaces.folders import SHARED
from attractor.workspaces.preparation import NO_PREPARATION, Preparation
from attractor.workspaces.result_tree import LEAVE_OUT

if TYPE_CHECKING:
    from attractor.config.settings import (
        BackendsSettings,
        CodingAgentSettings,
        GrowthSettings,
        LlmSettings,
        SandboxLimitSettings,
    )


@dataclass(frozen=True, kw_only=True)
class Notify:
    """The ways to notify people: a command, a URL that receives JSON, or both.

    The command runs in `folder`, with the environment variables in `variables`. A notice is sent if
    an interviewer has no answer after the time `after`. The ends of child runs are only notified
    with `children`.
    """

    command: str = ""
    url: str = ""
    after: timedelta = timedelta(minutes=1)
    time_limit: timedelta = timedelta(seconds=30)
    children: bool = False
    folder: Path = Path()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def messengers(self) -> tuple[str, ...]:
        """The names of the messengers in use."""
        wanted = {"command": self.command.strip(), "url": self.url}
        return tuple(name for name, value in wanted.items() if value)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project: its folder `root`, its settings, and the machine and console that use it.

    `workspaces_dir` contains the folder of the workspaces; tools in a sandbox see its path.
    `leave_out` are patterns of new files that no result contains. `ports` are variables with ports
    of each workspace. `worktrees` is the folder of the worktrees of dimensions, if not beside the
    repository, and `teardown` a command before one is removed. `cache_variables` are the folders in
    the cache folder of a run, by variable. `downloads` names the package managers whose
    downloads a sandbox shows; `readable` are more paths that it shows, and `sandbox_env` the
    variables that it adds. `suite` and `profile`
    judge runs that name none. After `max_same_cause` task runs that stopped for one cause, a person
    is asked. `places` are those in which runs can work, by name. `secrets` are values in the
    settings, in addition to the variables whose names indicate secrets.
    """

    machine: Machine
    console: Console
    root: Path
    runs_dir: Path
    workspaces_dir: Path = SHARED
    parts: CustomParts = NO_CUSTOM_PARTS
    levels: Levels = field(default_factory=dict[str, Level])
    preparation: Preparation = NO_PREPARATION
    leave_out: Sequence[str] = LEAVE_OUT
    ports: Sequence[str] = ()
    worktrees: str = ""
    teardown: str = ""
    cache_variables: Mapping[str, str] = field(default_factory=lambda: CACHE_VARIABLES)
    downloads: tuple[str, ...] = ()
    bounds: SandboxBounds = field(default_factory=SandboxBounds)
    readable: tuple[Path, ...] = ()
    sandbox_env: Mapping[str, str] = field(default_factory=dict[str, str])
    notify: Notify = field(default_factory=Notify)
    llm: "LlmSettings | None" = None
    backends: "BackendsSettings | None" = None
    agent: "CodingAgentSettings | None" = None
    growth: "GrowthSettings | None" = None
    worlds: WorldsSettings = WorldsSettings()
    missions: MissionsSettings = MissionsSettings()
    memory: MemorySettings = MemorySettings()
    suite: str = ""
    profile: str = ""
    max_same_cause: int = 0
    pull_request: PullRequestSettings = PullRequestSettings()
    places: Mapping[str, PlaceSettings] = field(default_factory=dict[str, PlaceSettings])
    secrets: tuple[str, ...] = ()

    @property
    def agents_folder(self) -> Path:
        """The folder of the project's agents."""
        return self.root / AGENTS

    @cached_property
    def redactor(self) -> Redactor:
        """Replaces the secrets of the machine and of the settings in everything that is written."""
        return self.redactor_of(())

    def redactor_of(self, secrets: Iterable[str]) -> Redactor:
        """Return the redactor that also knows the secrets of a run."""
        machine = self.machine
        return Redactor.of_environment(
            machine.environ,
            names=machine.secret_variables,
            more=[*dict.fromkeys((*self.secrets, *secrets))],
        )

    def with_texts(self, texts: Mapping[str, str]) -> "Project":
        """Return the project with texts that replace files, by path."""
        return replace(self, parts=replace(self.parts, texts=texts))


def project_from(
    configuration: Configuration[Settings],
    *,
    machine: Machine,
    console: Console,
    parts: CustomParts = NO_CUSTOM_PARTS,
) -> Project:
    """Return the project of loaded settings."""
    settings = configuration.settings
    return Project(
        machine=machine,
        console=console,
        root=configuration.root,
        runs_dir=settings.runs_dir,
        workspaces_dir=settings.workspaces_dir,
        parts=parts,
        levels=rule_levels(configuration),
        preparation=_preparation(settings.workspace),
        leave_out=(*LEAVE_OUT, *settings.workspace.leave_out),
        ports=settings.workspace.ports,
        worktrees=settings.workspace.worktrees,
        teardown=settings.workspace.teardown,
        cache_variables=_cache_variables(settings.caches),
        downloads=settings.caches.read,
        bounds=_bounds(settings.sandbox),
        sandbox_env=settings.sandbox.env,
        notify=_notify(settings.notify, machine.environ, folder=configuration.root),
        llm=settings.llm,
        backends=settings.backends,
        agent=settings.agent,
        growth=settings.growth,
        worlds=settings.worlds,
        missions=settings.missions,
        memory=settings.memory,
        suite=settings.factory.suite,
        profile=settings.factory.profile,
        max_same_cause=settings.factory.max_same_cause,
        pull_request=settings.pull_request,
        places=settings.places,
        secrets=(*_secrets(settings), *AllowedLogins(machine.state_dir).secrets(machine.environ)),
    )


def _secrets(settings: Settings) -> Iterator[str]:
    """Yield tokens of services, and secrets for MCP servers in headers, URLs and variables."""
    adapters = settings.growth.adapters.values()
    yield from (one.token.get_secret_value() for one in adapters if one.token)
    if secret := settings.pull_request.hook_secret.get_secret_value():
        yield secret
    for server in settings.agent.mcp.values():
        yield from (value for _, value in parse_qsl(urlsplit(server.url.get_secret_value()).query))
        # The key follows a word such as Bearer.
        yield from (one.get_secret_value().rpartition(" ")[2] for one in server.headers.values())
        yield from (
            value.get_secret_value() for name, value in server.env.items() if is_secret_name(name)
        )


def _bounds(settings: "SandboxLimitSettings") -> SandboxBounds:
    limits = {name: value for name, value in vars(settings).items() if name != "env"}
    return SandboxBounds(**{name: value for name, value in limits.items() if value is not None})


def _preparation(settings: WorkspaceSettings) -> Preparation:
    return Preparation(
        setup=settings.setup,
        setup_files=settings.setup_files,
        carry=settings.carry,
        carry_read_only=settings.carry_read_only,
        setup_timeout=timedelta(minutes=settings.setup_minutes),
    )


def _cache_variables(settings: CachesSettings) -> Mapping[str, str]:
    named = {**CACHE_VARIABLES, **settings.write}
    return {name: folder for name, folder in named.items() if folder}


def _notify(settings: NotifySettings, environ: Mapping[str, str], *, folder: Path) -> Notify:
    return Notify(
        command=settings.command,
        url=settings.url.get_secret_value(),
        after=timedelta(seconds=settings.after_seconds),
        time_limit=timedelta(seconds=settings.timeout_seconds),
        children=settings.children,
        folder=folder,
        variables=inherited(environ),
    )
