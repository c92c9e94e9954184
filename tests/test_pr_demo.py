"""A labelled issue that becomes a merged pull request, as `make pr-demo` plays it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.environments.errors import NO_PORTS, PORTS_HINT
from tests.examples import ROOT
from tests.needs import needs_bubblewrap
from tests.pipeline.test_guarded import without_bubblewrap
from tests.tables import table
from tests.test_demo import play, without_keys


@needs_bubblewrap
def test_labelled_issue_becomes_a_merged_pull_request_after_two_rounds(tmp_path: Path) -> None:
    ended = play(tmp_path, program="pr_demo.py")
    said = ended.stdout
    assert ended.returncode == 0, said[-4000:]
    proposed, failed, updated, merged = map(
        said.index,
        ("pull request 2 opened", "failed: words", "pull request 2 updated", "merges it by squash"),
    )
    assert proposed < failed < updated < merged
    assert "The first line names no --open." in said[failed:updated]
    assert "merged" in said[merged:]
    assert "go" in said[said.index("read at the issue") :]
    assert said.rstrip().count("verified") >= 1


@pytest.mark.usefixtures("landlock_allowed")
@table("program", ["pr_demo.py", "grow_demo.py"])
def test_demo_without_ports_says_so_before_it_begins(program: str, tmp_path: Path) -> None:
    forbidden = without_bubblewrap(tmp_path / "bin", "echo No permissions to create >&2; exit 1")
    words = ["-m", "tests.without_namespaces", sys.executable, str(ROOT / "examples" / program)]
    path = f"{forbidden}:{os.environ['PATH']}"
    ended = subprocess.run(
        [sys.executable, *words],
        env=without_keys() | {"TMPDIR": str(tmp_path), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    said = ended.stdout.strip().splitlines()
    assert said[-1].startswith(f"The demo ended early: {NO_PORTS}; {PORTS_HINT}. ")
    assert [line for line in said if line.startswith("$")] == []
