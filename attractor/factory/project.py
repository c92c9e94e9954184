"""Which project a run belongs to, and where it lies: nobody takes up another's run, or a copy.

A project is known by a random word in its runs folder, which moves along with it. What a run was
begun with stands in the ledger, so a run directory can't claim another.
"""

from collections.abc import Callable
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.files import write_whole
from attractor.base.json import Json
from attractor.base.locks import FileLock
from attractor.engine.json_files import Fields
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.factory.errors import CopiedRun, OtherProject
from attractor.factory.ledger import Entry

PROJECT_FILE = ".project"
ID_BYTES = 16
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Project:
    """The project of this call: its runs folder, and the lock under which its word is made."""

    runs_dir: Path
    lock: Path
    randomness: Callable[[int], bytes]

    def word(self) -> str:
        """Return the project's word; nothing when no run was ever begun in it."""
        file = self.runs_dir / PROJECT_FILE
        return file.read_text("ascii").strip() if file.exists() else ""

    def make_word(self) -> str:
        """Return the project's word, making it for the first run."""
        with FileLock(self.lock).acquire(wait=PATIENCE_S, purpose="attractor: project"):
            if not self.word():
                _make_runs_folder(self.runs_dir)
                word = self.randomness(ID_BYTES).hex()
                write_whole(self.runs_dir / PROJECT_FILE, f"{word}\n")
        return self.word()

    def describe(self, root: Path) -> dict[str, Json]:
        """Return what the ledger keeps of where a new run belongs and lies."""
        return {"project": self.make_word(), "directory": str(root.resolve())}

    def require_own(self, root: Path, created: Entry) -> None:
        """Refuse a run of another project, and a copy of a run."""
        fields = Fields(created.data, "ledger: created")
        begun = Path(fields.text("directory"))
        if fields.text("project") != self.word():
            raise OtherProject(
                f"{root} is a run of another project",
                hint=f"go to the project it was begun in: it lay in {begun}",
            )
        root = root.resolve()
        if root.name != begun.name:
            raise CopiedRun(
                f"{root} is not called {begun.name}, as run {created.run_id} is",
                hint=f"take {begun}; if you renamed that, name it so again",
            )
        if root != begun and _holds(begun, created.run_id):
            raise CopiedRun(
                f"{root} is a copy: run {created.run_id} lies in {begun}",
                hint="take that one, or move it away when the copy is to go on",
            )


def _make_runs_folder(runs_dir: Path) -> None:
    """Make the folder, when every run so far lies elsewhere; it is none of git's business."""
    if not runs_dir.exists():
        runs_dir.mkdir(parents=True)
        write_whole(runs_dir / ".gitignore", "*\n")


def _holds(folder: Path, run_id: str) -> bool:
    directory = RunDirectory(folder)
    return directory.manifest.exists() and read_manifest(directory).run_id == run_id
