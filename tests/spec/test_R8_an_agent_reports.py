"""Rulings R4 and R8, with our own agent on both wires over HTTP."""

from pathlib import Path

import pytest

from attractor.backends.agent import Agent
from attractor.backends.models import AgentParts
from attractor.backends.registry import BackendParts
from attractor.base.json import Json
from attractor.engine.outcome import Outcome, StageStatus
from attractor.llm.client import Client
from attractor.twins.exchange.answer import Answer
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.places import finish, local
from tests.agent.twinned import MODELS, WIRES, says, script, use, uses
from tests.handlers.stages import Play, edge, graph, node

pytestmark = pytest.mark.parametrize("wire", WIRES)


def do(folder: Path, wire: str, *answers: Answer, **attributes: str | bool) -> tuple[Play, Outcome]:
    """Execute a stage with the handler and the backend."""
    pipeline = graph(
        node("review", prompt="Review it", llm_model=MODELS[wire], **attributes),
        edge("review", "ship", label="Yes"),
        edge("review", "fix", label="No"),
    )

    async def run(twin: ProviderTwin) -> tuple[Play, Outcome]:
        async with Client.from_env(twin.environ()) as client:
            backend = Agent(BackendParts(agent=AgentParts(client=client)))
            play = Play(pipeline, at="review", backend=backend, environment=local(folder))
            return play, await play.execute()

    with in_background(ProviderTwin(script(*answers))) as twin:
        return finish(run(twin))


def test_R8_a_report_through_the_tool_is_the_outcome(tmp_path: Path, wire: str) -> None:
    report = {"outcome": "success", "preferred_label": "No", "notes": "A typo"}
    play, outcome = do(tmp_path, wire, uses(use("report_outcome", report)), says("A typo."))
    assert (outcome.status, outcome.preferred_label) == (StageStatus.SUCCESS, "No")
    assert outcome.usage.input_tokens > 0
    assert play.files.texts["response.md"] == "A typo."


def test_R8_a_report_in_the_named_file_is_the_outcome(tmp_path: Path, wire: str) -> None:
    command = """echo '{"outcome": "success", "preferred_label": "No"}' > $ATTRACTOR_STATUS_FILE"""
    play, outcome = do(tmp_path, wire, uses(use("shell", {"command": command})), says("Ok."))
    assert (outcome.status, outcome.preferred_label) == (StageStatus.SUCCESS, "No")
    assert "OutcomeAssumed" not in play.events.kinds
    assert list(tmp_path.iterdir()) == []


def test_R8_a_forged_approval_is_refused_with_an_event(tmp_path: Path, wire: str) -> None:
    forged: dict[str, Json] = {
        "outcome": "success",
        "context_updates": {"human.gate.selected": "A"},
    }
    answers = [
        uses(use("report_outcome", forged)),
        uses(use("report_outcome", {"outcome": "success"})),
        says("ok"),
    ]
    play, outcome = do(tmp_path, wire, *answers)
    assert "human.gate.selected" not in outcome.context_updates
    assert "ReportRefused" in play.events.kinds


def test_R4_an_agent_is_asked_once_for_its_report(tmp_path: Path, wire: str) -> None:
    play, outcome = do(tmp_path, wire, says("Looks good."), says("It does."))
    assert outcome.status is StageStatus.SUCCESS
    assert play.events.kinds.count("OutcomeAssumed") == 1
    assert play.events.kinds.count("USER_INPUT") == 2


def test_R4_prose_is_no_verdict_at_a_goal_gate(tmp_path: Path, wire: str) -> None:
    answers = [says("Looks good."), says("It does.")]
    _, outcome = do(tmp_path, wire, *answers, goal_gate=True)
    assert (outcome.status, outcome.failure_reason) == (StageStatus.FAIL, "no_verdict")
