"""Paths and variables of the operator are hidden in the default sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipeline.commands import UNMISTAKABLE, USER, Machine, make_machine
from tests.pipeline.projects import git

LOOKS = """
digraph looks {
    graph [goal="Look around"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    look  [shape=parallelogram, tool_command="sh look.sh > told.txt 2>&1; true"]
    start -> look -> exit
}
"""
LOOK = """
show() {
    for file in "$@"; do
        echo "== $file"; tr '\\000' '\\012' < "$file" | tr -cd '\\012\\040-\\176'; echo
    done
}
for process in /proc/1 /proc/self /proc/[0-9]*; do
    for name in mountinfo mounts mountstats environ cmdline cgroup maps status comm stat; do
        show $process/$name
    done
    ls -l $process $process/fd $process/ns $process/map_files
done
show /proc/mounts /proc/cmdline /proc/partitions /etc/passwd /etc/group /etc/hosts
show /etc/fstab /etc/mtab /etc/hostname
env; set; pwd -P; readlink -f . ; id; whoami; hostname; df; mount; uname -a
git config --list --show-origin; git rev-parse --show-toplevel --absolute-git-dir
git log --all --format=fuller; git stash list; git remote -v; git status
find /workspace -type f -path '*.git*' -not -path '*/objects/*' | while read f; do show "$f"; done
find / -xdev -not -path '/proc/*' -not -path '/usr/*' -not -path '/etc/*'
stat -c '%U %G %n' . .. / /tmp
python3 -c 'import os, sys, site, tempfile; print(os.getcwd(), sys.path, tempfile.gettempdir())'
echo done
"""


@pytest.fixture
def machine(tmp_path: Path, sandbox_allowed: None) -> Iterator[Machine]:
    made = make_machine(tmp_path / f"of-somebody-{UNMISTAKABLE}", LOOKS, **{"look.sh": LOOK})
    yield made
    made.remove_workspaces()


def look(machine: Machine, **environ: str) -> tuple[str, str]:
    """Run the pipeline; return the output of its command, and that of the run."""
    said = machine.attractor("run", "pipeline.dot", "--backend", "simulate", **environ)
    branch = git(machine.project, "branch", "--list", "--format=%(refname)", "attractor/run/*")
    return git(machine.project, "show", f"{branch.split()[-1]}:told.txt"), said


def test_sandbox_does_not_reveal_the_operator(machine: Machine) -> None:
    output, said = look(
        machine, EMAIL=f"ann-{UNMISTAKABLE}@localhost", MY_PROJECT=str(machine.project)
    )
    assert "only the workspace is visible" in said
    assert output.endswith("done\n")
    # The files that it tried to read do exist.
    assert " /workspace " in output
    assert "agent@localhost" in output
    workspaces = (machine.state / "workspaces").resolve()
    assert workspaces.name in output
    # Every component of the home, the project and the user's name ends with it; "attractor" alone
    # is only the author of the first commit.
    named = {part for part in machine.home.parts if len(part) > 4}
    paths = {".local", "/attractor", "/home/", str(Path(__file__).parents[2])}
    for word in {UNMISTAKABLE, USER, *named, *paths}:
        assert word not in output, [line for line in output.splitlines() if word in line][:3]


def test_path_that_cannot_be_hidden_is_reported(machine: Machine) -> None:
    output, said = look(machine, ATTRACTOR_WORKSPACES_DIR="/no/such/folder")
    place = machine.state / "workspaces"
    assert f"Tools in a sandbox can see the path of the workspaces, {place}: " in said
    assert said.index("Tools in a sandbox") < said.index("run 0")
    assert UNMISTAKABLE in output
