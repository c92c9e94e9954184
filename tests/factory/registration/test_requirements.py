"""Requirements in a suite: what registration refuses, what the gate and the command say."""

import asyncio
import json
from pathlib import Path

import pytest

from attractor.base.errors import UsageError
from attractor.factory.evaluation.feedback import feedback_on
from attractor.factory.evaluation.gate import gate
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.start import start_run
from attractor.pipeline.project.project import Project
from attractor.scenarios.suite_lint import SuiteRefused
from tests.cli.running import attractor
from tests.factory.registration.test_wrong_solutions import (
    BASE,
    BRIEF,
    RIGHT,
    SCENARIO,
    diff,
    heard,
    opened as opened,
    register,
)
from tests.pipeline.projects import git, simulated
from tests.scenarios.suites import write_files
from tests.tables import table

SUITE = 'name = "todo"\npipeline = "linear"\n'
NAMES, SHOUTS = "A greeting has the name.", "A greeting is in capitals."
LIST = (
    f'[[requirement]]\nid = "names"\nsentence = "{NAMES}"\n'
    f'[[requirement]]\nid = "shouts"\nsentence = "{SHOUTS}"\n'
)
QUIET = RIGHT.replace("HELLO", "hello")


def proving(id_: str, requirement: str, words: str, wanted: str) -> str:
    return f'proves = ["{requirement}"]\n' + SCENARIO.format(id=id_, words=words, wanted=wanted)


def write(opened: Project, settings: str = "", **wrong: str) -> Path:
    files = {
        "suite.toml": f"{SUITE}{settings}",
        "requirements.toml": LIST,
        "holdout/ann.scenario.toml": proving("ann", "names", "Ann", "Ann$"),
        "holdout/loud.scenario.toml": proving("loud", "shouts", "", "^HELLO"),
        "reference/requirements.patch": diff(opened, BASE, RIGHT),
    }
    patches = {f"wrong/{id_}.patch": diff(opened, RIGHT, text) for id_, text in wrong.items()}
    write_files(opened.root, {"SPEC.md": f"# Greetings\n\n- {NAMES}\n- {SHOUTS}\n"})
    git(opened.root, "add", "SPEC.md")
    git(opened.root, "commit", "--quiet", "--allow-empty", "--message", "Specify")
    return write_files(opened.root / "scenarios" / "todo", {**files, **patches})


def test_a_patch_named_after_a_requirement_breaks_it(opened: Project) -> None:
    folder = write(opened, names=BRIEF, **{"shouts--quiet": QUIET})
    registered = register(opened, folder)
    said = [one.partition(": stdout")[0] for one in registered.measured]
    assert said == [
        "wrong solution names: noticed by ann",
        "wrong solution shouts--quiet: noticed by loud",
    ]


def test_the_reference_of_the_suite_must_pass_each_scenario(opened: Project) -> None:
    folder = write(opened)
    write_files(folder, {"reference/requirements.patch": diff(opened, BASE, QUIET)})
    with pytest.raises(SuiteRefused) as refused:
        register(opened, folder)
    [fault] = refused.value.faults
    assert (fault.rule, fault.scenario) == ("reference", "loud")


def test_a_holdout_that_passes_without_its_requirement_proves_nothing(opened: Project) -> None:
    folder = write(opened, names=BRIEF, shouts=QUIET)
    write_files(folder, {"holdout/first.scenario.toml": proving("first", "shouts", "Ann", "Ann$")})
    with pytest.raises(SuiteRefused) as refused:
        register(opened, folder)
    [fault] = refused.value.faults
    assert (fault.rule, fault.scenario) == ("proves_nothing", "first")
    assert "passes with each of 1 wrong solution without it" in fault.words


@table(
    ("path", "text", "words"),
    [
        ("requirements.toml", LIST + LIST, "duplicate id 'names'"),
        ("requirements.toml", LIST.replace('"shouts"', '"names"'), "duplicate id"),
        ("requirements.toml", LIST.replace(NAMES, SHOUTS), "duplicate sentence"),
        ("requirements.toml", 'spec = "../SPEC.md"\n' + LIST, "spec"),
        ("requirements.toml", LIST.replace("names", "named"), "unknown requirement 'names'"),
        ("requirements.toml", "[[requirement]]\nid =", "requirements.toml"),
        ("suite.toml", f'{SUITE}[requirements]\nproved = "some"\n', "proved"),
        ("wrong/others.patch", "diff", "no wrong solution has this id"),
    ],
)
def test_a_mistake_is_named(opened: Project, path: str, text: str, words: str) -> None:
    folder = write_files(write(opened), {path: text})
    with pytest.raises(UsageError) as refused:
        register(opened, folder)
    assert words in f"{refused.value.message} {refused.value.hint}"


def test_a_wrong_solution_of_an_unproved_requirement_is_refused(opened: Project) -> None:
    folder = write(opened, shouts=QUIET)
    (folder / "holdout" / "loud.scenario.toml").unlink()
    with pytest.raises(UsageError, match="which no holdout proves"):
        register(opened, folder)


def test_coverage_compares_the_list_with_the_last_commit(opened: Project) -> None:
    folder = write(opened)

    def said(*words: str) -> tuple[int, str]:
        state = {"ATTRACTOR_STATE_DIR": str(opened.machine.state_dir)}
        done = attractor(
            "suite", "coverage", str(folder), *words, folder=opened.root, variables=state
        )
        return done.returncode, done.stdout or done.stderr

    assert said() == (0, "2 of 2 sentences have a holdout\n")
    now = "A greeting is in capital letters."
    write_files(opened.root, {"SPEC.md": now})
    assert said()[0] == 0
    git(opened.root, "commit", "--quiet", "--all", "--message", "Specify anew")
    code, lines = said()
    assert code == 1
    assert "gone since: names (look at: ann)" in lines
    assert f"changed since: shouts (look at: loud)\n    was: {SHOUTS}\n    now: {now}" in lines
    assert [one["id"] for one in json.loads(said("--json")[1])["moved"]] == ["names", "shouts"]
    listening, messages = heard(opened)
    register(listening, folder)
    assert any("moved_sentence: SPEC.md lacks names" in one for one in messages)
    write_files(folder, {"requirements.toml": LIST.split("[[", 2)[0] + "[[" + LIST.split("[[")[2]})
    (folder / "holdout" / "ann.scenario.toml").unlink()
    register(listening, folder)
    assert any("lists 1 sentence more: names" in one for one in messages)


def test_gate_counts_proved_sentences_and_knows_the_base_only(opened: Project) -> None:
    there = OpenProject(opened)
    register(opened, write(opened, settings='[requirements]\nproved = "all"\n'))
    run = asyncio.run(start_run(simulated(opened.root, suite="todo"), there))
    judged = ask_gate(run.directory, there)[1]
    [rule] = [one for one in gate(judged).rules if one.rule == "requirements"]
    assert (rule.passed, rule.figure, rule.threshold) == (False, "0 of 2", "all")
    assert rule.words == "0 of 2 sentences are proved"
    assert feedback_on("r", judged).requirements == ""
