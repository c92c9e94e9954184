"""The identity of a project, to which runs, suites, profiles and pipelines belong."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.base.errors import Refused, UnknownName, VerificationError
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import Json, canonical_json
from attractor.base.locks import FileLock
from attractor.base.records import write_fields
from attractor.config.projects import ID_FILE
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.storage.json_files import Fields, read_document
from attractor.factory.errors import CopiedRun, OtherProject
from attractor.factory.ledger.ledger import PATIENCE_S, Ledger, LedgerEntry, LineKind
from attractor.workspaces.git.configuration import ProjectConfiguration, find_configuration

PROJECTS = "projects"
IN_PROJECT = "in_project"
PLACE_FILE = "place.json"
"""The file in the state folder with the place of a project."""

ID_BYTES = 16
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Place:
    """The place of a project: its runs folder, state folder, repository and folder in it.

    The repository is "" outside of Git, and if its configuration cannot be written.
    """

    runs_dir: str
    state: str
    repository: str = ""
    folder: str = ""


@dataclass(frozen=True)
class ProjectFolder:
    """The folder of a project of the state folder, and its runs folder, as last recorded."""

    project_id: str
    root: Path
    runs_dir: Path

    @property
    def has_runs(self) -> bool:
        """Whether the runs folder is still there, and belongs to this project."""
        return _id_in(self.runs_dir) == self.project_id


@dataclass(frozen=True)
class KnownProject:
    """A project of the state folder: its runs folder, and the numbers of suites and decisions."""

    project: str
    runs_dir: str
    suites: int
    decisions: int

    @property
    def counts(self) -> str:
        """The numbers, for people."""
        suites, decisions = number_of(self.suites, "suite"), number_of(self.decisions, "decision")
        return f"{suites}, {decisions}"


@dataclass(frozen=True)
class ProjectIdentity:
    """The project of this process: the runs folder, the random id, and the project's folder.

    The id is in the runs folder, and also in the configuration of the repository, which keeps it if
    the runs folder is removed. The id in the runs folder counts first.
    """

    runs_dir: Path
    lock: Path
    randomness: Callable[[int], bytes]
    tell: Callable[[str], None] | None = None
    folder: Path | None = None
    search_path: str = ""

    def project_id(self) -> str:
        """Return the id of the project, or "" before the first run, and in a copied project."""
        return next((one for one in self._ids() if not self._original(one)), "")

    def create_id(self) -> str:
        """Return the id of the project; before the first run, and in a copy, create the id."""
        with self._locked():
            if not (project_id := self.project_id()):
                originals = [one for one in map(self._original, self._ids()) if one]
                project_id = self.randomness(ID_BYTES).hex()
                if originals and self.tell:
                    self.tell(
                        f"{self.runs_dir} is a copy of {originals[0]}: it is now a project of its "
                        "own, without the suites, profiles and runs of the original."
                    )
            self._keep(project_id)
        return project_id

    def adopt(self, project_id: str, ledger: Ledger, *, by: str, now: datetime) -> None:
        """Make a project of the state folder the project of this place."""
        known = list_project_ids(self._state)
        if project_id not in known:
            raise UnknownName("project", project_id, known)
        place = self._place(project_id)
        if place and self._has_runs(place, project_id) and not self._is_here(place):
            raise Refused(
                f"the runs of project {project_id} are in {place.runs_dir}",
                hint="use the project there, or move its runs folder here",
            )
        with self._locked():
            before, directory = self.project_id(), str(self.runs_dir.resolve())
            data = {"project": project_id, "before": before, "directory": directory, "by": by}
            ledger.append(LineKind.PROJECT_ADOPTED, "", data, now=now)
            self._keep(project_id, is_adopted=True)

    def notice(self, ledger: Ledger) -> str:
        """Return a sentence about removed runs, or about another project in this place, or ""."""
        if _id_in(self.runs_dir):
            return ""
        if not (project_id := self.project_id()):
            places = map(self._place, list_project_ids(self._state))
            is_known = any(place and self._is_here(place) for place in places)
            return "Another project was here: attractor doctor --project" if is_known else ""
        if not (place := self._place(project_id)):
            return ""
        if self._has_runs(place, project_id):
            return f"The runs of this project are in {place.runs_dir}, not in {self.runs_dir}."
        kept = describe_project(self._state, ledger, project_id).counts
        return f"This project is known, but its runs are gone; {kept} are kept."

    def _locked(self) -> FileLock:
        make_private_folder(self._state)
        return FileLock(self.lock).acquire(wait=PATIENCE_S, purpose="attractor: project")

    def _ids(self) -> Iterator[str]:
        """Yield the ids in runs folder and repository, the one that counts first."""
        if project_id := _id_in(self.runs_dir):
            yield project_id
        if self._configuration and (project_id := self._configuration.project_id()):
            yield project_id

    def _original(self, project_id: str) -> str:
        """Return the runs folder or repository from which this one was copied with its id, or "".

        A project that was moved has left neither with its id behind, and one that was copied with
        its state folder shares nothing with the original. Linked worktrees are one project.
        """
        place = self._place(project_id)
        if place is None or place.state != str(self._state.resolve()) or self._is_here(place):
            return ""
        if self._has_runs(place, project_id):
            return place.runs_dir
        return place.repository if self._has_repository(place, project_id) else ""

    def _keep(self, project_id: str, *, is_adopted: bool = False) -> None:
        """Write the id to runs folder and repository, and record the place of the project."""
        if _id_in(self.runs_dir) != project_id:
            _make_runs_folder(self.runs_dir)
            write_whole(self.runs_dir / ID_FILE, f"{project_id}\n")
        here, place = self._configuration, self._place(project_id)
        trouble = here.keep(project_id) if here else ""
        if place and not is_adopted:
            has_runs = self._has_runs(place, project_id) and not self._is_in(place.runs_dir)
            is_elsewhere = not self._is_in_repository(place)
            if has_runs or (is_elsewhere and self._has_repository(place, project_id)):
                # Such as the main worktree, or the first of two repositories with one runs folder.
                return
        now = Place(str(self.runs_dir.resolve()), str(self._state.resolve()))
        if here and not trouble:
            now = replace(now, repository=str(here.common_dir), folder=here.folder)
        file, record = self._place_file(project_id), write_fields(now)
        if not place or read_document(file).all() != record:
            make_private_folder(file.parent)
            write_whole(file, canonical_json(record))
            if trouble and self.tell:
                self.tell(
                    f"The id of the project is in {self.runs_dir} only, because the repository "
                    f"cannot keep it: {trouble}"
                )

    def _has_runs(self, place: Place, project_id: str) -> bool:
        return _id_in(Path(place.runs_dir)) == project_id

    def _has_repository(self, place: Place, project_id: str) -> bool:
        """Return whether the repository of a place still has the project."""
        repository = Path(place.repository)
        # The folder of the project may have been renamed, or moved out of the repository.
        is_moved = repository.name == ".git" and not (repository.parent / place.folder).is_dir()
        if not place.repository or is_moved:
            return False
        there = ProjectConfiguration(repository, place.folder, self.search_path)
        return there.project_id() == project_id

    def _is_here(self, place: Place) -> bool:
        return self._is_in(place.runs_dir) or self._is_in_repository(place)

    def _is_in(self, runs_dir: str) -> bool:
        return _is_same(runs_dir, self.runs_dir)

    def _is_in_repository(self, place: Place) -> bool:
        here = self._configuration
        if not here or place.folder != here.folder:
            return False
        return bool(place.repository) and _is_same(place.repository, here.common_dir)

    @property
    def _configuration(self) -> ProjectConfiguration | None:
        """The configuration of the project's repository, which may be created later."""
        if self.folder is None:
            return None
        return find_configuration(self.folder, search_path=self.search_path)

    @property
    def _state(self) -> Path:
        return self.lock.parent

    def _place(self, project_id: str) -> Place | None:
        file = self._place_file(project_id)
        if not file.exists():
            return None
        return read_document(file).whole(Place, "repository", "folder")

    def _place_file(self, project_id: str) -> Path:
        return project_folder(self._state, project_id) / PLACE_FILE

    def describe(self, root: Path, *, in_project: bool = False) -> dict[str, Json]:
        """Return the project and directory of a new run, for the ledger.

        `in_project`: the run works in the folder of the project.
        """
        place: dict[str, Json] = {"project": self.create_id(), "directory": str(root.resolve())}
        return place | ({IN_PROJECT: True} if in_project else {})

    def require_own(self, root: Path, created: LedgerEntry) -> None:
        """Refuse a run of another project, and a copy of a run."""
        fields = Fields(created.data, "ledger: created")
        begun = Path(fields.text("directory"))
        if fields.text("project") != self.project_id():
            raise OtherProject(
                f"{root} is a run of another project",
                hint=f"go to its project: the run started in {begun}",
            )
        root = root.resolve()
        if root.name != begun.name:
            raise CopiedRun(
                f"run {created.run_id} was renamed from {begun.name} to {root}",
                hint=f"use {begun}, or restore the name",
            )
        if root != begun and _contains_run(begun, created.run_id):
            raise CopiedRun(
                f"{root} is a copy of run {created.run_id} in {begun}",
                hint="use the original, or move it away to continue with the copy",
            )


def project_folder(state: Path, project_id: str) -> Path:
    """Return the folder of a project in the state folder."""
    return state / PROJECTS / project_id


def list_project_ids(state: Path) -> Sequence[str]:
    """Return the ids of the projects of a state folder."""
    return sorted(one.name for one in (state / PROJECTS).glob("*") if one.is_dir())


def list_project_folders(state: Path) -> Sequence[ProjectFolder]:
    """Return the folders of the projects of a state folder, in the order of their paths.

    Projects of older versions have no recorded place and are left out.
    """
    found: list[ProjectFolder] = []
    for project_id in list_project_ids(state):
        if (file := project_folder(state, project_id) / PLACE_FILE).exists():
            place = read_document(file).whole(Place, "repository", "folder")
            runs_dir, repository = Path(place.runs_dir), Path(place.repository)
            is_plain = repository.name == ".git"
            root = repository.parent / place.folder if is_plain else runs_dir.parent
            found.append(ProjectFolder(project_id, root, runs_dir))
    return sorted(found, key=lambda one: one.root)


def describe_project(state: Path, ledger: Ledger, project_id: str) -> KnownProject:
    """Return what the state folder keeps of a project."""
    entries = ledger.mentioning(project_id)
    created = {one.run_id: one for one in entries if one.kind == LineKind.CREATED}
    decided = [
        one.run_id
        for one in ledger.mentioning(LineKind.DECIDED.value)
        if one.kind == LineKind.DECIDED and one.run_id in created
    ]
    folder = project_folder(state, project_id)
    if (file := folder / PLACE_FILE).exists():
        runs_dir = read_document(file).text("runs_dir")
    else:
        # Projects of older versions have no recorded place.
        runs_dir = "".join(
            str(Path(str(one.data["directory"])).parent) for one in [*created.values()][-1:]
        )
    suites = sum(1 for _ in (folder / "suites").glob("*/1.json"))
    return KnownProject(project_id, runs_dir, suites, len(decided))


def created_runs(entries: Iterable[LedgerEntry], project_id: str) -> dict[str, LedgerEntry]:
    """Return the lines about the creation of the runs of a project, by run id."""
    return {
        entry.run_id: entry
        for entry in entries
        if entry.kind == LineKind.CREATED and entry.data.get("project") == project_id
    }


def find_directory(created: Iterable[LedgerEntry], runs_dir: Path) -> Path | None:
    """Return the directory of a run: where it began, or in the folder of this project."""
    for one in created:
        if one.kind == LineKind.CREATED:
            begun = Path(str(one.data["directory"]))
            return next((one for one in (begun, runs_dir / begun.name) if one.is_dir()), None)
    return None


def _is_same(first: str, second: Path) -> bool:
    """Return whether two paths are one file or folder, or would be."""
    path = Path(first)
    if path == second.resolve():
        return True
    return path.exists() and second.exists() and path.samefile(second)


def _id_in(runs_dir: Path) -> str:
    file = runs_dir / ID_FILE
    if not file.exists():
        return ""
    # Without a sandbox, a command of a run can write this file, and the id is part of paths.
    found = read_regular(file).decode("ascii", "replace").strip()
    if not _ID.fullmatch(found):
        raise VerificationError(
            f"invalid id of the project in {file}",
            hint="restore it from a backup, or remove it; then see: attractor doctor --project",
        )
    return found


def _make_runs_folder(runs_dir: Path) -> None:
    """Create the runs folder, which git ignores."""
    if not runs_dir.exists():
        runs_dir.mkdir(parents=True)
        write_whole(runs_dir / ".gitignore", "*\n")


def _contains_run(folder: Path, run_id: str) -> bool:
    directory = RunDirectory(folder)
    return directory.manifest.exists() and read_manifest(directory).run_id == run_id
