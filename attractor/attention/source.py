"""One kind of thing that needs a person, and the look at a project that all kinds share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path

from attractor.attention.rows import AttentionRow
from attractor.base.dataclasses import dataclass
from attractor.base.registry import Registry
from attractor.factory.open_project import OpenProject, open_project
from attractor.factory.project import ProjectFolder
from attractor.records.summary import RunOverview
from attractor.worlds.status import NEED_A_PERSON, ActorView


@dataclass(frozen=True)
class Look:
    """A look at a project: its actors, and its runs that need a person."""

    project: ProjectFolder
    state: Path
    now: datetime
    environ: Mapping[str, str]
    views: Sequence[ActorView]
    runs: Sequence[RunOverview]

    @cached_property
    def runs_of_actors(self) -> set[str]:
        """The runs that rows of actors show."""
        tasks = [view.task for view in self.views if view.status in NEED_A_PERSON]
        answers = [view.unseen for view in self.views]
        return {one.run_id for one in (*tasks, *answers) if one}

    @property
    def growth(self) -> Path | None:
        """The folder of the app of the project, if it has one."""
        folder = self.project.runs_dir / "growth"
        return folder if self.project.has_runs and folder.is_dir() else None

    def open(self) -> OpenProject:
        """Open the project, with its settings."""
        environ = {**self.environ, "ATTRACTOR_STATE_DIR": str(self.state)}
        return open_project(self.project.root, environ)


@dataclass(frozen=True)
class Source:
    """A kind of thing that needs a person: it yields the rows of a project."""

    rows_of: Callable[[Look], Iterable[AttentionRow]]


@cache
def sources() -> Registry[Source]:
    """Return the kinds by their names."""
    return Registry("attractor.attention.sources", Source, noun="kind of attention")
