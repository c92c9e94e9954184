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
from attractor.pipeline.host.run_host import RunHost
from attractor.records.request import Overrides, RunRequest, WorkspaceKind
from tests.pipeline.projects import make_host, make_project, simulated, start

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
def host(tmp_path: Path) -> RunHost:
    return make_host(make_project(tmp_path / "project", PIPELINE, **FILES))


def options(host: RunHost, **inputs: str) -> RunRequest:
    return simulated(
        host.project, inputs=inputs, workspace=WorkspaceKind.NONE, interviewer="auto_approve"
    )


def run(host: RunHost, **inputs: str) -> RunResult:
    return asyncio.run(start(options(host, **inputs), host))


def prompt(result: RunResult, node: str) -> str:
    asked = (result.directory / node / "prompt.md").read_text()
    # The preamble is before it.
    return asked.rpartition(f"{TASK}\n\n")[2]


def test_L8_prompts_come_from_files_with_goal_and_inputs(host: RunHost) -> None:
    result = run(host, ticket="A-1")
    assert prompt(result, "plan") == "Plan A-1 on main: Ship it\n"
    assert prompt(result, "work") == "Ship it A-1 after plan\n"
    assert prompt(result, "sub__look") == "Look at it: Ship it"


def test_L8_a_missing_input_stops_the_run_before_anything_is_made(host: RunHost) -> None:
    with pytest.raises(UsageError, match="missing input ticket"):
        run(host)
    with pytest.raises(UsageError, match="unknown input 'tiket'"):
        run(host, tiket="A-1")
    assert not host.runs_dir.exists()


def test_L8_a_missing_file_is_an_error_at_the_attribute(host: RunHost) -> None:
    (host.project / "prompts" / "plan.md").unlink()
    with pytest.raises(ValidationError, match=r"pipeline\.dot:6:.*plan\.md"):
        run(host, ticket="A-1")


def parked(host: RunHost) -> Path:
    asked = replace(options(host, ticket="A-1"), interviewer="park")
    return asyncio.run(start(asked, host)).directory


def test_L8_a_resumed_run_has_the_files_it_began_with(host: RunHost) -> None:
    root = parked(host)
    for name in ("prompts", "parts"):
        (host.project / name).rename(host.project / f"{name}-gone")
    (host.project / "pipeline.dot").unlink()
    result = asyncio.run(resume(root, host, Overrides(interviewer="auto_approve")))
    assert prompt(result, "sub__look") == "Look at it: Ship it"


def test_L8_a_changed_prompt_is_a_changed_pipeline(host: RunHost) -> None:
    root = parked(host)
    (host.project / "parts" / "look.md").write_text("Look elsewhere")
    with pytest.raises(GraphChanged):
        asyncio.run(resume(root, host, Overrides(interviewer="auto_approve")))


def test_L8_a_file_of_a_run_that_was_changed_there_is_found(host: RunHost) -> None:
    root = parked(host)
    kept = root / "graph.files.json"
    kept.write_text(kept.read_text().replace("prompts/plan.md", "prompts/plam.md"))
    with pytest.raises(VerificationError):
        asyncio.run(resume(root, host, Overrides(interviewer="auto_approve")))
