"""An app grown from desires, as `make grow-demo` shows it, and one that the gate refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.counts import IS_FULL
from tests.examples import ROOT
from tests.tables import table
from tests.test_demo import NO_GO, play, without_keys

EXAMPLES = ROOT / "pipelines" / "growth"
FARM, OFFICE = "farmer-contract-allocation", "immigration-policy-impact"
at_full_counts = pytest.mark.skipif(not IS_FULL, reason="builds an app for a minute or more")


def grow(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return play(folder, *words, program="grow_demo.py")


def app_of(folder: Path) -> Path:
    [app] = folder.glob("attractor-grow-*/app")
    return app


def attractor(app: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    state = {"ATTRACTOR_STATE_DIR": str(app.parent / "state")}
    places = {**state, "ATTRACTOR_WORKSPACES_DIR": str(app.parent)}
    return subprocess.run(
        [sys.executable, "-m", "attractor", *words],
        cwd=app,
        env=without_keys() | places | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@at_full_counts
@table("example", [FARM, OFFICE])
def test_example_grows_from_desires_to_a_running_app(example: str, tmp_path: Path) -> None:
    ended = grow(tmp_path, "--example", example)
    said = ended.stdout
    assert ended.returncode == 0, said
    assert said.splitlines()[0].startswith("The models are scripts")
    assert [f"# {number}. " in said for number in range(1, 7)] == [True] * 6
    assert "3 of 3 wrong solutions noticed, 3 of 3 changes left out noticed" in said
    assert '"version":"v0"' in said
    assert "v0     seed" in said
    assert "No problems found." in said
    assert "The app was stopped" in said
    rebuild_and_try(app_of(tmp_path), example)


def rebuild_and_try(app: Path, example: str) -> None:
    """Build the app with the assembly line, and require that it passes the same suite."""
    with in_background(ProviderTwin(load_script(EXAMPLES / example / "twin.py"))) as twin:
        line = str(ROOT / "pipelines" / "assembly_line.dot")
        variables = dict(twin.environ())
        ran = attractor(app, "run", line, "--no-evaluate", "--json", **variables)
    assert ran.returncode == 0, ran.stderr
    branch = f"attractor/run/{json.loads(ran.stdout.splitlines()[-1])['run_id']}"
    subprocess.run(["git", "checkout", "--quiet", "--detach", branch], cwd=app, check=True)
    tried = attractor(app, "suite", "try", f"scenarios/{example}", "--operator")
    assert tried.returncode == 0, tried.stdout


@at_full_counts
def test_app_whose_gate_lets_a_locked_block_through_is_not_promoted(tmp_path: Path) -> None:
    ended = grow(tmp_path, "--script", "leaky_twin.py")
    assert ended.returncode == NO_GO, ended.stdout
    assert "nothing was promoted" in ended.stdout
    assert "no-harvest-from-phi-locked-blocks" in ended.stdout
    shown = ["git", "ls-tree", "--name-only", "main"]
    files = subprocess.run(shown, cwd=app_of(tmp_path), capture_output=True, text=True, check=True)
    assert "app" not in files.stdout.splitlines()
