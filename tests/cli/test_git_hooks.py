"""The documented hooks of git and pre-commit call the program correctly."""

import re
import shlex
from pathlib import Path

from attractor.pipeline.source.find import is_pipeline_name
from tests.cli.running import ROOT, attractor

HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text()
ENTRIES = re.findall(r"^  entry: attractor (.+)$", HOOKS, re.M)


def test_hooks_accept_files_of_pre_commit(tmp_path: Path) -> None:
    assert ENTRIES == ["fmt", "validate"]
    for name in ("a.dot", "b.gv"):
        (tmp_path / name).write_text("digraph G {\n    start\n    exit\n    start -> exit\n}\n")
        for entry in ENTRIES:
            assert attractor(*shlex.split(entry), name, folder=tmp_path).returncode == 0


def test_hooks_match_the_files_of_a_folder_search() -> None:
    (pattern,) = set(re.findall(r"^  files: (.+)$", HOOKS, re.M))
    for name in ("a.dot", "sub/b.gv", "c.txt", "dot", "d.dots"):
        assert bool(re.search(pattern, name)) == is_pipeline_name(Path(name).name), name
