"""The main job, from a wish to a promoted branch, as `make demo` plays it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.counts import IS_FULL
from tests.examples import ROOT
from tests.prepared import quick_programs

SCRIPT = ROOT / "examples" / "todo" / "twins" / "wish.toml"
RIGHT_LOOP = """\
+    for number, task in enumerate(load(), 1):
+        if open_only and task["done"]:
+            continue
"""
WRONG_LOOP = """\
+    tasks = [task for task in load() if not open_only or not task["done"]]
+    for number, task in enumerate(tasks, 1):
"""
NO_GO = 5
at_full_counts = pytest.mark.skipif(
    not IS_FULL, reason="at full counts only: the demo itself has failed tests and a no-go"
)


def play(folder: Path, *words: str, program: str = "demo.py") -> subprocess.CompletedProcess[str]:
    """Play the demo in a folder of the test's own."""
    path = f"{quick_programs()}:{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / program), *words],
        env=os.environ | {"TMPDIR": str(folder), "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_demo_goes_from_a_wish_to_a_promoted_branch(tmp_path: Path) -> None:
    result = play(tmp_path, program="exit_criteria.py")
    said = result.stdout
    assert result.returncode == 0, said
    first = said.splitlines()[0]
    assert first.startswith(("Agents and candidates run in", "No sandbox is available"))
    in_order = [
        "(killed with kill -9)",
        "resumed at implement",
        "test: failed: tool_command ended with exit code 1",
        "repair: success",
        "try: success",
        "review: success",
        "no-go",
        "unresolved_failure: 2 of 7 held-out scenarios failed",
        "must: 2 of 2",
        "error: the gate says no-go",
        "14 of 14 trials satisfied",
        "approved by demo (token)",
        "main is now",
        "2. [ ] test",
        "The drawing  ",
        "ok      all chains verify",
    ]
    places = [said.find(words) for words in in_order]
    assert -1 not in places, list(zip(in_order, places, strict=True))
    assert places == sorted(places)
    [drawn] = tmp_path.glob("*/wish.svg")
    assert "<svg" in drawn.read_text("utf-8")
    require_no_word_of_a_holdout(drawn.parent / "todo")


def require_no_word_of_a_holdout(project: Path) -> None:
    """Look for the hidden stories in all that the runs left."""
    stories = [
        re.findall(r'^story = "(.*)"$', file.read_text("utf-8"), re.M)[0]
        for file in (project / "scenarios").rglob("holdout/*.toml")
    ]
    assert len(stories) == 7
    written = [file for file in (project / "runs").rglob("*") if file.is_file()]
    assert len(written) > 50
    for file in written:
        content = file.read_text("utf-8", "replace")
        assert not [story for story in stories if story in content], file


def wrong(folder: Path, *changes: tuple[str, str]) -> str:
    """Write a script whose words are changed, and return its name."""
    script = SCRIPT.read_text("utf-8")
    for right, other in changes:
        assert right in script
        script = script.replace(right, other)
    (folder / "wrong.toml").write_text(script)
    return str(folder / "wrong.toml")


@at_full_counts
def test_wrong_patch_that_passes_tests_ends_with_no_go(tmp_path: Path) -> None:
    numbers = ('"2. [ ] call Eve', '"1. [ ] call Eve')
    result = play(tmp_path, "--script", wrong(tmp_path, (RIGHT_LOOP, WRONG_LOOP), numbers))
    assert result.returncode == NO_GO, result.stdout
    assert result.stdout.count("no-go\n") >= 2
    assert "promote" not in result.stdout


@at_full_counts
def test_wrong_patch_that_fails_tests_ends_with_no_go(tmp_path: Path) -> None:
    change = ('if not open_only or task["done"]]\n+', "if open_only]\n+")
    result = play(tmp_path, "--script", wrong(tmp_path, change))
    said = result.stdout
    assert result.returncode == NO_GO, said
    assert "run is failed: The tests still fail; I do not know why." in said
    assert "No-go: the run failed for the reason above; there is no result." in said
    assert said.count("$ attractor run") == 1
    assert "no rule of the script" not in said
    assert "promote" not in said
