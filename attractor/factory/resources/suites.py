"""The suites of a project: numbered versions, each a sealed copy."""

from datetime import datetime
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.factory.ledger import Ledger
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.versions import ResourceKind, Version, VersionStore
from attractor.scenarios.satisfaction import failures_allowed, trials_needed
from attractor.scenarios.sealed_suite import SealedSuite, open_sealed, seal_suite
from attractor.scenarios.suite import InvalidSuite, Suite
from attractor.scenarios.suite_reader import read_suite

MOST_TRIALS_TOGETHER = 10_000
"""The maximum number of held-out trials of an evaluation."""


@dataclass(frozen=True)
class Registration:
    """The result of registering a suite."""

    version: Version
    is_new: bool
    trials: int
    failures_allowed: int


class SuiteStore:
    """The suites of a project, with versions; projects share the sealed copies."""

    def __init__(self, state: Path, project: ProjectIdentity, ledger: Ledger) -> None:
        self._sealed = state / "suites" / "sealed"
        self.versions = VersionStore(ResourceKind.SUITE, state, project, ledger)

    def register(self, folder: Path, *, by: str, now: datetime) -> Registration:
        """Seal a suite as a new version, unless the suite equals its latest version."""
        suite = read_suite(folder)
        trials, allowed = _feasible(suite)
        sealed = seal_suite(folder, self._sealed)
        version, is_new = self.versions.add(
            suite.settings.name,
            sealed.seal,
            {"pipeline": suite.settings.pipeline, "folder": str(folder.resolve())},
            by=by,
            now=now,
        )
        return Registration(version, is_new, trials, allowed)

    def open(self, version: Version) -> SealedSuite:
        """Read the sealed copy of a version, and verify the hash of the copy."""
        return open_sealed(self._sealed, version.content)


def _feasible(suite: Suite) -> tuple[int, int]:
    """Return the number of held-out trials and allowed failures; refuse an infeasible suite."""
    gate = suite.settings.gate
    trials = suite.settings.trials.n * len(suite.of_split("holdout"))
    if trials > MOST_TRIALS_TOGETHER:
        raise InvalidSuite(
            f"{trials} trials exceed the limit of {MOST_TRIALS_TOGETHER}",
            hint="lower trials.n, or split the suite",
        )
    allowed = failures_allowed(suite)
    if allowed < 0:
        needed = trials_needed(gate.min_lower_bound, confidence=gate.confidence)
        raise InvalidSuite(
            f"{trials} trials cannot reach the lower bound {gate.min_lower_bound}",
            hint=f"raise trials.n to at least {needed} trials in total, or lower min_lower_bound",
        )
    return trials, allowed
