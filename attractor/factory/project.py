"""The identity of a project, to which runs, suites, profiles and pipelines belong."""

from collections.abc import Callable
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import Json
from attractor.base.locks import FileLock
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.storage.json_files import Fields
from attractor.factory.errors import CopiedRun, OtherProject
from attractor.factory.ledger.ledger import PATIENCE_S, LedgerEntry

PROJECT_FILE = ".project"
ID_BYTES = 16


@dataclass(frozen=True)
class ProjectIdentity:
    """The project of this process: the runs folder and the random id."""

    runs_dir: Path
    lock: Path
    randomness: Callable[[int], bytes]

    def project_id(self) -> str:
        """Return the id of the project, or "" before the first run of the project."""
        file = self.runs_dir / PROJECT_FILE
        return read_regular(file).decode("ascii").strip() if file.exists() else ""

    def create_id(self) -> str:
        """Return the id of the project; before the first run, create the id."""
        make_private_folder(self.lock.parent)
        with FileLock(self.lock).acquire(wait=PATIENCE_S, purpose="attractor: project"):
            if not self.project_id():
                _make_runs_folder(self.runs_dir)
                project_id = self.randomness(ID_BYTES).hex()
                write_whole(self.runs_dir / PROJECT_FILE, f"{project_id}\n")
        return self.project_id()

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


def _make_runs_folder(runs_dir: Path) -> None:
    """Create the runs folder, which git ignores."""
    if not runs_dir.exists():
        runs_dir.mkdir(parents=True)
        write_whole(runs_dir / ".gitignore", "*\n")


def _contains_run(folder: Path, run_id: str) -> bool:
    directory = RunDirectory(folder)
    return directory.manifest.exists() and read_manifest(directory).run_id == run_id
