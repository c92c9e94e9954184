"""Ruling R13: a supervised child is a linked run, is observed by its events, and gets messages."""

import asyncio
import json
from pathlib import Path

from attractor.engine.outcome import StageStatus
from attractor.engine.run_folder.layout import RunDirectory, read_manifest
from attractor.engine.run_folder.result import RunResult
from attractor.records.request import RunRequest
from attractor.twins.script.script import Regex, Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, says, use, uses
from tests.engine.runs import read_events
from tests.patience import PATIENCE_S
from tests.pipeline.projects import adjusted, make_project, open_project, simulated, start

ENDS = "start [shape=Mdiamond]; exit [shape=Msquare]"
OUTER = f"""digraph outer {{ {ENDS}
    graph ["stack.child_dotfile"="inner.dot"]
    watch [
        shape=house,
        prompt="Look after it",
        "manager.actions"="observe,steer,wait",
        "manager.poll_interval"="50ms"
    ]
    start -> watch -> exit }}
"""
INNER = f'digraph inner {{ {ENDS}; build [prompt="Build it"]; start -> build -> exit }}'
WORDS = "Indent with tabs"
SCRIPT = Script(
    rules=(
        Rule(
            when=When(first_user=Regex(regex="^Look after it")),
            answer=says(WORDS),
        ),
        Rule(when=When(tool_result=Regex(regex="^Recorded")), answer=says("Built with tabs.")),
        Rule(
            when=When(last_user=Regex(regex=WORDS)),
            answer=uses(use("report_outcome", {"outcome": "success", "notes": "heard"})),
        ),
        # The agent works until it gets a message.
        Rule(answer=uses(use("shell", {"command": "sleep 0.1"}))),
    )
)


def test_R13_two_managers_supervise_two_children(tmp_path: Path) -> None:
    both = "".join(
        f'{one} [shape=house, "stack.child_dotfile"="{one}.dot", "manager.poll_interval"="50ms"];'
        for one in ("first", "second")
    )
    text = f"digraph outer {{ {ENDS}; {both} start -> first -> second -> exit }}"
    children = {f"{one}.dot": INNER.replace("inner", one) for one in ("first", "second")}
    project = make_project(tmp_path / "project", text, **children)
    result = asyncio.run(start(simulated(project), open_project(project)))
    assert result.outcome is StageStatus.SUCCESS
    folders = [result.directory / "children" / f"{one}@1.1" for one in ("first", "second")]
    names = [read_manifest(RunDirectory(one)).pipeline for one in folders]
    assert names == ["first", "second"]


def run(tmp_path: Path) -> tuple[RunResult, Path]:
    """Run it with a twin of the provider; return the result and the directory of the child."""
    project = make_project(tmp_path / "project", OUTER, **{"inner.dot": INNER})
    options = RunRequest(file=project / "pipeline.dot", sandbox="none", model=MODELS["openai"])
    with in_background(ProviderTwin(SCRIPT)) as twin:
        opened = open_project(project)
        opened = adjusted(opened, environ={**opened.machine.environ, **twin.environ()})
        result = asyncio.run(asyncio.wait_for(start(options, opened), PATIENCE_S))
    return result, result.directory / "children" / "watch@1.1"


def test_R13_steering_reaches_the_session_of_the_child(tmp_path: Path) -> None:
    result, child = run(tmp_path)
    assert result.outcome is StageStatus.SUCCESS
    status = json.loads((child / "build" / "status.json").read_text())
    assert status["notes"] == "heard"
    assert (child / "build" / "steering.md").read_text().splitlines()[0] == WORDS
    transcript = (child / "build" / "transcript.jsonl").read_text()
    assert WORDS in transcript
    steered = [one for one in read_events(result.directory) if one.type == "ChildSteered"]
    assert steered[0].data == {"text": WORDS, "was_taken": True}
    orders = [one.data for one in read_events(child) if one.type == "OperatorAction"]
    assert (orders[0]["action"], orders[0]["by"]) == ("steer", "watch@1.1")


def test_R13_the_child_is_a_linked_run_and_telemetry_comes_from_its_events(tmp_path: Path) -> None:
    result, child = run(tmp_path)
    manifest = read_manifest(RunDirectory(child))
    assert manifest.parent == result.run_id
    seen = [
        one.data["child"] for one in read_events(result.directory) if one.type == "ChildObserved"
    ]
    assert {"build"} <= {str(one["node"]) for one in seen if isinstance(one, dict)}
    updates = json.loads((result.directory / "watch" / "status.json").read_text())
    found = updates["context_updates"]
    assert found["stack.child.run_id"] == manifest.run_id
    assert (found["stack.child.status"], found["stack.child.completed"]) == ("completed", 2)
    assert found["stack.child.last_response"] == "Built with tabs."
    # The usage of the child and that of the supervising calls are counted once each.
    of_child = json.loads((child / "final.json").read_text())["usage"]
    whole = json.loads((result.directory / "final.json").read_text())["usage"]
    asked = len([one for one in read_events(result.directory) if one.type == "ChildSteered"])
    assert whole["input_tokens"] > of_child["input_tokens"] > 0
    assert updates["usage"] == whole
    assert asked >= 1
