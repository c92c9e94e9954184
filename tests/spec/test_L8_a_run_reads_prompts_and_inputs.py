"""L8 in a run: files beside the graph, inputs, templates rendered at each visit."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from attractor.base.errors import UsageError, VerificationError
from attractor.engine.errors import GraphChanged
from attractor.engine.prompts.preamble import TASK
from attractor.engine.run_folder.result import RunResult
from attractor.language.diagnostics import ValidationError
from attractor.pipeline.execute import resume
from attractor.pipeline.project.project import Project
from attractor.records.request import Overrides, RunRequest
from tests.pipeline.projects import make_project, open_project, simulated, start

PIPELINE = """
digraph prompts {
    graph [goal="Ship it", inputs="ticket, branch=main"]
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan  [prompt="@prompts/plan.md"]
    work  [prompt="@prompts/work.md.j2"]
    ask   [shape=hexagon, label="Fine?"]
    sub   [type=import, file="parts/check.dot"]
    start -> plan -> work -> ask
    ask -> sub [label="[Y] Yes"]
    ask -> work [label="[N] No"]
    sub -> exit
}
"""
FILES = {
    "prompts/plan.md": "Plan ${inputs.ticket} on ${inputs.branch}: $goal\n",
    "prompts/work.md.j2": "{{ goal }} {{ inputs.ticket }} after {{ context.last_stage }}\n",
    "parts/check.dot": (
        "digraph check { start [shape=Mdiamond]; exit [shape=Msquare]\n"
        ' look [prompt="@look.md"]; start -> look -> exit }'
    ),
    "parts/look.md": "Look at it: $goal",
}


@pytest.fixture
def opened(tmp_path: Path) -> Project:
    return open_project(make_project(tmp_path / "project", PIPELINE, **FILES))


def options(opened: Project, **inputs: str) -> RunRequest:
    return simulated(opened.root, inputs=inputs, workspace="none", interviewer="auto_approve")


def run(opened: Project, **inputs: str) -> RunResult:
    return asyncio.run(start(options(opened, **inputs), opened))


def prompt(result: RunResult, node: str) -> str:
    asked = (result.directory / node / "prompt.md").read_text()
    # The preamble is before it.
    return asked.rpartition(f"{TASK}\n\n")[2]


def test_L8_prompts_come_from_files_with_goal_and_inputs(opened: Project) -> None:
    result = run(opened, ticket="A-1")
    assert prompt(result, "plan") == "Plan A-1 on main: Ship it\n"
    assert prompt(result, "work") == "Ship it A-1 after plan\n"
    assert prompt(result, "sub__look") == "Look at it: Ship it"


def test_L8_a_missing_input_stops_the_run_before_anything_is_made(opened: Project) -> None:
    with pytest.raises(UsageError, match="missing input ticket"):
        run(opened)
    with pytest.raises(UsageError, match="unknown input 'tiket'"):
        run(opened, tiket="A-1")
    assert not opened.runs_dir.exists()


def test_L8_a_missing_file_is_an_error_at_the_attribute(opened: Project) -> None:
    (opened.root / "prompts" / "plan.md").unlink()
    with pytest.raises(ValidationError, match=r"pipeline\.dot:6:.*plan\.md"):
        run(opened, ticket="A-1")


def parked(opened: Project) -> Path:
    asked = replace(options(opened, ticket="A-1"), interviewer="park")
    return asyncio.run(start(asked, opened)).directory


def test_L8_a_resumed_run_has_the_files_it_began_with(opened: Project) -> None:
    root = parked(opened)
    for name in ("prompts", "parts"):
        (opened.root / name).rename(opened.root / f"{name}-gone")
    (opened.root / "pipeline.dot").unlink()
    result = asyncio.run(resume(root, opened, Overrides(interviewer="auto_approve")))
    assert prompt(result, "sub__look") == "Look at it: Ship it"


def test_L8_a_changed_prompt_is_a_changed_pipeline(opened: Project) -> None:
    root = parked(opened)
    (opened.root / "parts" / "look.md").write_text("Look elsewhere")
    with pytest.raises(GraphChanged):
        asyncio.run(resume(root, opened, Overrides(interviewer="auto_approve")))


def test_L8_a_file_of_a_run_that_was_changed_there_is_found(opened: Project) -> None:
    root = parked(opened)
    kept = root / "graph.files.json"
    kept.write_text(kept.read_text().replace("prompts/plan.md", "prompts/plam.md"))
    with pytest.raises(VerificationError):
        asyncio.run(resume(root, opened, Overrides(interviewer="auto_approve")))
