"""Files planted by an agent prevent neither the verdict nor the promotion of the judged tree."""

import asyncio
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import NoGo
from attractor.base.events import Event
from attractor.cli.runs.verdicts import review_text
from attractor.config.tables import read_section
from attractor.engine.run_folder.result import RunResult
from attractor.engine.state.run_state import AWAITING_DECISION
from attractor.factory.decisions.decide import DecisionKind
from attractor.factory.errors import NoDecision
from attractor.factory.factory import Factory
from attractor.factory.open_project import OpenProject
from attractor.factory.operations.start import start_run
from attractor.factory.resources.profiles import Profile, make_profile
from attractor.server.html.changes import read_changes
from tests.engine.runs import read_events
from tests.factory.flows import Flow, make_flow
from tests.factory.resources.stores import register
from tests.needs import needs_sandbox
from tests.pipeline.projects import LINEAR, adjusted, git, simulated

PLANT = LINEAR.replace("echo made > made.txt", "sh plant.sh")
MODULES = (
    "printf '[submodule \"x\"]\\n\\tpath = x\\n\\turl = --upload-pack=touch %s/ran\\n' {place} > "
)
LONG = "head -c 3000 /dev/zero | tr '\\0' x > "


def make_planting_flow(tmp_path: Path, script: str) -> Flow:
    """Make a project whose only stage makes the expected file, and plants other files."""
    flow = make_flow(tmp_path)
    (flow.project / "pipeline.dot").write_text(PLANT)
    (flow.project / "plant.sh").write_text(f"echo made > made.txt\n{script}\n")
    git(flow.project, "add", "--all")
    git(flow.project, "commit", "--quiet", "--message", "Plant")
    return flow


def move(flow: Flow, result: RunResult, to: Path) -> tuple[Flow, RunResult]:
    """Move the project; return it and its run at the new place."""
    flow.project.rename(to)
    opened = adjusted(flow.opened.project, root=to, runs_dir=to / "runs")
    return Flow(to, OpenProject(opened)), replace(result, directory=opened.runs_dir / result.run_id)


def left_out(result: RunResult) -> list[Event]:
    return [one for one in read_events(result.directory) if one.type == "FilesLeftOut"]


@pytest.mark.parametrize("plant", [MODULES + ".gitmodules", LONG + ".gitattributes"])
def test_planted_git_file_runs_nothing_and_blocks_only_approval(tmp_path: Path, plant: str) -> None:
    flow = make_planting_flow(tmp_path, plant.replace("{place}", str(tmp_path)))
    git(flow.project, "config", "transfer.fsckObjects", "true")
    result = flow.launch()
    assert result.status == AWAITING_DECISION
    assert flow.rules(result) == ["protected_path"]
    with pytest.raises(NoGo, match=plant.rpartition(" ")[2]):
        flow.decide(result, DecisionKind.APPROVED)
    assert not (tmp_path / "ran").exists()
    assert flow.decide(result, DecisionKind.REJECTED)


def test_settings_of_the_agents_own_are_never_promoted(tmp_path: Path) -> None:
    flow = make_planting_flow(
        tmp_path, "echo 'runs_dir = \"x\"' > attractor.toml; mkdir agents; >agents/a.md"
    )
    result = flow.launch()
    [reason] = flow.report(result).reasons
    assert reason.rule == "protected_path"
    assert reason.words.endswith("agents/a.md, attractor.toml")
    # A run whose base contains these files did not change them.
    git(flow.project, "checkout", "--quiet", f"attractor/run/{result.run_id}", "--", ".")
    git(flow.project, "commit", "--quiet", "--message", "By a person")
    assert flow.rules(flow.launch()) == []


def test_protected_path_is_recorded_in_the_ledger(tmp_path: Path) -> None:
    flow = make_planting_flow(tmp_path, "touch Jenkinsfile")
    result = flow.launch()
    assert "Jenkinsfile" in str(list(flow.evaluator.ledger.entries(result.run_id)))
    assert flow.rules(flow.resume(result)) == ["protected_path"]
    with pytest.raises(NoDecision):
        flow.promote(result)


def in_subfolder(flow: Flow, tmp_path: Path) -> Flow:
    """Move the project into a subfolder of its repository."""
    project = flow.project / "my app"
    project.mkdir()
    for name in ("pipeline.dot", "scenarios"):
        (flow.project / name).rename(project / name)
    git(flow.project, "add", "--all")
    git(flow.project, "commit", "--quiet", "--message", "Move")
    flow = replace(flow.adjusted(root=project, runs_dir=project / "runs"), project=project)
    # The moved project is another project, so register its suite and profile.
    stores, now = flow.opened, flow.machine.clock.now()
    register(stores.suites, tmp_path / "suite", now=now)
    lenient = make_profile("lenient", ("isolation_unverified",))
    stores.profiles.create(lenient, by="ann", now=now)
    return flow


def test_project_in_a_subfolder_is_hidden_and_protected(tmp_path: Path) -> None:
    look = "grep -rq --include='*.txt' hidden . && exit 1"
    flow = in_subfolder(
        make_planting_flow(tmp_path, f"{look}; > 'my app/attractor.toml'"), tmp_path
    )
    [reason] = flow.report(flow.launch()).reasons
    assert reason.words == "the candidate changes protected paths: my app/attractor.toml"


@needs_sandbox
def test_repository_of_a_subfolder_is_hidden_though_its_folder_is_readable(tmp_path: Path) -> None:
    top = tmp_path / "project"
    look = f"cat {top}/plant.sh && git --git-dir={top}/.git log --patch > log.txt; cat log.txt"
    flow = in_subfolder(make_planting_flow(tmp_path, look), tmp_path)
    flow = flow.adjusted(readable=(top,))
    result = flow.launch(sandbox="auto", suite="")
    said = (result.directory / "make" / "stdout.txt").read_text()
    assert "echo made" in said
    assert "hidden" not in said


def test_link_into_own_scenarios_is_tried_as_promoted(tmp_path: Path) -> None:
    plant = "mkdir scenarios; mv made.txt scenarios/h.txt; ln -sf scenarios/h.txt made.txt"
    flow = make_planting_flow(tmp_path, plant)
    result = flow.launch()
    assert "unresolved_failure" in flow.rules(result)
    [found] = left_out(result)
    assert found.data["refused"] == [
        {"path": "scenarios", "why": "its path is protected by the project"}
    ]


def test_tried_tree_is_promoted_after_the_project_moved(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch()
    flow.decide(result, DecisionKind.APPROVED)
    moved, there = move(flow, result, tmp_path / "moved")
    promotion = moved.promote(there)
    assert git(moved.project, "show", f"{promotion.commit}:made.txt") == "made\n"
    assert (moved.project / "made.txt").read_text() == "made\n"


def test_run_continues_after_the_project_moved(tmp_path: Path) -> None:
    flow = make_flow(tmp_path)
    result = flow.launch(evaluate=False)
    moved, there = move(flow, result, tmp_path / "moved")
    assert moved.resume(there).status == AWAITING_DECISION
    assert moved.rules(there) == []


def test_profile_protects_more_paths_and_permits_others(tmp_path: Path) -> None:
    flow = make_planting_flow(tmp_path, "touch Jenkinsfile LICENSE")
    policy = {"protected_paths": ["/LICENSE"], "unprotected_paths": ["/Jenkinsfile"]}
    allow = ["isolation_unverified"]
    profile = read_section(Profile, {"name": "own", "policy": {**policy, "allow": allow}})
    flow.opened.profiles.create(profile, by="ann", now=flow.machine.clock.now())
    [reason] = flow.report(flow.launch(profile="own")).reasons
    assert reason.words == "the candidate changes protected paths: LICENSE"


HIDDEN = """
echo '*.png filter=x' > .gitattributes
mkdir -p .new-tool
touch .new-tool/run PLAN.md notes.md sub/README.md
echo more >> NOTES.md
"""


def test_new_hidden_files_are_refused_with_the_line_that_allows_them(tmp_path: Path) -> None:
    flow = make_planting_flow(tmp_path, f"mkdir sub; touch NOTES.md; {HIDDEN}")
    result = flow.launch()
    [reason] = flow.report(result).reasons
    assert reason.words == "the candidate changes protected paths: .gitattributes, .new-tool/run"
    text, line = reason.remedy.split("\n")
    assert text.endswith("or whose profile allows them, in [policy]:")
    warning = "an agent may read these as instructions: NOTES.md, PLAN.md"
    review = asyncio.run(Factory(flow.opened).review(result.directory))
    assert review.changes
    assert review.changes.lines()[-1] == f"  {warning}"
    assert read_changes(result.directory, flow.opened.project).remarks == warning
    shown = review_text(review, "latest", to_operator=False, shows_all=False).splitlines()
    assert line in shown
    policy = {"allow": ["isolation_unverified"], **tomllib.loads(line)}
    profile = read_section(Profile, {"name": "own", "policy": policy})
    flow.opened.profiles.create(profile, by="ann", now=flow.machine.clock.now())
    assert flow.rules(flow.launch(profile="own")) == []


def test_agents_of_a_run_with_a_suite_are_told_the_protected_paths(tmp_path: Path) -> None:
    flow = make_planting_flow(tmp_path, "")
    child = 'start -> inner -> exit; inner [type=pipeline, file="pipeline.dot"]'
    ends = "start [shape=Mdiamond]; exit [shape=Msquare]"
    (flow.project / "outer.dot").write_text(f"digraph linear {{ {ends}; {child} }}")
    for file, suite in (("pipeline.dot", "todo"), ("outer.dot", "todo"), ("pipeline.dot", "")):
        request = simulated(flow.project, suite=suite, profile="lenient", evaluate=not suite)
        request = replace(request, file=flow.project / file)
        result = asyncio.run(start_run(request, flow.opened))
        [prompt] = result.directory.rglob("prompt.md")
        assert ("component that begins with a dot" in prompt.read_text()) is bool(suite)


def test_uncommitted_changes_in_the_base_are_no_go(tmp_path: Path) -> None:
    flow = make_planting_flow(tmp_path, "")
    (flow.project / "readme.txt").write_text("changed\n")
    assert flow.rules(flow.launch(include_dirty=True)) == ["dirty_base"]
