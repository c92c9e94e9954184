"""The identity of a project, to which runs, suites, profiles and pipelines belong."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import Json, JsonObject, canonical_json
from attractor.base.locks import FileLock
from attractor.config.load import load_configuration
from attractor.config.user_folders import user_config_file
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.storage.json_files import Fields, read_document
from attractor.factory.errors import CopiedRun, OtherProject
from attractor.factory.ledger.ledger import PATIENCE_S, LedgerEntry
from attractor.pipeline.host.run_host import (
    CustomParts,
    Observer,
    RunHost,
    open_host,
)

PROJECT_FILE = ".project"
PLACE_FILE = "place.json"
"""The file in the state folder with the paths of a project's runs folder and the state folder."""

ID_BYTES = 16


@dataclass(frozen=True)
class ProjectIdentity:
    """The project of this process: the runs folder and the random id."""

    runs_dir: Path
    lock: Path
    randomness: Callable[[int], bytes]
    tell: Callable[[str], None] | None = None

    def project_id(self) -> str:
        """Return the id of the project, or "" before the first run, and in a copied project."""
        project_id = _id_in(self.runs_dir)
        return "" if self._original(project_id) else project_id

    def create_id(self) -> str:
        """Return the id of the project; before the first run, and in a copy, create the id."""
        make_private_folder(self.lock.parent)
        with FileLock(self.lock).acquire(wait=PATIENCE_S, purpose="attractor: project"):
            if not (project_id := self.project_id()):
                original = self._original(_id_in(self.runs_dir))
                _make_runs_folder(self.runs_dir)
                project_id = self.randomness(ID_BYTES).hex()
                write_whole(self.runs_dir / PROJECT_FILE, f"{project_id}\n")
                if original and self.tell:
                    self.tell(
                        f"{self.runs_dir} is a copy of {original}: it is now a project of its own, "
                        "without the suites, profiles and runs of the original."
                    )
            self._record_place(project_id)
        return project_id

    def _original(self, project_id: str) -> Path | None:
        """Return the runs folder from which this one was copied with its id, or None.

        A project that was moved has left no folder with its id behind, and one that was copied with
        its state folder shares nothing with the original.
        """
        place = self._place(project_id)
        if not project_id or not place.exists():
            return None
        known = read_document(place)
        runs_dir, is_own_state = Path(known.text("runs_dir")), known.text("state") == self._state()
        if not is_own_state or _id_in(runs_dir) != project_id:
            return None
        return None if runs_dir.samefile(self.runs_dir) else runs_dir

    def _record_place(self, project_id: str) -> None:
        place = self._place(project_id)
        here: JsonObject = {"runs_dir": str(self.runs_dir.resolve()), "state": self._state()}
        if not place.exists() or read_document(place).all() != here:
            make_private_folder(place.parent)
            write_whole(place, canonical_json(here))

    def _state(self) -> str:
        return str(self.lock.parent.resolve())

    def _place(self, project_id: str) -> Path:
        return project_folder(self.lock.parent, project_id) / PLACE_FILE

    def describe(self, root: Path) -> dict[str, Json]:
        """Return the project and directory of a new run, for the ledger."""
        return {"project": self.create_id(), "directory": str(root.resolve())}

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
    return state / "projects" / project_id


def _id_in(runs_dir: Path) -> str:
    file = runs_dir / PROJECT_FILE
    return read_regular(file).decode("ascii").strip() if file.exists() else ""


def _make_runs_folder(runs_dir: Path) -> None:
    """Create the runs folder, which git ignores."""
    if not runs_dir.exists():
        runs_dir.mkdir(parents=True)
        write_whole(runs_dir / ".gitignore", "*\n")


def _contains_run(folder: Path, run_id: str) -> bool:
    directory = RunDirectory(folder)
    return directory.manifest.exists() and read_manifest(directory).run_id == run_id


def open_project(
    folder: str | Path,
    environ: Mapping[str, str],
    *,
    flags: Sequence[str] = (),
    parts: CustomParts | None = None,
    observer: Observer | None = None,
) -> RunHost:
    """Return the host of the project in a folder, with its settings."""
    folder = Path(folder).absolute()
    configuration = load_configuration(
        start=folder, cwd=folder, environ=environ, flags=flags, user_file=user_config_file()
    )
    return open_host(
        configuration,
        environ=dict(environ),
        input=sys.stdin,
        output=sys.stderr,
        observer=observer,
        custom_parts=parts or CustomParts(),
    )
