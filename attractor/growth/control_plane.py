"""The control plane of an app: its folder `runs/growth/`, which is not in Git, and its opened.

specs/<spec id>/        specifications
plans/<plan id>/        plans, with their simulations and deployments
recordings/<name>/      recorded traffic and state
releases/               the running app
backups/                records of the running app
index.sqlite            an index of the specifications
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError
from attractor.base.files import file_error
from attractor.base.locks import FileLock
from attractor.factory.open_project import OpenProject
from attractor.growth.development import read_development
from attractor.growth.errors import InvalidSpec
from attractor.growth.identity import Coverage, coverage
from attractor.growth.plans.checks import PlanCheck, check_plan
from attractor.growth.plans.plan import Plan
from attractor.growth.plans.store import PlanStore
from attractor.growth.specification.files import NODES
from attractor.growth.specification.graph import SpecGraph
from attractor.growth.specification.node_kind import wrong_relations
from attractor.growth.specification.store import SpecStore
from attractor.pipeline.project.project import Project


def releases_in(runs_dir: Path) -> Path:
    """Return the folder of releases of the app whose project has a runs folder."""
    return runs_dir / "growth" / "releases"


@dataclass(frozen=True)
class ControlPlane:
    """The control plane of the app of a project."""

    project: Project

    @property
    def repository(self) -> Path:
        """The repository of the app."""
        return self.project.root

    @property
    def folder(self) -> Path:
        """The folder of the control plane."""
        return self.project.runs_dir / "growth"

    @property
    def recordings(self) -> Path:
        """The folder of recordings."""
        return self.folder / "recordings"

    @property
    def releases(self) -> Path:
        """The folder of releases."""
        return releases_in(self.project.runs_dir)

    @property
    def index(self) -> Path:
        """The index of the specifications."""
        return self.folder / "index.sqlite"

    @cached_property
    def specs(self) -> SpecStore:
        """The specifications."""
        return SpecStore(self.folder / "specs", self.repository)

    @cached_property
    def plans(self) -> PlanStore:
        """The plans."""
        return PlanStore(self.folder / "plans", self.specs)

    @property
    def head(self) -> SpecGraph | None:
        """The specification in the repository; an app without a first deployment has none."""
        return self.specs.of_repository() if (self.repository / NODES).is_dir() else None

    @property
    def without_effect(self) -> Sequence[str]:
        """The relations of the specification in the repository to nodes that they do not allow."""
        with suppress(InvalidSpec):
            return [*wrong_relations(self.head)] if self.head else []
        return []

    def check(self, plan: Plan) -> PlanCheck:
        """Check a stored plan as it is deployed now."""
        development = read_development(self.repository)
        return check_plan(
            plan,
            development,
            self.head,
            list(self.plans.open_plans()),
            changed_text=self.plans.changed_text(plan),
        )

    def coverage(self, plan: Plan) -> Coverage:
        """Return how much of the identity a machine checks, with the suite of the settings."""
        return coverage(plan.base, read_development(self.repository).identity, self._musts())

    def _musts(self) -> Collection[str]:
        """Return the `must` scenarios of the suite; none without a suite that can be used."""
        opened = OpenProject(self.project)
        try:
            sealed = opened.suite(opened.pin_suite(self.project.suite))
        except AttractorError:
            return ()
        return sealed.suite.musts if sealed else ()

    def lock(self) -> FileLock:
        """Return the lock for work that no other plan may change meanwhile."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise file_error("write", self.folder, cause) from cause
        return FileLock(self.folder / "lock")
