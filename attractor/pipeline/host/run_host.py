"""The host of a run: environment variables, secrets and custom parts."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, cast
from urllib.parse import parse_qsl, urlsplit

from attractor import __version__
from attractor.base.broadcast import Missed, Subscription
from attractor.base.callables import call
from attractor.base.clock import Clock, SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.events import Event
from attractor.base.registry import count_parameters
from attractor.config.projects import AGENTS
from attractor.config.schema import Configuration
from attractor.config.settings import CachesSettings, NotifySettings, Settings, WorkspaceSettings
from attractor.config.user_folders import OPERATOR_VARIABLE, STARTED_BY_VARIABLE
from attractor.engine.context import Context
from attractor.engine.journal.events import EventLog
from attractor.engine.outcome import Outcome
from attractor.engine.questions.question import Interviewer
from attractor.engine.seams import Backend, Handler, Stage
from attractor.engine.storage.secrets import Redactor, is_secret_name
from attractor.environments.environment import inherited
from attractor.environments.sandbox.bubblewrap import SandboxBounds
from attractor.language.declarations.inputs import is_of_input
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.graph.graph import Graph, Node
from attractor.language.linting.lint_rule import ExtraRules
from attractor.language.linting.validate import Level, Levels
from attractor.language.preparation.prepare import Transform
from attractor.pipeline.host.rule_levels import rule_levels
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
    )


PARK = "park"
"""The interviewer of a process without a terminal: questions wait for `attractor answer`."""

HANDED_IN = "handed in"
"""The name in a manifest for a part that a program passed as an object."""


@dataclass(frozen=True, kw_only=True)
class CustomParts:
    """The parts that a program passes as objects, and texts that replace files, by path."""

    handlers: Mapping[str, Handler] = field(default_factory=dict[str, Handler])
    backend: Backend | None = None
    interviewer: Interviewer | None = None
    transforms: Sequence[Transform] = ()
    rules: ExtraRules = ()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts that a resumed run needs; another interviewer can be passed."""
        named = [f"handler {type_}" for type_ in sorted(self.handlers)]
        named += ["backend"] if self.backend else []
        return (*named, *(f"transform {type(one).__name__}" for one in self.transforms))

    def find_missing(self, names: Sequence[str]) -> Iterator[Diagnostic]:
        """Yield a fault for each part that was passed at the start of the run, but is not passed
        now.
        """
        for name in names:
            if name not in self.names:
                yield error(
                    f"missing {name}: the program that started the run passed an object",
                    fix="resume the run with resume_pipeline from a program that passes the object",
                )


NO_CUSTOM_PARTS = CustomParts()

_HINT = "pass an object with execute(node, context, graph, logs_root), or execute(stage)"

_OURS, _SPEC = 1, 4


class SpecHandler(Protocol):
    """Executes one node type, with the four arguments of the specification."""

    def execute(
        self, node: Node, context: Context, graph: Graph, logs_root: Path
    ) -> Outcome | Awaitable[Outcome]:
        """Execute one attempt, and return its outcome."""
        ...


class SyncHandler(Protocol):
    """Executes one node type; `execute` is not async and is called in a thread."""

    def execute(self, stage: Stage) -> Outcome:
        """Execute one attempt, and return its outcome."""
        ...


AnyHandler = Handler | SyncHandler | SpecHandler


@dataclass(frozen=True)
class _Adapted:
    """Adapts a handler with the four arguments of the specification."""

    called: Callable[..., object]

    async def execute(self, stage: Stage) -> Outcome:
        arguments = (stage.node, stage.context, stage.graph, stage.logs_root)
        # The type is not checked here: the engine checks the outcome of every handler.
        return cast(Outcome, await call(self.called, *arguments))


def adapt_handler(type_: str, handler: AnyHandler) -> Handler:
    """Return a handler as the engine calls it, or refuse an invalid handler."""
    if isinstance(handler, type):
        message = f"the handler of {type_} is a class"
        raise UsageError(message, hint=f"pass an object: {handler.__name__}()")
    execute = getattr(handler, "execute", None)
    if not callable(execute):
        raise UsageError(f"the handler of {type_} has no method execute", hint=_HINT)
    wanted = count_parameters(execute)
    if wanted == _SPEC:
        return _Adapted(execute)
    if wanted != _OURS:
        raise UsageError(f"the handler of {type_} takes {wanted} arguments", hint=_HINT)
    return cast(Handler, handler)


def adapt_handlers(handlers: Mapping[str, AnyHandler]) -> dict[str, Handler]:
    """Return handlers by node type as the engine calls them."""
    return {type_: adapt_handler(type_, one) for type_, one in handlers.items()}


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


Observer = Callable[[Event], None]

CATCH_UP_S = 1.0
"""The maximum time in seconds that a question waits for the observer to see the earlier events."""


class ObserverSubscriptions:
    """The journals whose events an observer receives, a moment later, on another thread."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Event]] = []

    def subscribe(self, events: EventLog, observer: Observer) -> None:
        """Pass each event to the observer from now on."""

        def pass_on(event: Event | Missed) -> None:
            if isinstance(event, Event):
                observer(event)

        self._subscriptions.append(events.subscribe(pass_on))

    async def catch_up(self) -> None:
        """Wait until the observers have seen all events so far."""
        for one in tuple(self._subscriptions):
            await asyncio.to_thread(one.catch_up, CATCH_UP_S)


def report_nothing(sentence: str) -> None:
    """Drop a message for a person."""


@dataclass(frozen=True, kw_only=True)
class RunHost:
    """The project, folders, variables, clock and terminal of a run.

    `workspaces_dir` contains the folder of the workspaces; tools in a sandbox see its path. During
    `quiet`, nothing else is printed to the terminal, so that a person can answer there. `tell`
    prints a message for a person. `leave_out` are patterns of new files that no result contains.
    `cache_variables` are the folders in the cache folder of a run, by variable. `downloads` names
    the package managers whose downloads a sandbox shows.
    `interviewer` names the interviewer of runs that name none.
    `secrets` are values that the caller passed, in addition to the variables whose names indicate
    secrets. `suite` and `profile` judge runs that name none. `readable` are paths, and
    `passed_variables` the names of variables, that a sandbox shows; `sandbox_env` are variables
    that it adds. `pinned_agents` is the folder of the agents that a run began with.
    `adopts_orphans` is True in a process that only executes a run: orphans of commands without a
    sandbox become its children, and end with their stage.
    """

    project: Path
    state_dir: Path
    runs_dir: Path
    environ: Mapping[str, str]
    clock: Clock
    randomness: Callable[[int], bytes]
    input: TextIO
    output: TextIO
    version: str
    workspaces_dir: Path = SHARED
    levels: Levels = field(default_factory=dict[str, Level])
    preparation: Preparation = NO_PREPARATION
    leave_out: Sequence[str] = LEAVE_OUT
    cache_variables: Mapping[str, str] = field(default_factory=lambda: CACHE_VARIABLES)
    downloads: tuple[str, ...] = ()
    bounds: SandboxBounds = field(default_factory=SandboxBounds)
    notify: Notify = field(default_factory=Notify)
    llm: "LlmSettings | None" = None
    backends: "BackendsSettings | None" = None
    agent: "CodingAgentSettings | None" = None
    growth: "GrowthSettings | None" = None
    custom_parts: CustomParts = NO_CUSTOM_PARTS
    observer: Observer | None = None
    subscriptions: ObserverSubscriptions = field(default_factory=ObserverSubscriptions)
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext
    tell: Callable[[str], None] = report_nothing
    interviewer: str = PARK
    secrets: tuple[str, ...] = ()
    suite: str = ""
    profile: str = ""
    readable: tuple[Path, ...] = ()
    passed_variables: tuple[str, ...] = ()
    sandbox_env: Mapping[str, str] = field(default_factory=dict[str, str])
    pinned_agents: Path | None = None
    adopts_orphans: bool = False

    def with_home(self, text: str) -> str:
        """Return a path that begins with `~` with the home folder of this machine."""
        home = self.environ.get("HOME", "")
        return f"{home}{text[1:]}" if text == "~" or text.startswith("~/") else text

    @property
    def agents_folder(self) -> Path:
        """The folder of the project's agents, or of the agents that a run began with."""
        return self.pinned_agents or self.project / AGENTS

    @property
    def agent_copies(self) -> Path:
        """The folder of the copies of agents that runs began with."""
        return self.state_dir / "agents"

    def with_secrets(self, secrets: Iterable[str]) -> "RunHost":
        """Return the host with more secrets."""
        return replace(self, secrets=tuple(dict.fromkeys((*self.secrets, *secrets))))

    def with_texts(self, texts: Mapping[str, str]) -> "RunHost":
        """Return the host with texts that replace files, by path."""
        return replace(self, custom_parts=replace(self.custom_parts, texts=texts))

    @cached_property
    def redactor(self) -> Redactor:
        """Replaces secrets in everything that is written."""
        return Redactor.of_environment(self.environ, names=self.secret_variables, more=self.secrets)

    @property
    def secret_variables(self) -> Sequence[str]:
        """The environment variables with secret values: their names indicate secrets, or they are
        secret inputs.
        """
        return [name for name in self.environ if is_secret_name(name) or is_of_input(name)]

    @cached_property
    def variables_of_tools(self) -> Mapping[str, str]:
        """The environment variables that tools may see: without secrets and without inputs of the
        run.
        """
        secrets = set(self.secrets)
        return {
            name: value
            for name, value in self.environ.items()
            if value not in secrets
            and not is_of_input(name)
            and name not in (OPERATOR_VARIABLE, STARTED_BY_VARIABLE)
        }

    @property
    def search_path(self) -> str:
        """The folders in which programs are searched."""
        return self.environ.get("PATH", "")


def open_host(
    configuration: Configuration[Settings],
    *,
    environ: Mapping[str, str],
    input: TextIO,
    output: TextIO,
    observer: Observer | None = None,
    tell: Callable[[str], None] = report_nothing,
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext,
    interviewer: str = PARK,
    custom_parts: CustomParts = NO_CUSTOM_PARTS,
) -> RunHost:
    """Return the host of a project, with the clock and the random numbers of the machine."""
    settings = configuration.settings
    return RunHost(
        project=configuration.root,
        state_dir=settings.state_dir,
        runs_dir=settings.runs_dir,
        workspaces_dir=settings.workspaces_dir,
        environ=environ,
        clock=SystemClock(),
        randomness=os.urandom,
        input=input,
        output=output,
        version=__version__,
        levels=rule_levels(configuration),
        preparation=_preparation(settings.workspace),
        leave_out=(*LEAVE_OUT, *settings.workspace.leave_out),
        cache_variables=_cache_variables(settings.caches),
        downloads=settings.caches.read,
        bounds=SandboxBounds(**settings.sandbox.model_dump(exclude_none=True, exclude={"env"})),
        sandbox_env=settings.sandbox.env,
        notify=_notify(settings.notify, environ, folder=configuration.root),
        llm=settings.llm,
        backends=settings.backends,
        agent=settings.agent,
        growth=settings.growth,
        suite=settings.factory.suite,
        profile=settings.factory.profile,
        observer=observer,
        tell=tell,
        interviewer=interviewer,
        quiet=quiet,
        custom_parts=custom_parts,
        secrets=tuple(_secrets(settings.agent, settings.growth)),
    )


def _secrets(settings: "CodingAgentSettings", growth: "GrowthSettings") -> Iterator[str]:
    """Yield tokens of services, and secrets for MCP servers in headers, URLs and variables."""
    yield from (one.token.get_secret_value() for one in growth.adapters.values() if one.token)
    for server in settings.mcp.values():
        yield from (value for _, value in parse_qsl(urlsplit(server.url.get_secret_value()).query))
        # The key follows a word such as Bearer.
        yield from (one.get_secret_value().rpartition(" ")[2] for one in server.headers.values())
        yield from (
            value.get_secret_value() for name, value in server.env.items() if is_secret_name(name)
        )


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
