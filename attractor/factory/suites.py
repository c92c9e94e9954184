"""The registered suites of a state folder: numbered versions, each a sealed copy."""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.files import make_private_folder, write_whole
from attractor.base.locks import FileLock
from attractor.scenarios.satisfaction import failures_allowed, trials_needed
from attractor.scenarios.suite import InvalidSuite, Suite
from attractor.scenarios.suite_reader import SealedSuite, open_sealed, read_suite, seal_suite

PATIENCE_S = 10.0
MOST_TRIALS_TOGETHER = 10_000
"""The maximum number of held-out trials of an evaluation."""


class SuiteVersion(BaseModel):
    """A registered version of a suite, which runs pin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    seal: str
    registered: datetime


@dataclass(frozen=True)
class Registration:
    """The result of registering a suite."""

    version: SuiteVersion
    is_new: bool
    trials: int
    failures_allowed: int


class SuiteStore:
    """The registered suites of a state folder."""

    def __init__(self, state: Path) -> None:
        self._folder = state / "suites"
        self._sealed = self._folder / "sealed"
        self._lock = FileLock(self._folder / "suites.lock")

    def register(self, folder: Path, *, now: datetime) -> Registration:
        """Seal a suite as a new version, unless the suite equals its latest version."""
        suite = read_suite(folder)
        trials, allowed = _feasible(suite)
        make_private_folder(self._folder)
        with self._lock.acquire(wait=PATIENCE_S, purpose="attractor suite register"):
            sealed = seal_suite(folder, self._sealed)
            versions = self.versions(suite.settings.name)
            if versions and versions[-1].seal == sealed.seal:
                return Registration(versions[-1], False, trials, allowed)
            version = SuiteVersion(
                name=suite.settings.name,
                version=len(versions) + 1,
                seal=sealed.seal,
                registered=now,
            )
            self._write(version)
        return Registration(version, True, trials, allowed)

    def versions(self, name: str) -> list[SuiteVersion]:
        """Return the versions of a suite, oldest first."""
        files = sorted((self._folder / name).glob("*.json"), key=lambda file: int(file.stem))
        return [SuiteVersion.model_validate_json(file.read_bytes()) for file in files]

    def names(self) -> list[str]:
        """Return the names of all suites."""
        return sorted(one.parent.name for one in self._folder.glob("*/1.json"))

    def find(self, reference: str) -> SuiteVersion:
        """Return the version that `NAME` (the latest version) or `NAME@VERSION` refers to."""
        name, _, number = reference.partition("@")
        versions = self.versions(name) if name in self.names() else []
        if not versions:
            raise UnknownName("suite", name, self.names())
        chosen = {str(one.version): one for one in versions}
        if number and number not in chosen:
            raise UnknownName(f"version of suite {name}", number, chosen)
        return chosen[number] if number else versions[-1]

    def open(self, version: SuiteVersion) -> SealedSuite:
        """Read the sealed copy of a version, and verify the hash of the copy."""
        return open_sealed(self._sealed, version.seal)

    def _write(self, version: SuiteVersion) -> None:
        folder = self._folder / version.name
        folder.mkdir(mode=0o700, exist_ok=True)
        write_whole(folder / f"{version.version}.json", version.model_dump_json(indent=2))


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
