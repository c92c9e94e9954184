"""The GitHub Action validates and draws the pipelines of a pull request."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli.commands.test_judge import HOLDOUT, SUITE
from tests.cli.running import attractor
from tests.examples import ROOT, fences
from tests.forges import published
from tests.needs import needs_sandbox
from tests.pipeline.projects import git, make_project
from tests.prepared import quick_programs
from tests.scenarios.suites import write_suite

GOOD = """digraph good {
    start [shape=Mdiamond]
    work  [prompt="Work"]
    exit  [shape=Msquare]
    start -> work -> exit
}
"""
BROKEN = "digraph broken { start -> work -> exit\n"
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))


def check(project: Path, *, base: str = "", **inputs: str) -> tuple[int, str, str, dict[str, str]]:
    """Run the step as GitHub does; return its exit status, output, summary and outputs."""
    runner = project.parent / "runner"
    runner.mkdir(exist_ok=True)
    files = {name: runner / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    [step] = [one for one in ACTION["runs"]["steps"] if one.get("id") == "check"]
    given = {name: one["default"] for name, one in ACTION["inputs"].items()} | inputs
    variables = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], text)
        for name, text in step["env"].items()
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=project,
        env={
            "PATH": f"{quick_programs()}:{os.environ['PATH']}",
            "HOME": str(runner),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_BASE_REF": base,
            "RUNNER_TEMP": str(runner),
            **{name: str(file) for name, file in files.items()},
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    outputs = dict(line.split("=", 1) for line in files["GITHUB_OUTPUT"].read_text().splitlines())
    return done.returncode, done.stdout, files["GITHUB_STEP_SUMMARY"].read_text(), outputs


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone on a branch that adds and changes files, with the branch `main` at its origin."""
    origin = make_project(
        tmp_path / "origin", GOOD, **{"flows/old.dot": GOOD, "flows/gone.dot": GOOD}
    )
    git(tmp_path, "clone", "--quiet", f"file://{origin}", "clone")
    clone = tmp_path / "clone"
    (clone / "flows" / "new flow.gv").write_text(GOOD)
    (clone / "flows" / "broken.dot").write_text(BROKEN)
    (clone / "flows" / "gone.dot").unlink()
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "Change")
    return clone


def test_pull_request_is_annotated_and_its_changed_pipelines_are_drawn(project: Path) -> None:
    base = git(project, "branch", "--show-current").strip()
    status, output, summary, outputs = check(project, base=base)
    assert status == 1
    assert {f"${{{{ steps.check.outputs.{name} }}}}" for name in outputs} == {
        one["value"] for one in ACTION["outputs"].values()
    }
    assert "::error file=flows/broken.dot,line=1," in output
    drawings = Path(outputs["drawings"])
    assert [str(one.relative_to(drawings)) for one in drawings.rglob("*.svg")] == [
        "flows/new flow.svg"
    ]
    assert outputs["drawn"] == "1"
    assert "flows/broken.dot:1:" in summary
    assert re.findall(r"^### (.+)\n\n```mermaid\n", summary, re.M) == ["flows/new flow.gv"]


def test_push_draws_all_pipelines_in_the_paths(project: Path) -> None:
    status, _, summary, outputs = check(project, paths="pipeline.dot flows/old.dot")
    assert (status, outputs["drawn"]) == (0, "2")
    assert "2 files, no problems found" in summary


def test_names_of_files_are_neither_commands_nor_markdown(project: Path) -> None:
    for name, text in (("a\n::error::b.dot", BROKEN), ("a\n# [Approved](b).dot", GOOD)):
        (project / "flows" / name).write_text(text)
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Attack")
    _, output, summary, outputs = check(project, paths="pipeline.dot\nflows\n")
    assert outputs["drawn"] == "4"
    assert "\n### flows/a__ _Approved__b_.dot\n" in summary
    commands = [one for one in output.splitlines() if one.lstrip().startswith("::")]
    assert commands
    assert all(re.match(r"::(error|warning|notice) file=flows/", one) for one in commands)


def test_symbolic_links_are_skipped(project: Path) -> None:
    (project.parent / "secret.dot").write_text("digraph secret { a -> }")
    for folder in (project, project / "flows", project / "only"):
        folder.mkdir(exist_ok=True)
        (folder / "link.dot").symlink_to(project.parent / "secret.dot")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Link")
    status, output, summary, outputs = check(project, paths="link.dot pipeline.dot flows/old.dot .")
    assert (status, outputs["drawn"]) == (1, "3")
    assert "flows/broken.dot" in output
    assert "secret" not in output + summary
    assert "link" not in output + summary
    status, output, *_ = check(project, paths="only")
    assert (status, "no pipeline in the paths" in output) == (1, True)


def test_workflow_of_the_how_to_uses_inputs_of_the_action() -> None:
    [workflow] = [one.text for one in fences("yaml") if "runs-on:" in one.text][:1]
    *_, step = yaml.safe_load(workflow)["jobs"]["check"]["steps"]
    assert step["with"].keys() <= ACTION["inputs"].keys()
    page = (ROOT / "docs" / "how-to" / "continuous-integration.md").read_text("utf-8")
    assert re.findall(r"^\| `([\w-]+)` \|", page, re.M) == list(ACTION["inputs"])


@needs_sandbox
@pytest.mark.parametrize("right", [True, False])
def test_pull_request_is_judged_from_its_target(tmp_path: Path, right: bool) -> None:
    with published(tmp_path) as (forge, project):
        write_suite(tmp_path / "half", suite=SUITE, halves=HOLDOUT)
        state = {"ATTRACTOR_STATE_DIR": str(tmp_path / "state"), "HOME": str(tmp_path)}
        done = attractor(
            "suite", "register", str(tmp_path / "half"), folder=project, variables=state
        )
        assert not done.returncode, done.stderr
        (project / "half.sh").write_text("echo 1.5\n" if right else "echo 9\n")
        (project / "attractor.toml").write_text("" if right else "[factory]\n")
        git(project, "add", "half.sh", *([] if right else ["attractor.toml"]))
        git(project, "commit", "--quiet", "--message", "Halve")
        git(project, "push", "--quiet", "origin", "HEAD:refs/heads/words")
        (project / "attractor.toml").unlink()
        forge.propose_from_fork("words")
        runner = tmp_path / "runner"
        runner.mkdir()
        files = {name: str(runner / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
        ran = subprocess.run(
            [ROOT / "scripts" / "judge-pull-request"],
            cwd=project,
            env={
                "PATH": f"{quick_programs()}:{os.environ['PATH']}",
                "RUNNER_TEMP": str(runner),
                "GITHUB_REF": "refs/pull/1/merge",
                "GITHUB_BASE_REF": "main",
                "SUITE": "half",
                **files,
                **state,
                **forge.environ(),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        said = ran.stdout + ran.stderr
        assert ran.returncode == (0 if right else 5), said
        verdict = "go" if right else "no-go"
        assert (runner / "GITHUB_OUTPUT").read_text() == f"verdict={verdict}\n"
        assert f"## Attractor: {verdict}\n" in (runner / "GITHUB_STEP_SUMMARY").read_text()
        suite = ElementTree.parse(runner / "verdict.xml").getroot()
        failed = {one.get("name") for one in suite if one.find("failure") is not None}
        assert failed == (
            set() if right else {"unresolved_failure", "satisfaction", "protected_path"}
        )
        assert suite.get("failures") == str(len(failed))
        assert "halves" not in (runner / "verdict.xml").read_text()


def test_action_that_judges_passes_its_inputs_to_the_script() -> None:
    action = yaml.safe_load((ROOT / "judge" / "action.yml").read_text("utf-8"))
    [step] = [one for one in action["runs"]["steps"] if one.get("id") == "judge"]
    assert step["env"] == {"SUITE": "${{ inputs.suite }}", "PROFILE": "${{ inputs.profile }}"}
    assert step["run"].strip('"') == "$GITHUB_ACTION_PATH/../scripts/judge-pull-request"
