"""`attractor judge -- COMMAND`: a command works, hidden scenarios judge."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import attractor
from tests.needs import needs_sandbox
from tests.pipeline.projects import make_project
from tests.scenarios.suites import write_suite
from tests.tables import table

SUITE = 'name = "half"\npipeline = "linear"\n[gate]\nmin_lower_bound = 0.0\n'
HOLDOUT = """
id = "halves"
title = "It halves"
story = "Ann halves three."
baseline = "fail"

[[steps]]
name = "go"
run = "sh half.sh"

[[checks]]
kind = "stdout"
step = "go"
equals = "1.5\\n"
"""
RIGHT = ("sed", "-i", "s/0/1.5/", "half.sh")
FIX, BREAK = (f"sed -i s/{one}/ half.sh" for one in ("9/1.5", "0/9"))
WRONG_THEN_RIGHT = f"read -r said && {FIX} || {BREAK}; echo $said"

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = make_project(tmp_path / "project", **{"half.sh": "echo 0\n"})
    write_suite(project / "scenarios" / "half", suite=SUITE, halves=HOLDOUT)
    return project


def call(project: Path, *words: str) -> Done:
    state = {"ATTRACTOR_STATE_DIR": str(project.parent / "state"), "HOME": str(project.parent)}
    return attractor(*words, folder=project, variables=state)


def register(project: Path) -> None:
    done = call(project, "suite", "register", "scenarios/half")
    assert not done.returncode, done.stderr


@needs_sandbox
def test_command_gets_a_go_that_a_person_can_promote(project: Path) -> None:
    register(project)
    done = call(project, "judge", "--suite", "half", "--", *RIGHT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("go\n")
    assert "half.sh  +1 -1" in done.stdout
    assert "used:     0 tokens" in done.stdout
    assert "then:     attractor promote" in done.stdout
    assert "sed has no network" in done.stderr


@needs_sandbox
def test_command_goes_on_after_a_no_go_with_the_verdict_on_its_input(project: Path) -> None:
    register(project)
    words = ("judge", "--json", "--suite", "half", "--again", "2", "--", "sh", "-c")
    done = call(project, *words, WRONG_THEN_RIGHT)
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert records[-1]["verdict"] == "go"
    assert "tries left after this one: 1" in done.stderr
    assert "1 tree was evaluated with this version" in done.stderr
    runs = json.loads(call(project, "runs", "--json").stdout)
    assert len(runs) == 2
    logs = call(project, "logs", records[-1]["run_id"], "--stage", "work").stdout
    assert "did not pass: 1 of 1 failed" in logs


@needs_sandbox
def test_attempts_are_a_race(project: Path) -> None:
    register(project)
    words = ("--suite", "half", "--attempts", "2", "--max-tokens", "9")
    done = call(project, "judge", *words, "--", *RIGHT)
    assert done.returncode == 0, done.stderr
    assert "2 attempts" in done.stderr
    assert done.stdout.count("go ") >= 2
    manifests = [json.loads(file.read_text()) for file in project.glob("runs/*/manifest.json")]
    assert [one["options"]["budgets"]["tokens"] for one in manifests] == [4, 4]


@needs_sandbox
def test_network_of_a_command_leaves_isolation_unverified(project: Path) -> None:
    register(project)
    done = call(project, "judge", "--suite", "half", "--network", "--", *RIGHT)
    assert done.returncode == 5
    assert "isolation_unverified" in done.stdout


def test_change_without_a_suite_is_shown_and_not_judged(project: Path) -> None:
    done = call(project, "judge", "--", "env", "A=1", *RIGHT)
    assert done.returncode == 5
    assert "not judged: no suite" in done.stdout
    assert "half.sh  +1 -1" in done.stdout
    assert "attractor suite init" in done.stdout


def test_files_of_a_command_that_fails_are_not_judged(project: Path) -> None:
    done = call(project, "judge", "--", "sh", "-c", "echo broken >&2; exit 7")
    assert done.returncode == 1
    assert "exit status 7" in done.stdout
    assert "broken" in done.stderr
    assert "attractor suite init" not in done.stdout


@table(
    "words, told",
    [
        ((), "no command to judge"),
        (("--", "missing-program"), "the program missing-program is not on the PATH"),
        (("--", "claude", "-p", "x"), "missing API key of the provider 'anthropic'"),
        (("--attempts", "2", "--again", "1", "--", "true"), "exclude each other"),
        (("--diff", "--", "true"), "needs no command"),
        (("--branch", "main", "--network"), "needs no command"),
        (("--suite", "unknown", "--", "true"), "unknown"),
        (("--attempts", "2", "--junit", "a.xml", "--", "true"), "a race writes no such file"),
        (("--base", "main", "--", "true"), "names no change"),
        (("--", "echo", "\udcff"), "not UTF-8"),
    ],
)
def test_impossible_command_is_refused_before_it_begins(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    project = make_project(tmp_path / "project")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "claude").write_text("#!/bin/sh\n")
    (tmp_path / "bin" / "claude").chmod(0o755)
    path = f"{tmp_path}/bin:/usr/bin:/bin"
    done = attractor("judge", *words, folder=project, variables={"PATH": path})
    assert done.returncode == 2, done.stdout
    assert told in done.stderr
    assert not (project / "runs").exists()
