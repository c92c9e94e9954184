"""The outside world as one run sees it: read once by the command line, and handed down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from attractor.base.clock import Clock
from attractor.base.events import Event
from attractor.language.severities import Level, Levels
from attractor.pipeline.brought import NOTHING_BROUGHT, Brought
from attractor.workspaces.place import SHARED
from attractor.workspaces.preparation import NO_PREPARATION, Preparation

Watch = Callable[[Event], None]


def unwatched(event: Event) -> None:
    """Take no notice of an event."""


def untold(sentence: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Where a run finds its project, its variables, the time, and people.

    In `workspaces_dir` lies the folder of the workspaces, whose path tools in a sandbox can see.
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
    brought: Brought = NOTHING_BROUGHT
    draws: bool = True
    watch: Watch = unwatched
    tell: Callable[[str], None] = untold

    @property
    def search_path(self) -> str:
        """Where programs are looked for."""
        return self.environ.get("PATH", "")
