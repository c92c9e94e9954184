"""Ruling R11: on resume a conversation is lost, or restored from its file if requested."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor import resume_pipeline_sync
from attractor.twins.exchange.answer import Answer
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import MODELS, WIRES, says, use, uses
from tests.cli.plain_desk import PlainDesk
from tests.counts import count
from tests.patience import PATIENCE_S, wait_until

# The tool waits for a file: between the two stages the process is killed.
PIPELINE = """digraph thread {
    default_fidelity = full
    start [shape=Mdiamond]
    exit  [shape=Msquare]
    plan  [prompt="Plan the bridge", thread_id=bridge]
    hold  [shape=parallelogram, tool_command="touch held; until test -f go; do sleep 0.05; done"]
    build [prompt="Build the bridge", thread_id=bridge]
    start -> plan -> hold -> build -> exit
}"""
LOOKS = uses(use("shell", {"command": "echo oak-and-iron"}), text="I look what there is.")
REPORTS = uses(use("report_outcome", {"outcome": "success", "notes": "planned"}))
DONE = uses(use("report_outcome", {"outcome": "success", "notes": "built"}))
RULES = (
    Rule(
        when=When(last_user="Build the bridge", tool_result="accepted"), answer=says("It stands.")
    ),
    Rule(when=When(last_user="Build the bridge"), answer=DONE),
    Rule(
        when=When(last_user="Plan the bridge", step=0),
        answer=Answer(thinking="Oak?", text=LOOKS.text, tool_calls=LOOKS.tool_calls),
    ),
    Rule(when=When(last_user="Plan the bridge", step=1), answer=REPORTS),
    Rule(when=When(last_user="Plan the bridge", step=2), answer=says("Three arches.")),
)


class TwinDesk(PlainDesk):
    """A folder whose pipelines talk to a twin over HTTP."""

    twin: ProviderTwin

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.twin.environ()}

    def asked(self, words: str) -> str:
        """Return the first request that contains these words."""
        bodies = [json.dumps(one.body) for one in self.twin.requests]
        return next(body for body in bodies if words in body)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[TwinDesk]:
    with in_background(ProviderTwin(Script(rules=RULES))) as twin:
        desk = TwinDesk(tmp_path)
        desk.twin = twin
        yield desk
        desk.end()


def killed_between(desk: TwinDesk, wire: str) -> None:
    """Run the pipeline, and kill its process between the two stages of its thread."""
    desk.write(PIPELINE)
    words = ("--sandbox", "none", "--workspace", "none", "--no-evaluate")
    process = desk.begin("run", "pipeline.dot", "--model", MODELS[wire], "--provider", wire, *words)
    wait_until(lambda: (desk.folder / "held").exists())
    process.kill()
    process.wait(PATIENCE_S)
    (desk.folder / "go").touch()


def resume_run(desk: TwinDesk, *words: str) -> Sequence[dict[str, Any]]:
    """Resume the run to its end, and return its notes about threads."""
    done = desk.do("resume", "latest", "--no-evaluate", *words)
    assert "success" in done.stderr + done.stdout, done.stderr
    return desk.events("FidelityDegraded", "ThreadRestored", "ThreadContinued")


@pytest.mark.crash
# A summary is text, on every wire.
@pytest.mark.parametrize("wire", WIRES[: count(ci=1, full=len(WIRES))])
def test_R11_next_stage_gets_a_summary_by_default(desk: TwinDesk, wire: str) -> None:
    killed_between(desk, wire)
    [event] = resume_run(desk)
    assert (event["type"], event["node"]) == ("FidelityDegraded", "build")
    asked = desk.asked("Build the bridge")
    assert "# Earlier stages" in asked
    assert "- plan (success)" in asked
    assert "I look what there is." not in asked


@pytest.mark.crash
@pytest.mark.parametrize("wire", WIRES)
def test_R11_restored_session_continues_the_conversation(desk: TwinDesk, wire: str) -> None:
    killed_between(desk, wire)
    [event] = resume_run(desk, "--restore-sessions")
    assert (event["type"], event["node"]) == ("ThreadRestored", "build")
    assert event["data"] == {"thread": "bridge", "stages": 1, "last": "plan@1.1"}
    asked = desk.asked("Build the bridge")
    said = ["Plan the bridge", "I look what there is.", "oak-and-iron", "Three arches."]
    assert [words for words in said if words not in asked] == []
    assert "Stages so far" not in asked


@pytest.mark.crash
def test_R11_programs_can_restore_sessions(desk: TwinDesk) -> None:
    killed_between(desk, "openai")
    resume_pipeline_sync(
        "latest",
        restore_sessions=True,
        evaluate=False,
        project=desk.folder,
        environ=desk.environ,
    )
    [event] = desk.events("FidelityDegraded", "ThreadRestored", "ThreadContinued")
    assert (event["type"], event["node"]) == ("ThreadRestored", "build")
    assert "Three arches." in desk.asked("Build the bridge")


@pytest.mark.crash
@pytest.mark.parametrize("damage", ["missing", "damaged", "changed"])
def test_R11_an_unrestorable_conversation_is_summarized(desk: TwinDesk, damage: str) -> None:
    killed_between(desk, "openai")
    [kept] = desk.folder.glob("runs/*/plan/conversation.jsonl")
    lines = kept.read_bytes().splitlines(keepends=True)
    if damage == "missing":
        kept.unlink()
    else:
        kept.write_bytes(
            b"".join(lines)[:-9] + b"\n" if damage == "damaged" else b"".join(lines[1:])
        )
    [event] = resume_run(desk, "--restore-sessions")
    assert (event["type"], event["node"]) == ("FidelityDegraded", "build")
    assert "cannot be restored" in event["data"]["reason"]
    assert "conversation.jsonl" in event["data"]["reason"]
    assert "- plan (success)" in desk.asked("Build the bridge")
