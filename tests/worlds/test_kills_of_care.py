"""Kills of real commands that change, rename, clone and remove an actor, at each of their steps."""

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from attractor.base.locks import FileLock
from attractor.workspaces.worktrees import REMOVED_REFS
from tests.agent.twinned import MODELS
from tests.cli.test_agent import ProjectDesk
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import git
from tests.prepared import begin_prepared
from tests.worlds.test_actors import actors, twin
from tests.worlds.test_care import ask, desk_in_git, fixing, spawn

DYING = str(Path(__file__).with_name("dying.py"))
OTHER = MODELS["anthropic"]
DONE = ("unknown actor 'fixer' (known: mender)", "the actor twin exists already")
"""The refusals of a command that had done all."""

KILLS = count(ci=4, full=1000)
"""The most kills of one command, each at another one of its steps."""


class Saved:
    """A desk with an actor that has answered, which is restored for each kill."""

    def __init__(self, desk: ProjectDesk) -> None:
        self.desk = desk
        spawn(desk)
        (self.top / "note.txt").write_text("unsaved")
        wait_until(lambda: not self.has_process)
        self._copy = desk.folder.with_name(f"{desk.folder.name}-saved")
        shutil.copytree(desk.folder, self._copy, symlinks=True)

    @property
    def top(self) -> Path:
        return self.desk.folder / "project.worktrees" / "fixer"

    @property
    def has_process(self) -> bool:
        return any(map(FileLock.is_held, self.desk.folder.glob("state/projects/*/actors/*/lock")))

    def restore(self) -> None:
        wait_until(lambda: not self.has_process)
        shutil.rmtree(self.desk.folder)
        shutil.copytree(self._copy, self.desk.folder, symlinks=True)

    def kill(self, step: int, *words: str) -> bool:
        """Kill a command at a step; return whether it had not ended before."""
        process = begin_prepared(
            [str(step), *words],
            folder=self.desk.place,
            variables=self.desk.environ,
            program=DYING,
        )
        return process.wait(PATIENCE_S) == -signal.SIGKILL


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Saved]:
    desk = desk_in_git(tmp_path_factory.mktemp("desk"))
    with twin(desk, *fixing()):
        yield Saved(desk)
        desk.end()


def has_conversation(saved: Saved, name: str) -> None:
    assert ask(saved.desk, name) == "I fixed add."
    saved.desk.do("actor", "stop", name)  # sooner than it ends by itself


def changed(saved: Saved) -> None:
    has_conversation(saved, "fixer")
    assert saved.desk.twin.requests[-1].model == OTHER


def renamed(saved: Saved) -> None:
    has_conversation(saved, "mender")
    assert [one["name"] for one in actors(saved.desk)] == ["mender"]


def cloned(saved: Saved) -> None:
    has_conversation(saved, "twin")
    assert [one["name"] for one in actors(saved.desk)] == ["fixer", "twin"]
    top = saved.top.with_name("twin")
    assert "return a + b" in (top / "calc.py").read_text()
    assert (top / "note.txt").read_text() == "unsaved"


def removed(saved: Saved) -> None:
    desk = saved.desk
    [fixer] = actors(desk, "--all")
    assert (fixer["status"], fixer["answered"]) == ("archived", 1)
    assert "Fixed add." in desk.do("actor", "show", "fixer").stdout
    assert json.loads(desk.do("dimension", "list", "--json").stdout) == []
    assert not saved.top.exists()
    refs = git(desk.place, "for-each-ref", "--format=%(refname)").split()
    kept = [ref for ref in refs if ref.startswith(f"{REMOVED_REFS}fixer/")]
    assert git(desk.place, "show", f"{kept[-1]}:note.txt") == "unsaved"
    assert "refs/heads/attractor/fixer" not in refs


@pytest.mark.crash
@pytest.mark.parametrize(
    ("words", "check"),
    [
        (("change", "fixer", "--model", OTHER), changed),
        (("rename", "fixer", "mender"), renamed),
        (("clone", "fixer", "twin"), cloned),
        (("remove", "fixer", "--force"), removed),
    ],
)
def test_command_finishes_what_a_killed_one_began(
    saved: Saved, words: tuple[str, ...], check: Callable[[Saved], None]
) -> None:
    saved.restore()
    assert not saved.kill(sys.maxsize, "actor", *words)
    steps = int((saved.desk.folder / "steps").read_text())
    stride = max(1, steps // KILLS)
    for number in range(steps // stride):
        # First the step that gives the actor its name: its dimension is made already.
        step = (steps - 5 - number * stride) % steps
        saved.restore()
        assert saved.kill(step, "actor", *words)
        again = saved.desk.do("actor", *words)
        if again.returncode:
            assert any(done in again.stderr for done in DONE), (step, again.stderr)
        check(saved)
