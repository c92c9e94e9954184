"""The facts of a run, read without locking the run: state, suite and profile."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attractor.base.dataclasses import dataclass
from attractor.base.errors import FileError, Refused, UsageError
from attractor.base.files import read_regular
from attractor.base.hash_chain import GENESIS, ChainHead
from attractor.base.json import content_hash
from attractor.engine.journal.checkpoint import open_journal
from attractor.engine.run_folder.layout import Manifest, RunDirectory, read_manifest
from attractor.engine.run_folder.open_run import OpenRun
from attractor.engine.state.run_state import AWAITING_ANSWER, EVALUATING, RunState, RunStatus
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.project import ProjectIdentity
from attractor.factory.resources.pipelines import PipelineStore
from attractor.factory.resources.profiles import Profile, ProfileStore
from attractor.factory.resources.versions import (
    LOCK,
    ResourceKind,
    Version,
    VersionStore,
    registration_notes,
    split_pin,
    split_reference,
)
from attractor.pipeline.source.read import PipelineSource, find_accepted, pipeline_name

if TYPE_CHECKING:
    from attractor.factory.resources.suites import SuiteStore
    from attractor.scenarios.sealed_suite import SealedSuite


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
class CandidateRun:
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

    @property
    def cost_usd(self) -> float:
        """The cost of the stages so far."""
        return self.state.used.cost_usd

    @property
    def pipeline_hash(self) -> str:
        """The hash of the pipeline that the run uses: a person may have accepted a change."""
        accepted = find_accepted(self.directory)
        return accepted.new if accepted else self.manifest.content_hash

    def manifest_hash(self) -> str:
        """Return the hash of the manifest file."""
        return content_hash(read_regular(self.directory.manifest))


def facts_of(run: OpenRun) -> CandidateRun:
    """Return the facts of a run that this process has locked."""
    return CandidateRun(run.directory, run.manifest, run.state, run.events.head)


def read_candidate_run(root: Path) -> CandidateRun:
    """Read the facts of a run that another process may have locked."""
    directory = RunDirectory(root)
    found = open_journal(directory.events, directory.checkpoint)
    return CandidateRun(directory, read_manifest(directory), found.state, found.head)


STRICT_PROFILE = Profile(name="strict")
"""The default profile."""


@dataclass(frozen=True)
class FactoryStores:
    """The suites, profiles and pipelines of a project, each opened on first use."""

    state: Path
    project: ProjectIdentity
    ledger: Ledger

    @cached_property
    def suites(self) -> "SuiteStore":
        """The suites."""
        # Suites are slow to import.
        from attractor.factory.resources.suites import SuiteStore

        return SuiteStore(self.state, self.project, self.ledger)

    @cached_property
    def profiles(self) -> ProfileStore:
        """The profiles."""
        return ProfileStore(self.state, self.project, self.ledger)

    @cached_property
    def pipelines(self) -> PipelineStore:
        """The pipelines."""
        return PipelineStore(self.state, self.project, self.ledger)

    def of_kind(self, kind: ResourceKind) -> VersionStore:
        """Return the versions of all resources of a kind."""
        return VersionStore(kind, self.state, self.project, self.ledger)

    def pin_suite(self, reference: str) -> str:
        """Return the reference to pin: the current version of a suite, with its hash."""
        if not reference:
            return ""
        version = self.suites.versions.find_usable(reference)
        self.suites.require_unburned(version.name, version.content)
        return version.pinned

    def pin_profile(self, reference: str) -> str:
        """Return the reference to pin: the current revision of a profile, with its hash."""
        return self.profiles.versions.find_usable(reference).pinned if reference else ""

    def require_in_use(self, suite: str, profile: str) -> None:
        """Refuse a linked run if the pinned suite or profile is retired or burned."""
        if suite:
            version = self.suites.versions.require_in_use(self.suites.versions.of_pin(suite))
            self.suites.require_unburned(version.name, version.content)
        if profile:
            self.profiles.versions.require_in_use(self.profiles.versions.of_pin(profile))

    def require_registrar(self, version: Version | None, profile: str) -> None:
        """Refuse a suite that no person registered, if a profile demands a person.

        Without a version, the suite is not registered yet.
        """
        by_lock = version is None or LOCK in version.data
        if by_lock and self.profile(profile).policy.suites != "any":
            name, by = version or "the suite", split_pin(profile)[0]
            raise Refused(
                f"{name} is not registered by a person, as the profile {by} demands",
                hint="read it, then: attractor suite register FOLDER",
            )

    def other_pipeline(self, suite: str, name: str) -> UsageError | None:
        """Return the fault of a pipeline whose name the suite of its run does not contain."""
        sealed = self.suite(suite)
        if sealed is None:
            return None
        # Suites are slow to import.
        from attractor.factory.resources.suites import other_pipeline

        folder = Path(str(self.suites.versions.of_pin(suite).data["folder"]))
        wanted = sealed.suite.settings.pipeline
        return other_pipeline(split_pin(suite)[0], wanted, name, folder)

    def other_versions(self, suite: "SealedSuite | None", name: str, content: str) -> Sequence[str]:
        """Return the versions of a pipeline that a suite is for, unless one has this content."""
        wanted = [
            one
            for one in (suite.suite.settings.pipeline if suite else ())
            if split_reference(one)[0] == name
        ]
        find = self.pipelines.versions.find
        # A name without a number is for all versions.
        is_judged = any(one == name or find(one).content == content for one in wanted)
        return () if is_judged else wanted

    def admit(self, suite: str, pipeline: PipelineSource, file: Path) -> None:
        """Refuse a new run of a retired pipeline, or of one that its suite is not for."""
        self.pipelines.require_in_use(pipeline, file)
        self.require_judged(suite, pipeline, file)

    def require_judged(self, suite: str, pipeline: PipelineSource, file: Path) -> None:
        """Refuse a pipeline, or a version of a pipeline, that its suite is not for."""
        name = pipeline_name(pipeline.graph, file)
        if fault := self.other_pipeline(suite, name):
            raise fault
        if wanted := self.other_versions(self.suite(suite), name, pipeline.content_hash):
            raise UsageError(
                f"the suite {split_pin(suite)[0]} is for {' or '.join(wanted)}, and {file} is "
                "another version",
                hint=f"run that version: attractor run {wanted[-1]}; or name the version of the "
                "file in suite.toml, and register the suite again",
            )

    def describe(self, suite: str, profile: str) -> Iterator[str]:
        """Yield sentences about what judges a run, and about a suite edited since its seal."""
        if not suite:
            return
        version = self.suites.versions.of_pin(suite)
        by = self.profiles.versions.of_pin(profile) if profile else "the default profile"
        yield f"Judged by {version} and {by}."
        yield from (f"Note: {note}." for note in registration_notes(version))
        folder = Path(str(version.data["folder"]))
        if not folder.is_dir():
            yield f"The folder {folder} is missing; the sealed suite judges."
            return
        try:
            changes = self.suites.changes(version)
        except (UsageError, FileError) as fault:
            # Only the sealed suite judges, so its folder stops no run.
            yield f"The sealed suite judges; it cannot be compared with {folder}: {fault.message}"
            return
        if changes:
            count = len([*changes.added, *changes.removed, *changes.changed])
            yield (
                f"{count} {'file differs' if count == 1 else 'files differ'} in {folder} from the "
                f"sealed suite, which judges. To judge by the files: attractor suite register "
                f"{folder}"
            )

    def suite(self, pinned: str) -> "SealedSuite | None":
        """Open the suite that a run pinned, and verify the hash of the suite."""
        return self.suites.open(self.suites.versions.of_pin(pinned)) if pinned else None

    def notes_of(self, pinned: str) -> tuple[str, ...]:
        """Return what people should know of the registration of a pinned suite."""
        return (*registration_notes(self.suites.versions.of_pin(pinned)),) if pinned else ()

    def profile(self, pinned: str) -> Profile:
        """Return the profile that a run pinned (default: strict), and verify its hash."""
        if not pinned:
            return STRICT_PROFILE
        return self.profiles.read(self.profiles.versions.of_pin(pinned))
