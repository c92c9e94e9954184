"""What git and pre-commit are told to run is what the program takes."""

import re
import shlex
import subprocess
from pathlib import Path

from attractor.cli.pipeline_files import is_pipeline_name
from tests.cli.running import ATTRACTOR, ROOT, attractor

HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text()
ENTRIES = re.findall(r"^  entry: attractor (.+)$", HOOKS, re.M)


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=you", "-c", "user.email=you@localhost"]
    return subprocess.run(
        ["git", *identity, *words],
        cwd=folder,
        env={"PATH": f"{Path(ATTRACTOR).parent}:/usr/local/bin:/usr/bin:/bin", "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_each_hook_takes_the_files_that_pre_commit_hands_over(tmp_path: Path) -> None:
    assert ENTRIES == ["fmt", "validate"]
    for name in ("a.dot", "b.gv"):
        (tmp_path / name).write_text("digraph G {\n    start\n    exit\n    start -> exit\n}\n")
        for entry in ENTRIES:
            assert attractor(*shlex.split(entry), name, folder=tmp_path).returncode == 0


def test_a_hook_is_run_for_what_a_search_would_find() -> None:
    (pattern,) = set(re.findall(r"^  files: (.+)$", HOOKS, re.M))
    for name in ("a.dot", "sub/b.gv", "c.txt", "dot", "d.dots"):
        assert bool(re.search(pattern, name)) == is_pipeline_name(Path(name).name), name


def test_git_shows_the_difference_in_meaning(tmp_path: Path) -> None:
    file = tmp_path / "p.dot"
    file.write_text("digraph G { start; a [prompt=x]; exit; start -> a -> exit }\n")
    (tmp_path / ".gitattributes").write_text("*.dot diff=attractor\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "diff.attractor.command", "attractor diff --git-driver")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "A pipeline")
    file.write_text(file.read_text().replace("prompt=x", "prompt=y"))
    told = git(tmp_path, "diff")
    assert told.startswith("pipeline p.dot\n")
    assert "prompt" in told
    assert "@@" not in told
