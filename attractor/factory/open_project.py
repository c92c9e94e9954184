"""A project with what the factory keeps of it: ledger, suites, profiles, pipelines and runs."""

import shlex
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar
from urllib.parse import quote

from attractor.base.dataclasses import changed, dataclass
from attractor.base.errors import UnknownName
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import canonical_json
from attractor.base.names import match_names
from attractor.base.records import read_record, write_record
from attractor.config.load import load_configuration
from attractor.config.user_folders import user_config_file
from attractor.engine.errors import NoRun
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.storage.json_files import read_document
from attractor.factory.candidate_run import DRAFTS
from attractor.factory.errors import RunGone
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.operator_process import refuse_in_run
from attractor.factory.project import ProjectIdentity, created_runs, find_directory, project_folder
from attractor.factory.resources.pipelines import PipelineStore
from attractor.factory.resources.profiles import STRICT_PROFILE, Profile, ProfileStore
from attractor.factory.resources.suite_figures import SuiteFigures, figures_in
from attractor.factory.resources.versions import ResourceKind, VersionStore
from attractor.pipeline.project.console import Console, Observer
from attractor.pipeline.project.custom_parts import CustomParts
from attractor.pipeline.project.machine import Machine
from attractor.pipeline.project.project import Project, project_from
from attractor.records.lookup import find_run, is_run

if TYPE_CHECKING:
    from attractor.factory.resources.suites import SuiteStore
    from attractor.pipeline.plan.run_plan import BegunRun
    from attractor.scenarios.sealed_suite import SealedSuite


class TrialsElsewhere(Protocol):
    """Other machines that play trials."""

    async def fleet_id(self) -> str:
        """Return the id of what knows these machines: elsewhere, the names of trials are others."""
        ...

    async def send(
        self,
        opened: "OpenProject",
        begun: "BegunRun",
        sealed: "SealedSuite",
        name: str,
        sent: bytes,
    ) -> None:
        """Let another machine play the missing trials of a run, under a name.

        `sent` is the content of a file for the log there.
        """
        ...

    def follow(self, name: str) -> AsyncIterator[bytes]:
        """Yield all lines about trials, each time that there are more, until no machine plays them.

        Raise an error if the machine stopped before; yield nothing for an unknown name.
        """
        ...

    async def stop(self, name: str) -> bytes:
        """Let no machine play the trials with a name any more; return all lines about them."""
        ...


@dataclass(frozen=True)
class OpenProject:
    """A project with its resources and its runs, each opened on first use.

    Every question to the ledger reads and verifies its records anew. Runs without a suite need no
    more of the factory, so this module imports no suites. `elsewhere` opens other machines that
    play the trials of evaluations (default: this machine does).
    """

    project: Project
    elsewhere: Callable[[], TrialsElsewhere] | None = None

    def telling(self, tell: Callable[[str], None]) -> "OpenProject":
        """Return this project with another function that prints messages for a person."""
        console = changed(self.project.console, tell=tell)
        return OpenProject(changed(self.project, console=console), self.elsewhere)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of the state folder."""
        return Ledger(self._state_dir)

    @cached_property
    def identity(self) -> ProjectIdentity:
        """The identity to which runs and resources belong."""
        project, machine = self.project, self.project.machine
        return ProjectIdentity(
            project.runs_dir,
            machine.state_dir / "project.lock",
            machine.randomness,
            project.console.tell,
            project.root,
            machine.search_path,
        )

    @cached_property
    def suites(self) -> "SuiteStore":
        """The suites."""
        # Suites are slow to import.
        from attractor.factory.resources.suites import SuiteStore

        return SuiteStore(self._state_dir, self.identity, self.ledger)

    @cached_property
    def profiles(self) -> ProfileStore:
        """The profiles."""
        return ProfileStore(self._state_dir, self.identity, self.ledger)

    @cached_property
    def pipelines(self) -> PipelineStore:
        """The pipelines."""
        return PipelineStore(self._state_dir, self.identity, self.ledger)

    @property
    def _state_dir(self) -> Path:
        return self.project.machine.state_dir

    def now(self) -> datetime:
        """Return the date and time of the machine, in UTC."""
        return self.project.machine.clock.now()

    def refuse_in_run(self, action: str) -> None:
        """Refuse an action of the operator in a process that a run started."""
        refuse_in_run(action, self.project.machine.environ)

    def find(self, reference: str) -> Path:
        """Return the directory of a run, as `find_run`; say if that of a recorded run is gone."""
        try:
            return find_run(reference, self.project.runs_dir)
        except (NoRun, UnknownName):
            project_id = self.identity.project_id()
            entries = self.ledger.mentioning(project_id) if project_id else ()
            # Runs that draft suites are as secret as holdouts.
            drafts = self.project.machine.state_dir / DRAFTS
            runs = {
                run_id: one
                for run_id, one in created_runs(entries, project_id).items()
                if not Path(str(one.data["directory"])).is_relative_to(drafts)
            }
            found = match_names(reference, runs)
            if len(found) != 1:
                raise
        own = list(self.ledger.entries(found[0]))
        if root := find_directory(own, self.project.runs_dir):
            return root
        verdicts = [str(entry.data["verdict"]) for entry in own if entry.kind == LineKind.DECIDED]
        is_promoted = any(entry.kind == LineKind.PROMOTED for entry in own)
        words = f"{', '.join(verdicts) or 'not decided'}, {'' if is_promoted else 'not '}promoted"
        directory = runs[found[0]].data["directory"]
        raise RunGone(
            f"the directory of run {found[0]} ({words}) is gone: {directory}",
            hint="restore it from a backup; its records: attractor history --all",
        )

    def find_outside(self) -> list[Path]:
        """Return the directories of runs outside of the runs folder (`--run-dir`), oldest first."""
        project_id = self.identity.project_id()
        entries = self.ledger.mentioning(project_id) if project_id else ()
        created = created_runs(entries, project_id).values()
        found = [Path(str(entry.data["directory"])) for entry in created]
        runs_dir = self.project.runs_dir.resolve()
        return [root for root in found if root.parent != runs_dir and is_run(RunDirectory(root))]

    def require_own(self, root: Path) -> None:
        """Refuse a run of another project, and a copy of a run."""
        run_id = read_manifest(RunDirectory(root)).run_id
        for entry in self.ledger.entries(run_id):
            if entry.kind == LineKind.CREATED:
                self.identity.require_own(root, entry)

    def of_kind(self, kind: ResourceKind) -> VersionStore:
        """Return the versions of all resources of a kind."""
        return VersionStore(kind, self._state_dir, self.identity, self.ledger)

    def pin_suite(self, reference: str) -> str:
        """Return the reference to pin: the current version of a suite, with its hash."""
        if not reference:
            return ""
        version = self.suites.versions.find_usable(reference)
        self.suites.require_unburned(version.name, version.content)
        return version.pinned

    def pin_profile(self, reference: str) -> str:
        """Return the reference to pin: the current revision of a profile, with its hash."""
        if not reference:
            return ""
        try:
            return self.profiles.versions.find_usable(reference).pinned
        except UnknownName as error:
            file = self.project.root / "profiles" / f"{error.name}.toml"
            if not self.profiles.versions.knows(error.name) and file.is_file():
                error.hint = f"read it, then: attractor profile create {shlex.quote(str(file))}"
            raise

    def require_in_use(self, suite: str, profile: str) -> None:
        """Refuse a linked run if the pinned suite or profile is retired or burned."""
        if suite:
            version = self.suites.versions.require_in_use(self.suites.versions.of_pin(suite))
            self.suites.require_unburned(version.name, version.content)
        if profile:
            self.profiles.versions.require_in_use(self.profiles.versions.of_pin(profile))

    def figures(self, content: str) -> SuiteFigures | None:
        """Return the counts of what a suite with this content noticed, or None."""
        lines = self.ledger.mentioning(content)
        return figures_in(lines, self.identity.project_id(), content)

    def suite(self, pinned: str) -> "SealedSuite | None":
        """Open the suite that a run pinned, and verify the hash of the suite."""
        return self.suites.open(self.suites.versions.of_pin(pinned)) if pinned else None

    def profile(self, pinned: str) -> Profile:
        """Return the profile that a run pinned (default: strict), and verify its hash."""
        if not pinned:
            return STRICT_PROFILE
        return self.profiles.read(self.profiles.versions.of_pin(pinned))


def open_project(
    folder: str | Path,
    environ: Mapping[str, str],
    *,
    flags: Sequence[str] = (),
    parts: CustomParts | None = None,
    observer: Observer | None = None,
) -> OpenProject:
    """Open the project in a folder, with its settings."""
    folder = Path(folder).absolute()
    configuration = load_configuration(
        start=folder, cwd=folder, environ=environ, flags=flags, user_file=user_config_file()
    )
    project = project_from(
        configuration,
        machine=Machine(state_dir=configuration.settings.state_dir, environ=dict(environ)),
        console=Console(input=sys.stdin, output=sys.stderr, observer=observer),
        parts=parts or CustomParts(),
    )
    return OpenProject(project)


Record = TypeVar("Record")


class RecordFolder(Generic[Record]):
    """The records of one kind of a project: files of JSON in a folder of the state folder.

    A subclass has the name of the folder, and the dataclass of the records.
    """

    name: str
    kind: type[Record]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, opened: OpenProject) -> Self:
        """Return the records of an open project."""
        return cls.in_state(opened.project.machine.state_dir, opened.identity.project_id())

    @classmethod
    def in_state(cls, state: Path, project_id: str) -> Self:
        """Return the records of a project of a state folder."""
        return cls(project_folder(state, project_id or "none") / cls.name)

    def all(self) -> Sequence[Record]:
        """Return all records, by the names of their files."""
        return [self._read(file) for file in sorted(self.folder.glob("*.json"))]

    def file(self, name: str, ending: str = "json") -> Path:
        """Return the file of a record, or the one beside it with another ending."""
        # The name of a branch may contain slashes.
        return self.folder / f"{quote(name, safe='')}.{ending}"

    def _named(self, name: str) -> Record | None:
        file = self.file(name)
        return self._read(file) if file.exists() else None

    def _write(self, name: str, record: Record) -> None:
        make_private_folder(self.folder)
        write_whole(self.file(name), canonical_json(write_record(record)), mode=0o600)

    def _read(self, file: Path) -> Record:
        return read_record(self.kind, read_document(file).all())
