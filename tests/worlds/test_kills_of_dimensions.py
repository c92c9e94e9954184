"""Kills of real commands that make and remove dimensions: nothing stays without a record."""

import json
import os
import random
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from attractor.workspaces.worktrees import REMOVED_REFS
from tests.cli.git_desk import GitDesk, is_anyone_in
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until
from tests.pipeline.projects import LINEAR, git

KILLS = count(ci=3, full=60)
NAMES = [f"try-{number}" for number in range(count(ci=1, full=20))]
SETTINGS = '[workspace]\nsetup = "sleep 0.2"\n'
SLOW_GIT = """#!/bin/sh
echo "$*" >> {folder}/steps
case "$*" in *" worktree "*|*" checkout "*|*" sparse-checkout "*|*update-ref*)
  test -e {folder}/slow && sleep 0.3;;
esac
exec {git} "$@"
"""
STEPS = {"add": 12, "remove": 42}
"""The number of commands of git while a dimension is made, and while it is removed."""

_OF_DIMENSIONS = (
    *("worktrees", "refs/heads/attractor", "logs/refs/heads/attractor", "refs/attractor"),
)
EXTENSION = b"[extensions]\n\tworktreeConfig = true\n"


class SlowGitDesk(GitDesk):
    """A desk whose git notes each command, and works on for a while if its parent is killed."""

    @property
    def environ(self) -> Mapping[str, str]:
        return {**super().environ, "PATH": f"{self.folder}:{os.environ['PATH']}"}

    @property
    def steps(self) -> int:
        return (self.folder / "steps").read_text().count("\n")

    def top(self, name: str) -> Path:
        return self.folder / "project.worktrees" / name

    def dimension(self, *words: str) -> str:
        done = self.do("dimension", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self, steps: int, pause: float, *words: str) -> bool:
        """Kill a command some time after so many steps; return whether it had not ended before."""
        (self.folder / "slow").touch()
        steps += self.steps
        process = self.begin("dimension", *words)
        wait_until(lambda: not (process.poll() is None and self.steps < steps))
        time.sleep(pause)
        is_killed = process.poll() is None
        process.kill()
        process.wait(PATIENCE_S)
        (self.folder / "slow").unlink()
        return is_killed

    def names(self) -> list[str]:
        return [one["name"] for one in json.loads(self.dimension("list", "--json"))]

    def change(self, name: str) -> None:
        """Write a file whose content only a snapshot can keep."""
        (self.top(name) / "unsaved.txt").write_text(name)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the files of the repository, without what Attractor says that it writes."""
        for file in sorted(self.project.rglob("*")):
            name = file.relative_to(self.project).as_posix()
            if file.is_file() and not name.removeprefix(".git/").startswith(_OF_DIMENSIONS):
                yield name, file.read_bytes().replace(EXTENSION, b"")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[SlowGitDesk]:
    program = tmp_path / "git"
    program.write_text(SLOW_GIT.format(folder=tmp_path, git=shutil.which("git")))
    program.chmod(0o755)
    (tmp_path / "steps").touch()
    desk = SlowGitDesk(tmp_path)
    yield desk
    desk.end()


@pytest.mark.crash
def test_killed_commands_leave_nothing_without_a_record(desk: SlowGitDesk) -> None:
    desk.make(LINEAR, **{"attractor.toml": SETTINGS, ".gitignore": "runs/\n"})
    desk.dimension("add", "first", "--kind", "isolated")
    desk.dimension("remove", "first")
    before, dice, killed = dict(desk.files()), random.Random("dimensions"), 0
    for number, name in enumerate(NAMES):
        add, remove = ("add", name), ("remove", name, "--force")
        for half, command, opposite in ((1, add, remove), (2, remove, add)):
            while killed < KILLS * (2 * number + half) // (2 * len(NAMES)):
                steps = dice.randint(0, STEPS[command[0]])
                killed += desk.kill(steps, dice.uniform(0.0, 0.1), *command)
                if (name in desk.names()) is (command is add):
                    desk.dimension(*opposite)
                if command is remove:
                    desk.change(name)
            desk.dimension(*command)
            if command is add:
                desk.change(name)
    wait_until(lambda: not is_anyone_in(desk.folder))
    refs = git(desk.project, "for-each-ref", "--format=%(refname)", REMOVED_REFS).split()
    for name in NAMES:
        kept = [ref for ref in refs if ref.startswith(f"{REMOVED_REFS}{name}/")]
        assert git(desk.project, "show", f"{kept[-1]}:unsaved.txt") == name
    assert desk.names() == []
    assert git(desk.project, "worktree", "list").count("\n") == 1
    assert not git(desk.project, "for-each-ref", "refs/heads/attractor")
    assert not desk.top("").exists()
    after = dict(desk.files())
    assert {name: after.get(name) for name in before} == before
    new = after.keys() - before.keys()
    assert {name for name in new if not name.startswith(".git/objects/")} == set()
