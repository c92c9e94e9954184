"""A clone of a judged project is judged with an empty state folder; an agent seals no suite."""

import shutil
from pathlib import Path

from attractor.scenarios.sealed_suite import lock_of, seal_suite, write_lock
from tests.cli.running import attractor
from tests.factory.registration.test_register_suite import SHOUT, SUITE, scenario
from tests.pipeline.projects import git, make_project
from tests.scenarios.suites import write_suite

NO_GO = 5
PLAIN = ("--backend", "simulate", "--sandbox", "none")


def test_clone_is_judged_and_suites_of_agents_are_not_registered(tmp_path: Path) -> None:
    """The suite is known by its committed lock; an agent edits it, with a lock that matches."""
    project = make_project(tmp_path / "project", **{"greet.sh": "echo hello\n"})
    variables = {"HOME": str(tmp_path), "ATTRACTOR_WORKSPACES_DIR": str(tmp_path)}

    def do(*words: str, at: Path, state: str) -> str:
        more = {"ATTRACTOR_STATE_DIR": str(tmp_path / f"{state}-state")}
        done = attractor(*words, folder=at, variables=variables | more)
        return f"{done.returncode}\n{done.stdout}\n{done.stderr}"

    written = scenario(wanted="HELLO", baseline="fail")
    suite = write_suite(project / "scenarios" / "todo", suite=SUITE, greets=written)
    (project / "attractor.toml").write_text('factory.suite = "todo"\n')
    assert "sealed as version 1" in do(
        "suite", "register", "scenarios/todo", "--sandbox", "none", at=project, state="first"
    )
    (project / "greet.sh").write_text(SHOUT)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Shout")

    second = tmp_path / "second"
    git(tmp_path, "clone", "--quiet", str(project), "second")
    ran = do("run", "pipeline.dot", *PLAIN, at=second, state="second")
    assert ran.startswith("0\n")
    assert "Registered suite todo@1" in ran
    judged = do("gate", at=second, state="second")
    assert "1 of 1 trials satisfied" in judged
    assert "registered by its lock in commit" in judged
    assert git(second, "status", "--porcelain") == ""

    # An agent makes the suite easier, and its lock matches.
    easier = tmp_path / "easier"
    shutil.copytree(suite, easier)
    file = easier / "holdout" / "greets.scenario.toml"
    file.write_text(file.read_text().replace("Ann greets", "Ann greets anyhow"))
    write_lock(easier, lock_of(seal_suite(easier, tmp_path / "forger"), 2))
    steal = f"mkdir -p scenarios; cp -r {easier} scenarios/todo"
    graph = (second / "pipeline.dot").read_text()
    (second / "pipeline.dot").write_text(graph.replace("echo made > made.txt", steal))
    git(second, "commit", "--quiet", "--all", "--message", "Steal")
    assert do("run", "pipeline.dot", *PLAIN, at=second, state="second").startswith("0\n")
    # Its result does not even contain the files.
    assert "refused: scenarios (its path is protected" in do("logs", at=second, state="second")
    assert do("gate", "latest", at=second, state="second").startswith(
        f"{NO_GO}\nno-go: no files changed"
    )

    # Such a commit comes nevertheless.
    shutil.copytree(easier, second / "scenarios" / "todo", dirs_exist_ok=True)
    git(second, "add", "--all")
    git(second, "commit", "--quiet", "--message", "Stage make\n\nAttractor-Run: 01ABC")
    named = do("run", "pipeline.dot", *PLAIN, at=second, state="second")
    assert "1 file differs in" in named
    assert "Registered" not in named
    assert "todo@2" not in do("suite", "list", at=second, state="second")
    refused = do("run", "pipeline.dot", *PLAIN, at=second, state="third")
    assert refused.startswith("4\n")
    assert "changed its files" in refused
