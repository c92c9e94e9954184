"""The registered suites of a state folder, and the facts of a run: state, suite and profile.

A suite has numbered versions; each version is a sealed copy. The facts of a run are read without
locking the run.
"""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName, VerificationError
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.journal import GENESIS, ChainHead
from attractor.base.json import content_hash
from attractor.base.locks import FileLock
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import AWAITING_ANSWER, EVALUATING, RunState, RunStatus
from attractor.factory.profiles import Profile, ProfileStore
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


def before_a_decision(status: RunStatus, name: str) -> str:
    """Return the next command on the way to a decision, for a run that has no decision."""
    if status == EVALUATING:
        return f"evaluate it first: attractor evaluate {name}"
    if status == AWAITING_ANSWER:
        return f"answer its questions first: attractor answer {name}"
    if status.is_final:
        return f"only a run that waits for a decision can be judged; see: attractor diagnose {name}"
    return f"continue it first: attractor resume {name}"


@dataclass(frozen=True)
class RunFacts:
    """The manifest and the state of a run at one moment."""

    directory: RunDirectory
    manifest: Manifest
    state: RunState
    head: ChainHead = GENESIS

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.manifest.run_id

    @property
    def tree(self) -> str:
        """The current tree, or "" before the first stage."""
        return self.state.progress.tree if self.state.progress else ""

    def manifest_hash(self) -> str:
        """Return the hash of the manifest file."""
        return content_hash(read_regular(self.directory.manifest))


def facts_of(run: OpenRun) -> RunFacts:
    """Return the facts of a run that this process has locked."""
    return RunFacts(run.directory, run.manifest, run.state, run.events.head)


def read_facts(root: Path) -> RunFacts:
    """Read the facts of a run that another process may have locked."""
    directory = RunDirectory(root)
    found = open_journal(directory.events, directory.checkpoint)
    return RunFacts(directory, read_manifest(directory), found.state, found.head)


STRICT_PROFILE = Profile(name="strict")
"""The default profile."""


@dataclass(frozen=True)
class FactoryStores:
    """The suites and profiles of a state folder."""

    suites: SuiteStore
    profiles: ProfileStore

    def pin_suite(self, reference: str) -> str:
        """Return the reference to pin: the current version of a suite, with its hash."""
        return _pinned(self.suites.find(reference)) if reference else ""

    def pin_profile(self, reference: str) -> str:
        """Return the reference to pin: the current revision of a profile."""
        if not reference:
            return ""
        profile = self.profiles.find(reference)
        return f"{profile.name}@{profile.revision}"

    def suite(self, pinned: str) -> SealedSuite | None:
        """Open the suite that a run pinned, and verify the hash of the suite."""
        if not pinned:
            return None
        name, _, seal = pinned.partition("#")
        version = self.suites.find(name)
        if version.seal != seal:
            raise VerificationError(f"the suite {name} was changed after the run pinned it")
        return self.suites.open(version)

    def profile(self, pinned: str) -> Profile:
        """Return the profile that a run pinned (default: strict)."""
        return self.profiles.find(pinned) if pinned else STRICT_PROFILE


def _pinned(version: SuiteVersion) -> str:
    return f"{version.name}@{version.version}#{version.seal}"
