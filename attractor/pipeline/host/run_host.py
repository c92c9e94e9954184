"""The outside world of a run: read once at the edge, and passed down."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.events import Event
from attractor.engine.storage.secrets import Redactor, is_secret_name
from attractor.language.declarations.inputs import is_of_input
from attractor.language.linting.validate import Level, Levels
from attractor.pipeline.host.notify import NO_NOTIFY, Notify
from attractor.workspaces.folders import SHARED
from attractor.workspaces.setup.preparation import NO_PREPARATION, Preparation

if TYPE_CHECKING:
    from attractor.config.settings import LlmSettings
from attractor.pipeline.host.custom_parts import NO_CUSTOM_PARTS, CustomParts
from attractor.pipeline.host.observers import Observer, ObserverSubscriptions
from attractor.pipeline.host.own_texts import secrets_in_own_texts


def unwatched(event: Event) -> None:
    """Take no notice of an event."""


def untold(sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class RunHost:
    """Where a run finds its project, its variables, the time, and people.

    In `workspaces_dir` lies the folder of the workspaces, whose path tools in a sandbox can see.
    While somebody is asked at the terminal it is `quiet`: nobody else writes there.
    `secrets` are values besides those of variables with telling names: what a run was given.
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
    notify: Notify = NO_NOTIFY
    llm: "LlmSettings | None" = None
    custom_parts: CustomParts = NO_CUSTOM_PARTS
    draws: bool = True
    watch: Observer = unwatched
    news: ObserverSubscriptions = field(default_factory=ObserverSubscriptions)
    quiet: Callable[[], AbstractContextManager[None]] = nullcontext
    tell: Callable[[str], None] = untold
    secrets: tuple[str, ...] = ()

    def keeping(self, secrets: Iterable[str]) -> "RunHost":
        """Return the world in which more is secret."""
        return replace(self, secrets=tuple(dict.fromkeys((*self.secrets, *secrets))))

    @cached_property
    def redactor(self) -> Redactor:
        """What keeps secrets out of all that is written."""
        names = self.secret_variables
        words = secrets_in_own_texts([*(self.environ[name] for name in names), *self.secrets])
        return Redactor.of_environment(self.environ, names=names, more=self.secrets, words=words)

    @property
    def secret_variables(self) -> Sequence[str]:
        """The variables whose values are secret: by a telling name, or as those of inputs."""
        return [name for name in self.environ if is_secret_name(name) or is_of_input(name)]

    @cached_property
    def variables_of_tools(self) -> Mapping[str, str]:
        """The variables that may be handed on to where tools run: none gives a run an input."""
        given = set(self.secrets)
        return {
            name: value
            for name, value in self.environ.items()
            if value not in given and not is_of_input(name)
        }

    @property
    def search_path(self) -> str:
        """Where programs are looked for."""
        return self.environ.get("PATH", "")
