"""A git project with its own state folder, in which tests run commands as real processes."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cli.plain_desk import Desk
from tests.pipeline.projects import git, make_project

UNGUARDED = ("--backend", "simulate", "--sandbox", "none", "--no-evaluate")


class GitDesk(Desk):
    """A git project whose pipelines are run."""

    @property
    def project(self) -> Path:
        return self.folder / "project"

    @property
    def place(self) -> Path:
        return self.project

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def make(self, pipeline: str, **files: str) -> None:
        make_project(self.project, pipeline, **files)

    def json(self, *words: str) -> Any:
        """Return the JSON output of a command; of a command that walks a run, the last line."""
        done = self.do(*words, "--json")
        assert done.stdout, done.stderr
        walks = words[0] in ("run", "resume", "fork", "rewind")
        return json.loads(done.stdout.splitlines()[-1] if walks else done.stdout)

    def run(self, *words: str) -> Path:
        """Run the pipeline until the run ends or parks, and return its directory."""
        self.do("run", "pipeline.dot", *UNGUARDED, *words)
        return self.runs()[-1]

    def runs(self) -> Sequence[Path]:
        """Return the directories of the runs, oldest first."""
        return sorted(one.parent for one in self.project.glob("runs/*/manifest.json"))

    def stores(self) -> set[str]:
        return {one.name for one in self.state.glob("stores/*")}

    def workspaces(self) -> set[str]:
        return {one.name for one in (self.state / "workspaces").resolve().iterdir()}

    def base_refs(self) -> set[str]:
        output = git(self.project, "for-each-ref", "--format=%(refname)", "refs/attractor/base")
        return {line.rpartition("/")[2] for line in output.splitlines()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[GitDesk]:
    desk = GitDesk(tmp_path)
    yield desk
    desk.end()


class StartingRuns:
    """Executes each starting run once a session, and restores its folder for each test.

    The folder stays the same, because a run directory contains absolute paths.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._saved: dict[tuple[str, ...], Path] = {}

    def restore(self, desk: GitDesk, pipeline: str, *words: str) -> Path:
        """Move the desk to the folder of the run, and return the run directory."""
        key = (pipeline, *words)
        if key not in self._saved:
            desk.folder = self._folder / str(len(self._saved)) / "desk"
            desk.folder.mkdir(parents=True)
            desk.make(pipeline)
            desk.run(*words)
            self._saved[key] = desk.folder.with_name("saved")
            shutil.copytree(desk.folder, self._saved[key], symlinks=True)
        else:
            desk.folder = self._saved[key].with_name("desk")
            shutil.rmtree(desk.folder)
            shutil.copytree(self._saved[key], desk.folder, symlinks=True)
        return desk.runs()[-1]


@pytest.fixture(scope="session")
def starting_runs(tmp_path_factory: pytest.TempPathFactory) -> StartingRuns:
    return StartingRuns(tmp_path_factory.mktemp("starting_runs"))


def document(path: Path) -> Any:
    return json.loads(path.read_text())


def events(root: Path, kind: str) -> Sequence[dict[str, Any]]:
    lines = (root / "events.jsonl").read_text().splitlines()
    return [one for one in map(json.loads, lines) if one["type"] == kind]


def is_anyone_in(folder: Path) -> bool:
    """Whether a process works in a folder: without a sandbox, a command may outlive its run."""
    places: list[Path] = []
    for one in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            places.append(one.readlink())
    return any(one.is_relative_to(folder.resolve()) for one in places)


def is_there(pid: str) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # also between open and read
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
