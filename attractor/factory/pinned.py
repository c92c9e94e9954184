"""What a run pins when it starts: the exact version of its suite and revision of its profile."""

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Broken
from attractor.factory.profile import Profile
from attractor.factory.profiles import ProfileStore
from attractor.factory.suites import SuiteStore, SuiteVersion
from attractor.scenarios.suite_reader import SealedSuite

STRICT = Profile(name="strict")
"""What a run is judged by when it names no profile."""


@dataclass(frozen=True)
class Stores:
    """The suites and profiles of a state folder."""

    suites: SuiteStore
    profiles: ProfileStore

    def pin_suite(self, reference: str) -> str:
        """Return the exact version and hash that a suite's name stands for now."""
        return _pinned(self.suites.find(reference)) if reference else ""

    def pin_profile(self, reference: str) -> str:
        """Return the exact revision that a profile's name stands for now."""
        if not reference:
            return ""
        profile = self.profiles.find(reference)
        return f"{profile.name}@{profile.revision}"

    def suite(self, pinned: str) -> SealedSuite | None:
        """Open the suite that a run pinned; it must be what it was."""
        if not pinned:
            return None
        name, _, seal = pinned.partition("#")
        version = self.suites.find(name)
        if version.seal != seal:
            raise Broken(f"the suite {name} is not the one the run pinned")
        return self.suites.open(version)

    def profile(self, pinned: str) -> Profile:
        """Return the profile that a run pinned, else the strict one."""
        return self.profiles.find(pinned) if pinned else STRICT


def _pinned(version: SuiteVersion) -> str:
    return f"{version.name}@{version.version}#{version.seal}"
