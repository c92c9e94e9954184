"""Coding-agent-loop 9.6, each line on both wires over HTTP."""

from pathlib import Path

import pytest

from attractor.agent.conversation.turns import SteeringTurn, UserTurn
from attractor.agent.tool_calls.tool import RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment
from tests.agent.twinned import WIRES, Talk, says, talk, use, uses

pytestmark = pytest.mark.parametrize("wire", WIRES)


async def steered(talk: Talk) -> None:
    async def work(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        talk.session.steer("Only one endpoint, please")
        return "worked"

    definition = define("work", "Works.", {}, required=[])
    talk.session.profile.tool_registry.register(RegisteredTool(definition, work))
    await talk.session.submit("Write an application")


def test_9_6_steering_is_injected_after_the_round(tmp_path: Path, wire: str) -> None:
    done = talk(tmp_path, wire, [uses(use("work")), says("ok")], steered)
    assert [type(turn).__name__ for turn in done.session.history] == [
        "UserTurn",
        "AssistantTurn",
        "ToolResultsTurn",
        "SteeringTurn",
        "AssistantTurn",
    ]
    assert "Only one endpoint" not in str(done.twin.requests[0].body)
    assert "Only one endpoint" in done.last_request


def test_9_6_steering_is_a_separate_turn(tmp_path: Path, wire: str) -> None:
    done = talk(tmp_path, wire, [uses(use("work")), says("ok")], steered)
    turns = [turn for turn in done.session.history if isinstance(turn, SteeringTurn)]
    assert [turn.content for turn in turns] == ["Only one endpoint, please"]


def test_9_6_a_follow_up_is_worked_on_when_the_input_is_done(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        talk.session.follow_up("And now the tests")
        assert (await talk.session.submit("Write it")).text == "Tested."

    done = talk(tmp_path, wire, [says("Written."), says("Tested.")], work)
    turns = [turn.content for turn in done.session.history if isinstance(turn, UserTurn)]
    assert turns == ["Write it", "And now the tests"]
