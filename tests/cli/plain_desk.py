"""A folder with a pipeline, in which tests run commands as real processes."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import run_here
from tests.patience import PATIENCE_S
from tests.prepared import Process, begin_prepared

WORDS = ("--backend", "simulate", "--sandbox", "none", "--workspace", "none", "--no-evaluate")


@dataclass
class Desk:
    """A folder with its own state folder, and the background processes started in it."""

    folder: Path
    started: list[Process] = field(default_factory=list[Process])

    @property
    def place(self) -> Path:
        """The working directory of commands."""
        return self.folder

    @property
    def environ(self) -> Mapping[str, str]:
        workspaces = self.folder / "workspaces"
        workspaces.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "ATTRACTOR_STATE_DIR": str(self.folder / "state"),
            "ATTRACTOR_WORKSPACES_DIR": str(workspaces),
        }

    def write(self, text: str, name: str = "pipeline.dot") -> None:
        (self.place / name).write_text(text)

    def do(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_here(words, folder=self.place, variables=self.environ)

    def begin(
        self, *words: str, stdout: int = subprocess.DEVNULL, stderr: int = subprocess.DEVNULL
    ) -> Process:
        """Start a command in the background."""
        begun = begin_prepared(
            words, folder=self.place, variables=self.environ, stdout=stdout, stderr=stderr
        )
        self.started.append(begun)
        return begun

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait(PATIENCE_S)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()


class PlainDesk(Desk):
    """A folder without a git repository."""

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the pipeline until the run ends or parks."""
        return self.do(*self.to_run(*words))

    def to_run(self, *words: str) -> Sequence[str]:
        return ["run", "pipeline.dot", *WORDS, *words]

    def events(self, *kinds: str, within: str = "runs/*") -> Sequence[dict[str, Any]]:
        [journal] = self.folder.glob(f"{within}/events.jsonl")
        found = [json.loads(line) for line in journal.read_text().splitlines()]
        return [one for one in found if one["type"] in kinds]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PlainDesk]:
    desk = PlainDesk(tmp_path)
    yield desk
    desk.end()
