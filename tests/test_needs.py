"""Without optional programs, tests pass or are skipped with the line that installs the program."""

import subprocess
import sys

import pytest

from tests.counts import IS_FULL
from tests.examples import ROOT
from tests.needs import PROGRAMS

HIDING = [sys.executable, "-m", "tests.without_programs"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m"]
ALONE = ["bubblewrap", "cargo", "chromium", "go", "npm", "postgresql"]
MODULES = {
    "bubblewrap": "tests/growth/simulation/test_running.py",
    "cargo": "tests/pipeline/workspace/test_journal_notes.py",
    "chromium": "tests/scenarios/test_browser.py",
    "graphviz": "tests/spec/test_L10_formatting.py",
    "postgresql": "tests/fleet/test_database.py",
}
AT_FULL_COUNTS = pytest.mark.skipif(not IS_FULL, reason="at full counts only: runs all tests again")
pytestmark = pytest.mark.skipif(
    subprocess.run([*HIDING, "go", "--", "true"], cwd=ROOT, check=False).returncode == 1,
    reason="this user may not mount",
)


def run_without(*words: str) -> str:
    """Run a command without programs, and return what it prints."""
    done = subprocess.run([*HIDING, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hidden_programs_are_found_nowhere() -> None:
    for programs in (*([one] for one in ALONE), list(PROGRAMS)):
        commands = [command for program in programs for command in PROGRAMS[program][1:]]
        look = f"command -v {' '.join(commands)}; ls -d {' '.join(commands)} 2> /dev/null; true"
        assert run_without(*programs, "--", "sh", "-c", look) == ""


def test_last_line_counts_skipped_tests_by_program() -> None:
    last = run_without("--", *PYTEST, "needs", *MODULES.values()).splitlines()[-1]
    assert last.startswith("skipped: ")
    for program in MODULES:
        assert f" without {program} (apt-get install {PROGRAMS[program][0]})" in last


@AT_FULL_COUNTS
@pytest.mark.parametrize("program", ALONE)
def test_tests_of_a_program_pass_or_are_skipped_without_it(program: str) -> None:
    run_without(program, "--", *PYTEST, f"needs(program={program!r})")


@AT_FULL_COUNTS
def test_all_tests_pass_or_are_skipped_without_all_programs() -> None:
    run_without("--", "env", "COUNTS=", *PYTEST, "not live and not agents", "-n2")
