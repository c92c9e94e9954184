"""The state of a run, with its pinned suite and profile, without holding the run."""

from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.hash_chain import GENESIS, ChainHead
from attractor.base.json import content_hash
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import RunState
from attractor.factory.profiles import Profile, ProfileStore
from attractor.factory.suites import SuiteStore, SuiteVersion
from attractor.scenarios.sealed_suite import SealedSuite


@dataclass(frozen=True)
class RunFacts:
    """The manifest and state of a run at one moment."""

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
        return content_hash(self.directory.manifest.read_bytes())


def facts_of(run: OpenRun) -> RunFacts:
    """Return the facts of a held run."""
    return RunFacts(run.directory, run.manifest, run.state, run.events.head)


def read_facts(root: Path) -> RunFacts:
    """Read the facts of a run that another process may hold."""
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
        """Return the current version and hash of a suite."""
        return _pinned(self.suites.find(reference)) if reference else ""

    def pin_profile(self, reference: str) -> str:
        """Return the current revision of a profile."""
        if not reference:
            return ""
        profile = self.profiles.find(reference)
        return f"{profile.name}@{profile.revision}"

    def suite(self, pinned: str) -> SealedSuite | None:
        """Open the pinned suite of a run, verified against its hash."""
        if not pinned:
            return None
        name, _, seal = pinned.partition("#")
        version = self.suites.find(name)
        if version.seal != seal:
            raise VerificationError(f"the suite {name} was changed after the run pinned it")
        return self.suites.open(version)

    def profile(self, pinned: str) -> Profile:
        """Return the pinned profile of a run (default: strict)."""
        return self.profiles.find(pinned) if pinned else STRICT_PROFILE


def _pinned(version: SuiteVersion) -> str:
    return f"{version.name}@{version.version}#{version.seal}"
