"""Wrong solutions, and references without one of their changes, are played at the registration."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from attractor.base.errors import Refused
from attractor.config.tables import read_section
from attractor.engine.run_folder.result import RunResult
from attractor.factory.evaluation.gate import gate
from attractor.factory.gate_records import GateReport
from attractor.factory.ledger.ledger import LEDGER_FILE, LineKind
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.evaluate import ask_gate
from attractor.factory.operations.start import start_run
from attractor.factory.registration.proof import first_reason_of
from attractor.factory.registration.register_suite import register_suite
from attractor.factory.resources.profiles import Profile
from attractor.factory.resources.suites import Registration
from attractor.pipeline.project.project import Project
from attractor.scenarios.check import check_result
from attractor.scenarios.evaluation import TrialKey, TrialResult
from attractor.scenarios.sealed_suite import seal_suite
from attractor.scenarios.suite_lint import SuiteRefused
from attractor.server.service import Service
from tests.cli.running import attractor
from tests.pipeline.projects import adjusted, git, make_project, open_project, simulated
from tests.scenarios.suites import write_files
from tests.server.conftest import PAGE, serving
from tests.tables import table

BASE = """\
#!/bin/sh
# Greet a person.
name=$1

# The greeting itself.
echo "hello"

# End of the program.
"""
RIGHT = (
    BASE.replace("name=$1", "name=${1:+ $1}")
    .replace("hello", "HELLO$name")
    .replace("# End of", "# The end of")
)
SCENARIO = """
id = "{id}"
title = "Greeting"
story = "Ann {id}."

[[steps]]
name = "greet"
run = "sh greet.sh {words}"

[[checks]]
kind = "stdout"
step = "greet"
matches = "{wanted}"

[[checks]]
kind = "exit"
step = "greet"
"""
SUITE = 'name = "todo"\npipeline = "linear"\n'
WRONG = '[[wrong]]\nid = "{id}"\nnoticed_by = ["{by}"]\n'
BRIEF = RIGHT.replace("HELLO$name", "HELLO")
COMMENT = RIGHT + "# One more comment.\n"
THROUGH_A_LINK = """\
diff --git a/out b/out
new file mode 120000
--- /dev/null
+++ b/out
@@ -0,0 +1 @@
+..
\\ No newline at end of file
diff --git a/out/stolen b/out/stolen
new file mode 100644
--- /dev/null
+++ b/out/stolen
@@ -0,0 +1 @@
+x
"""


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "project", **{"greet.sh": BASE})
    return adjusted(open_project(project), tell=list[str]().append)


def diff(opened: Project, before: str, after: str) -> str:
    file = opened.root / "greet.sh"
    file.write_text(before)
    git(opened.root, "add", "greet.sh")
    file.write_text(after)
    made = git(opened.root, "diff")
    git(opened.root, "reset", "--quiet", "--hard")
    return made


def write(opened: Project, *, settings: str = "", has_reference: bool = True, **wrong: str) -> Path:
    """Write a suite with wrong solutions (their text, or a patch), noticed by `names`."""
    folder = opened.root / "scenarios" / "todo"
    rows = [WRONG.format(id=id_, by=BY.get(id_, "names")) for id_ in wrong]
    names = SCENARIO.format(id="names", words="Ann", wanted="^HELLO Ann$")
    files = {
        "suite.toml": "\n".join([SUITE, settings, *rows]),
        "holdout/names.scenario.toml": f'baseline = "fail"\n{names}',
        "holdout/shouts.scenario.toml": SCENARIO.format(id="shouts", words="", wanted="^HELLO$"),
        "holdout/ends.scenario.toml": 'baseline = "pass"\n'
        + SCENARIO.format(id="ends", words="", wanted="."),
    }
    if has_reference:
        files["reference/names.patch"] = diff(opened, BASE, RIGHT)
    for id_, text in wrong.items():
        patch = text if text.startswith("diff") else diff(opened, RIGHT, text)
        files[f"wrong/{id_}.patch"] = patch
    return write_files(folder, files)


BY = {"elsewhere": "shouts"}


def register(opened: Project, folder: Path) -> Registration:
    return asyncio.run(register_suite(folder, OpenProject(opened), sandbox="none", by="ann"))


def measured_lines(opened: Project) -> list[str]:
    lines = OpenProject(opened).ledger.entries()
    return [one.line for one in lines if one.kind == LineKind.SUITE_MEASURED]


def heard(opened: Project) -> tuple[Project, list[str]]:
    messages: list[str] = []
    return adjusted(opened, tell=messages.append), messages


def test_wrong_solutions_and_changes_left_out_are_counted(opened: Project) -> None:
    folder = write(opened, brief=BRIEF, elsewhere=BRIEF, silent="exit 0\n")
    opened, messages = heard(opened)
    registered = register(opened, folder)
    said = "2 of 2 wrong solutions noticed, 2 of 3 changes left out noticed by their scenario"
    assert str(registered.figures) == said
    assert registered.measured[0].startswith("wrong solution brief: noticed by names: stdout: ")
    assert "elsewhere: noticed elsewhere by names" in registered.measured[1]
    assert registered.measured[3].startswith('names without greet.sh @@ -1,8 +1,8 @@ "-name=$1"')
    warned = [one for one in messages if one.startswith("warning: ")]
    assert "wrong solution elsewhere: no holdout in its noticed_by" in warned[0]
    assert "wrong solution silent says nothing" in warned[1]
    assert "names passes without a change of its reference: greet.sh @@" in warned[2]
    assert '"-# End of the program." (dead code, a matter of another scenario' in warned[2]

    [line] = measured_lines(opened)
    data = json.loads(line)["data"]
    counts = [data[key] for key in ("wrong", "noticed", "elsewhere", "silent", "changes")]
    assert (counts, data["commit"]) == (
        [2, 2, 1, 1, 3],
        git(opened.root, "rev-parse", "HEAD").strip(),
    )
    messages.clear()
    again = register(opened, folder)
    assert (again.figures, again.measured, messages) == (registered.figures, (), [])


def test_holdout_that_the_commit_passes_notices_a_wrong_solution_of_the_commit(
    opened: Project,
) -> None:
    row = '[[wrong]]\nid = "broken"\non = ""\nnoticed_by = ["ends"]\n'
    folder = write(opened, settings=row)
    write_files(folder, {"wrong/broken.patch": diff(opened, BASE, "exit 3\n")})
    registered = register(opened, folder)
    assert registered.measured[0].startswith("wrong solution broken: noticed by ends: ")
    assert str(registered.figures).startswith("1 of 1 wrong solution noticed")


def test_changes_that_the_commit_contains_are_not_counted(opened: Project) -> None:
    write_files(opened.root, {"greet.sh": RIGHT})
    git(opened.root, "commit", "--quiet", "--all", "--message", "Greet by name")
    folder = write(opened)
    for id_ in ("names", "shouts"):
        file = folder / "holdout" / f"{id_}.scenario.toml"
        text = file.read_text().removeprefix('baseline = "fail"\n')
        file.write_text(f'baseline = "any"\n{text}')
    opened, messages = heard(opened)
    figures = register(opened, folder).figures
    assert figures
    assert (figures.changes, figures.changes_noticed) == (0, 0)
    warned = [one for one in messages if "is not counted: it does not apply: " in one]
    assert len(warned) == 3


def test_failures_after_the_first_one_are_counted() -> None:
    reason = "step app ended with 1"
    failed = [
        check_result(one, passed=False, reason=reason, evidence="") for one in ("exit", "http")
    ]
    for checks, more in ((failed[:1], ""), (failed, " (and 1 other failure)")):
        result = TrialResult(TrialKey("adding", 1), False, tuple(checks), 5)
        assert first_reason_of(result) == f"exit: {reason}{more}"


@table(
    ("wrong", "rule", "words"),
    [
        (COMMENT, "unnoticed", "the wrong solution careless passes all holdouts"),
        ("diff --git a/no b/no\n--- a/no\n+++ b/no\n@@ -1 +1 @@\n-a\n+b\n", "", "does not apply"),
        ("diff --git a/../x b/../x\n--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n", "", "../x"),
        (THROUGH_A_LINK, "", "out/stolen"),
        ("diff --git a/greet.sh b/greet.sh\n", "", "it does not apply"),
        (
            "diff --git a/greet.sh b/greet.sh\n--- a/greet.sh\n+++ b/greet.sh\n@@ -1,2 +1,2 @@\n"
            "-#!/bin/sh\n+#!/bin/sh\n # Greet a person.\n",
            "",
            "it changes nothing",
        ),
    ],
)
def test_suite_is_refused_for_a_wrong_solution(
    opened: Project, wrong: str, rule: str, words: str
) -> None:
    with pytest.raises(SuiteRefused, match="careless") as refused:
        register(opened, write(opened, careless=wrong))
    [fault] = refused.value.faults
    assert fault.rule == rule or (not rule and fault.rule == "unusable_patch")
    assert words in fault.words
    assert measured_lines(opened) == []
    assert not OpenProject(opened).suites.versions.names()


def test_check_that_is_always_true_lets_a_wrong_solution_escape(opened: Project) -> None:
    folder = write(opened, brief=BRIEF)
    file = folder / "holdout" / "names.scenario.toml"
    file.write_text(file.read_text().replace("^HELLO Ann$", "^HELLO"))
    with pytest.raises(SuiteRefused, match="unnoticed: the wrong solution brief passes all"):
        register(opened, folder)
    opened, messages = heard(opened)
    (folder / "wrong" / "brief.patch").unlink()
    (folder / "suite.toml").write_text(SUITE)
    register(opened, folder)
    assert any("without a change of its reference: greet.sh" in one for one in messages)


def test_more_than_twenty_changes_are_chosen_by_the_seed(opened: Project) -> None:
    many = "".join(f"# Line {number}.\n:\n" for number in range(25))
    git(opened.root, "reset", "--quiet", "--hard")
    folder = write(opened)
    new = diff(opened, "", many + RIGHT).replace("@@ -0,0", "@@ -0,0")
    assert new
    patch = folder / "reference" / "names.patch"
    write_files(opened.root, {"greet.sh": many + BASE})
    git(opened.root, "commit", "--quiet", "--all", "--message", "Longer")
    changed = many.replace("# Line", "# A line") + RIGHT
    patch.write_text(diff(opened, many + BASE, changed))
    opened, messages = heard(opened)
    figures = register(opened, folder).figures
    assert figures
    assert figures.changes == 20
    assert [one for one in messages if one.startswith("20 of 28 changes of references")]


def launch(opened: Project, profile: str) -> RunResult:
    return asyncio.run(
        start_run(simulated(opened.root, suite="todo", profile=profile), OpenProject(opened))
    )


def report(run: RunResult, opened: Project) -> GateReport:
    return gate(ask_gate(run.directory, OpenProject(opened))[1])


def test_profile_that_wants_wrong_solutions_refuses_a_weaker_suite(opened: Project) -> None:
    there = OpenProject(opened)
    for wanted in (1, 2):
        policy = {"min_wrong_noticed": wanted, "allow": ["isolation_unverified"]}
        profile = read_section(Profile, {"name": f"wants-{wanted}", "policy": policy})
        there.profiles.create(profile, by="ann", now=there.now())
    register(opened, write(opened, has_reference=False))
    with pytest.raises(
        Refused, match="not measured with wrong solutions, 1 must .* wants-1@1 demands"
    ):
        launch(opened, "wants-1")
    register(opened, write(opened, brief=BRIEF))
    with pytest.raises(Refused, match="the suite noticed 1 wrong solution, 2 must be noticed"):
        launch(opened, "wants-2")
    run = launch(opened, "wants-1")
    found = report(run, opened)
    [rule] = [one for one in found.rules if one.rule == "weak_suite"]
    assert (rule.applies, rule.passed, rule.figure) == (True, True, "1 noticed")
    assert found.to_record()["measured"] == json.loads(measured_lines(opened)[0])["data"]


def test_try_plays_wrong_solutions_for_the_operator_and_records_nothing(opened: Project) -> None:
    folder = write(opened, brief=BRIEF, careless=COMMENT)

    def tried(*words: str) -> tuple[int, str]:
        state = {"ATTRACTOR_STATE_DIR": str(opened.machine.state_dir)}
        words = ("suite", "try", str(folder), "--sandbox", "none", "--wrong", *words)
        done = attractor(*words, folder=opened.root, variables=state)
        return done.returncode, done.stdout or done.stderr

    assert "wrong solutions are hidden" in tried()[1]
    code, said = tried("--operator")
    assert code == 1
    assert "brief: noticed by names: stdout: " in said
    assert "careless: escaped" in said
    code, said = tried("--operator", "--json", "brief")
    assert (code, [one["outcome"] for one in json.loads(said)]) == (0, ["noticed"])
    assert "unknown wrong solution 'names'" in tried("--operator", "names")[1]
    assert not (opened.machine.state_dir / LEDGER_FILE).exists()


def secrets_in(places: dict[str, str], words: list[str]) -> list[str]:
    return [f"{place}: {word}" for place, text in places.items() for word in words if word in text]


def texts_below(folder: Path, *without: str) -> str:
    files = [one for one in folder.rglob("*") if one.is_file() and not {*without} & {*one.parts}]
    return "\n".join(f"{one} {one.read_bytes().decode('latin-1')}" for one in files)


def test_no_wrong_solution_is_readable_without_the_right(opened: Project) -> None:
    words = [f"quokka-{number}-" for number in range(20)]
    wrong = {
        f"{one}x": BRIEF + "".join(f"# {word} is marsupial\n" for word in words[number::5])
        for number, one in enumerate(words[:5])
    }
    folder = write(opened, settings="", has_reference=True, **wrong)
    register(opened, folder)
    run = launch(opened, "")
    state = {"ATTRACTOR_STATE_DIR": str(opened.machine.state_dir)}

    def said(*command: str) -> str:
        return attractor(*command, folder=opened.root, variables=state).stdout

    show = ("suite", "show", "todo")
    places = {
        "run": texts_below(run.directory),
        "state": texts_below(opened.machine.state_dir, "sealed"),
        "show": said(*show) + said(*show, "--json"),
        "gate": said("gate", "--json") + said("gate", "--all") + said("gate", "--operator"),
        "history": said("history", "--all", "--json"),
        "worktree": git(opened.root, "log", "--all", "--patch"),
    }
    with (
        serving(Service.of(opened.root, state | {"PATH": os.environ["PATH"]})) as server,
        server.client("read") as reader,
        server.client("decide") as decider,
    ):
        for path in ("suites/todo", "suites", f"runs/{run.run_id}/gate", "audit/ledger?limit=500"):
            places[f"api {path}"] = reader.get(f"/api/v1/{path}").text
        for path in ("suites/todo", f"runs/{run.run_id}/decision"):
            places[f"page {path}"] = reader.get(f"/{path}", headers=PAGE).text
        shown = decider.get("/api/v1/suites/todo", params={"operator": True}).text
    assert "5 of 5 wrong solutions noticed" in places[f"page runs/{run.run_id}/decision"]
    assert secrets_in(places, [*words, "marsupial"]) == []
    assert all(places.values())
    to_operator = {"show": said(*show, "--operator", "--json"), "api": shown}
    assert len(secrets_in(to_operator, words)) == 10
    assert len(secrets_in({"sealed": texts_below(opened.machine.state_dir)}, words)) == 20
    sealed = seal_suite(folder, opened.machine.state_dir / "suites" / "sealed")
    patches = [*(sealed.folder / "wrong").iterdir()]
    assert {sealed.canary in one.read_text().splitlines()[0] for one in patches} == {True}
    assert len(patches) == 5
