"""The main job, from a wish to a promoted branch, as `make demo` plays it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.backends.provider_needs import KEYS
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.counts import IS_FULL
from tests.examples import ROOT
from tests.prepared import plain, quick_programs, run_prepared

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
USAGE = 2
NO_GO = 5
TEN = 10
at_full_counts = pytest.mark.skipif(
    not IS_FULL, reason="at full counts only: the demo itself has failed tests and a no-go"
)


def play(
    folder: Path, *words: str, program: str = "demo.py", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the demo in the folder of a test."""
    path = f"{quick_programs()}:{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / program), *words],
        env=without_keys() | {"TMPDIR": str(folder), "PATH": path} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def without_keys() -> dict[str, str]:
    keys = {name for names in KEYS.values() for name in names}
    return {name: value for name, value in os.environ.items() if name not in keys}


def test_the_demo_goes_from_a_wish_to_a_promoted_branch(tmp_path: Path) -> None:
    result = play(tmp_path, program="exit_criteria.py")
    said = result.stdout
    assert result.returncode == 0, said
    first = said.splitlines()[0]
    assert first.startswith(("Agents and candidates run in a sandbox:", "No full sandbox here"))
    in_order = [
        "$ python3 todo.py list --open\nusage:",
        "sealed as version 1",
        "3 of 3 wrong solutions noticed, 9 of 9 changes left out noticed by their scenario",
        "$ kill -9 ",
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
        " 7. Report of it: ",
        "ok      all chains verify",
    ]
    places = [said.find(words) for words in in_order]
    assert -1 not in places, list(zip(in_order, places, strict=True))
    assert places == sorted(places)
    ending = said.partition("\n 1. ")[2].partition("\n\n")[0].splitlines()
    assert len(ending) == TEN
    [folder] = tmp_path.glob("attractor-demo-*")
    for line, begins in zip(ending[5:7], ("<svg", "<!doctype html>"), strict=True):
        assert Path(line.split()[-1]).read_text("utf-8").lower().startswith(begins)
    type_suggested_commands(ending[7:])
    require_no_word_of_a_holdout(folder / "todo")


def type_suggested_commands(lines: list[str]) -> None:
    """Type the commands that the demo suggests, from another folder."""
    diagnose, logs, serve = (line.removeprefix("Try: ") for line in lines)
    assert serve.endswith("/attractor serve    # runs in a browser")
    for line, expected in ((diagnose, "the gate says no-go"), (logs, "apply_patch")):
        typed = subprocess.run(
            line, shell=True, cwd="/", capture_output=True, text=True, check=True
        )
        assert expected in typed.stdout


def require_no_word_of_a_holdout(project: Path) -> None:
    """Search for the hidden scenarios in all files of the runs."""
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
    """Write a script with some changed answers, and return its name."""
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
    assert "No-go: the second run does not satisfy the hidden scenarios" in result.stdout
    assert "$ attractor promote" not in result.stdout


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
    assert "$ attractor promote" not in said


def test_live_demo_without_a_key_names_the_variables(tmp_path: Path) -> None:
    demo = str(ROOT / "examples" / "demo.py")
    environ = plain(without_keys())
    result = run_prepared(["--live"], folder=tmp_path, variables=environ, program=demo)
    assert result.returncode == USAGE
    assert (
        "set ANTHROPIC_API_KEY, GEMINI_API_KEY, GOOGLE_API_KEY, OPENAI_API_KEY or "
        "OPENAI_COMPATIBLE_BASE_URL, or" in result.stdout
    )


@at_full_counts
def test_live_demo_asks_the_one_provider_with_a_key(tmp_path: Path) -> None:
    # Use the patch of the second run at once, which keeps the numbers.
    script = Path(wrong(tmp_path, (r"numbers: [1-9][\\s\\S]*come true", "come true")))
    with in_background(ProviderTwin(load_script(script))) as twin:
        key = {name: one for name, one in twin.environ().items() if name.startswith("OPENAI_")}
        key = {name: one for name, one in key.items() if "COMPATIBLE" not in name}
        result = play(tmp_path, "--live", **key)
    said = result.stdout
    assert result.returncode == 0, said
    assert "of openai\n(OPENAI_API_KEY is set;" in said
    assert "stops at 2 USD, 2,000,000 tokens or 20 minutes" in said.partition("$ git init")[0]
    assert "go, at the first try" in said
    assert "main is now" in said


@at_full_counts
def test_demo_without_a_full_sandbox_says_so_first(tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "bwrap"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    path = f"{broken.parent}:{quick_programs()}:{os.environ['PATH']}"
    result = play(tmp_path, PATH=path)
    assert result.returncode == 0, result.stdout
    assert result.stdout.startswith(
        "No full sandbox here, as the profile 'demo' allows (isolation_unverified):\n"
    )
    assert "main is now" in result.stdout
