"""A run in a clone that may not register its suite says so in rules and numbers, without names."""

import asyncio
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from attractor.base.errors import MachineryError
from attractor.environments.errors import NO_PORTS, PORTS_HINT
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.scenarios.errors import InvalidSuite
from attractor.scenarios.sealed_suite import lock_of, seal_suite, write_lock
from tests.cli.running import attractor
from tests.factory.canaries import CANARIES, FOLDER, commit, make_flow_with_canaries
from tests.pipeline.projects import adjusted, git, open_project, simulated
from tests.tables import table
from tests.without_namespaces import without_ports

ONE, TWO = CANARIES[:2]
HELD = "holdout/made.scenario.toml"
SECRET = re.compile(r"made|quokka|look|Ann|\.patch|\.scenario\.toml")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of a project with a suite, on a machine of its own."""
    folder = tmp_path_factory.mktemp("clone")
    project = make_flow_with_canaries(folder / "first").project
    git(folder, "clone", "--quiet", f"file://{project}", "second")
    return folder / "second"


def said(place: Path, *words: str) -> tuple[int, str]:
    """Execute a command with a new state folder; return the exit status and all output."""
    with TemporaryDirectory() as state:
        done = attractor(*words, folder=place, variables={"ATTRACTOR_STATE_DIR": state})
    return done.returncode, done.stdout + done.stderr


def run(place: Path, *more: str, sandbox: str = "none") -> tuple[int, str]:
    words = ("--suite", "todo", "--backend", "simulate", "--sandbox", sandbox)
    return said(place, "run", "pipeline.dot", *words, *more)


def reset(place: Path) -> None:
    git(place, "reset", "--quiet", "--hard", "origin/HEAD")
    git(place, "clean", "--quiet", "-dfx")


def lock(folder: Path) -> None:
    with suppress(InvalidSuite), TemporaryDirectory() as store:
        write_lock(folder, lock_of(seal_suite(folder, Path(store)), 1))


def test_whole_suite_is_registered_without_a_name(place: Path) -> None:
    reset(place)
    code, output = run(place)
    before, registered, _ = output.partition("Registered suite todo@1")
    assert (code, bool(registered)) == (0, True), output
    assert not SECRET.search(before.rpartition("decide")[2])


def edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / path).read_text()
        assert old in text
        (folder / path).write_text(text.replace(old, new), newline="")

    return change


def add_unnamed(folder: Path) -> None:
    (folder / "wrong" / f"{ONE}-again.patch").touch()


def add_reference_that_does_not_apply(folder: Path) -> None:
    (folder / "reference").mkdir()
    patch = f"--- a/{ONE}.txt\n+++ b/{ONE}.txt\n@@ -1 +1 @@\n-{ONE}\n+made\n"
    (folder / "reference" / "made.patch").write_text(patch)


INVALID = "invalid_suite: a file is invalid or missing"
BY = 'noticed_by = ["made"]'


@table(
    ("damage", "words", "is_played"),
    [
        (edit("suite.toml", BY, f'noticed_by = ["{TWO}"]'), INVALID, False),
        (edit("suite.toml", f'id = "{ONE}"', f'id = "{ONE} {TWO}"'), INVALID, False),
        (edit(f"wrong/{ONE}.patch", "\n", "\r\n"), INVALID, False),
        (add_unnamed, INVALID, False),
        (add_reference_that_does_not_apply, "unplayable: 1 fault", True),
        (edit(HELD, "id =", 'baseline = "pass"\nid ='), "baseline: 1 fault", True),
    ],
)
def test_refusal_has_rules_and_numbers(
    place: Path, damage: Callable[[Path], None], words: str, is_played: bool
) -> None:
    reset(place)
    damage(place / FOLDER)
    lock(place / FOLDER)
    commit(place)
    for more in ("--json", "--preflight"):
        code, output = run(place, more)
        assert not SECRET.search(output), output
        if not (is_played and more == "--preflight"):
            assert (code, words in output) == (2, True), output
    code, output = said(place, "suite", "register", FOLDER, "--sandbox", "none")
    assert (code, bool(SECRET.search(output))) == (2, True), output


def add_fixture(folder: Path) -> None:
    """Add a fixture for a holdout, which changes two files."""
    edit(HELD, "title =", f'fixtures = ["{ONE}.txt"]\ntitle =')(folder)
    (folder / "fixtures").mkdir()
    (folder / "fixtures" / f"{ONE}.txt").touch()


@table(
    ("damage", "words"),
    [
        (edit(f"wrong/{ONE}.patch", f"+{ONE}", f"+{ONE} again"), "1 file changed since the last"),
        (add_fixture, "2 files changed since the last commit"),
    ],
)
def test_files_that_are_not_committed_are_counted(
    place: Path, damage: Callable[[Path], None], words: str
) -> None:
    reset(place)
    damage(place / FOLDER)
    lock(place / FOLDER)
    git(place, "commit", "--quiet", "--message", "Lock", f"{FOLDER}/suite.lock.json")
    for more in ("--json", "--preflight"):
        code, output = run(place, more)
        assert not SECRET.search(output), output
        assert (code, words in output) == (4, True), output


SERVICE = """\
[[steps]]
name = "serve"
service = "sleep 9"
port = 8000
ready = "100ms"

[[steps]]"""


@pytest.mark.usefixtures("landlock_allowed")
def test_trouble_of_the_machine_names_no_scenario(place: Path) -> None:
    reset(place)
    edit(HELD, "[[steps]]", SERVICE)(place / FOLDER)
    lock(place / FOLDER)
    commit(place)
    for words, name in {
        ("run", "pipeline.dot", "--suite", "todo", "--backend", "simulate"): "a scenario",
        ("suite", "register", FOLDER): "made",
    }.items():
        with TemporaryDirectory() as state:
            environ = {"PATH": os.environ["PATH"], "ATTRACTOR_STATE_DIR": state}
            words = (*words, "--sandbox", "landlock")
            ended = without_ports(*words, folder=place, variables=environ)
        output = ended.stdout + ended.stderr
        trouble = f"base tree: trouble in {name} (machinery)"
        assert (ended.returncode, trouble in output) == (2, True), output
        assert bool(SECRET.search(output)) == (name == "made"), output


@pytest.mark.usefixtures("landlock_allowed")
def test_run_whose_suite_needs_ports_is_refused_before_it_begins(place: Path) -> None:
    reset(place)
    edit(HELD, "[[steps]]", SERVICE)(place / FOLDER)
    commit(place)
    with TemporaryDirectory() as state:
        variables = {"ATTRACTOR_STATE_DIR": state}
        words = ("suite", "register", FOLDER, "--sandbox", "none")
        registered = attractor(*words, folder=place, variables=variables)
        assert registered.returncode == 0, registered.stderr
        words = ("run", "pipeline.dot", "--suite", "todo", "--backend", "simulate")
        environ = {**variables, "PATH": os.environ["PATH"]}
        ended = without_ports(*words, "--sandbox", "landlock", folder=place, variables=environ)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines()[-1] == f"error: {NO_PORTS} ({PORTS_HINT})"
    assert list((place / "runs").glob("*/manifest.json")) == []


TRIES = 2
"""The number of times that a trial with trouble is played."""


def test_trial_that_the_machine_cannot_play_has_no_name(place: Path) -> None:
    reset(place)
    messages: list[str] = []
    opened = adjusted(open_project(place), suite="todo")
    folder = opened.machine.state_dir / "workspaces"
    away = folder.with_name("away")

    def tell(message: str) -> None:
        messages.append(message)
        if message.startswith("base tree: 1 of 1"):
            folder.rename(away)
        elif sum("trouble" in one for one in messages) == TRIES and away.exists():
            away.rename(folder)

    opened = adjusted(opened, tell=tell, progress=tell)
    with pytest.raises(MachineryError) as caught:
        asyncio.run(start_run(simulated(place), OpenProject(opened)))
    output = "\n".join([*messages, caught.value.message])
    assert "a trial of a scenario could not be played" in output
    assert not SECRET.search(output), output
