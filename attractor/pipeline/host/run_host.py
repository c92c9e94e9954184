"""The outside world of a run: read once at the edge, and passed down."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from attractor.base.broadcast import Missed, Subscription
from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.engine.journal.events import EventLog
from attractor.engine.storage.secrets import Redactor, is_secret_name
from attractor.language.declarations.inputs import is_of_input
from attractor.language.linting.validate import Level, Levels
from attractor.workspaces.folders import SHARED
from attractor.workspaces.setup.preparation import NO_PREPARATION, Preparation

if TYPE_CHECKING:
    from attractor.config.settings import LlmSettings
from attractor.pipeline.host.custom_parts import NO_CUSTOM_PARTS, CustomParts
from attractor.pipeline.host.own_texts import secrets_in_own_texts


@dataclass(frozen=True, kw_only=True)
class Notify:
    """How people are told: by a command, by an address that is sent JSON, or both.

    Whoever is asked has some time before others are told. The command runs in the folder, with
    these variables.
    """

    command: str = ""
    url: str = ""
    after: timedelta = timedelta(minutes=1)
    time_limit: timedelta = timedelta(seconds=30)
    folder: Path = Path()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def ways(self) -> tuple[str, ...]:
        """The names of the messengers that are wanted."""
        wanted = {"command": self.command.strip(), "url": self.url}
        return tuple(name for name, value in wanted.items() if value)


Observer = Callable[[Event], None]


CATCH_UP_S = 1.0
"""How long a question waits at most for the observer to see the events before it."""


class ObserverSubscriptions:
    """The journals whose events an observer gets, a moment later and on another thread."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription[Event]] = []

    def subscribe(self, events: EventLog, observer: Observer) -> None:
        """Pass each event to the observer from now on."""

        def pass_on(event: Event | Missed) -> None:
            if isinstance(event, Event):
                observer(event)

        self._subscriptions.append(events.subscribe(pass_on))

    async def catch_up(self) -> None:
        """Wait until the observers have seen every event so far."""
        for one in tuple(self._subscriptions):
            await asyncio.to_thread(one.catch_up, CATCH_UP_S)


def report_nothing(sentence: str) -> None:
    """Drop a sentence that would be printed for a person."""


@dataclass(frozen=True, kw_only=True)
class RunHost:
    """The project, folders, variables, clock and terminal of a run.

    `workspaces_dir` contains the folder of the workspaces; tools in a sandbox see its path. During
    `quiet` nothing else is printed to the terminal, so that a person can answer there. `tell`
    prints a sentence for a person. `secrets` are values that the run was given, in addition to
    those of variables with telling names.
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
    notify: Notify = field(default_factory=Notify)
    llm: "LlmSettings | None" = None
    custom_parts: CustomParts = NO_CUSTOM_PARTS
    draws: bool = True
    observer: Observer | None = None
    subscriptions: ObserverSubscriptions = field(default_factory=ObserverSubscriptions)
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext
    tell: Callable[[str], None] = report_nothing
    secrets: tuple[str, ...] = ()

    def with_secrets(self, secrets: Iterable[str]) -> "RunHost":
        """Return the host with more secrets."""
        return replace(self, secrets=tuple(dict.fromkeys((*self.secrets, *secrets))))

    @cached_property
    def redactor(self) -> Redactor:
        """Replaces secrets in everything that is written."""
        names = self.secret_variables
        words = secrets_in_own_texts([*(self.environ[name] for name in names), *self.secrets])
        return Redactor.of_environment(self.environ, names=names, more=self.secrets, words=words)

    @property
    def secret_variables(self) -> Sequence[str]:
        """The variables whose values are secret: by a telling name, or as values of inputs."""
        return [name for name in self.environ if is_secret_name(name) or is_of_input(name)]

    @cached_property
    def variables_of_tools(self) -> Mapping[str, str]:
        """The variables that tools may see: no secret, and no input of the run."""
        secrets = set(self.secrets)
        return {
            name: value
            for name, value in self.environ.items()
            if value not in secrets and not is_of_input(name)
        }

    @property
    def search_path(self) -> str:
        """The folders that are searched for programs."""
        return self.environ.get("PATH", "")
