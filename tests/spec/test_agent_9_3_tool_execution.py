"""Coding-agent-loop 9.3, each line on both wires over HTTP."""

import asyncio
from pathlib import Path

import pytest

from attractor.agent.conversation.turns import ToolResultsTurn
from attractor.agent.events import EventKind
from attractor.agent.tool_calls.tool import RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment
from attractor.twins.exchange.answer import ToolUse
from tests.agent.twinned import WIRES, Talk, says, submit, talk, use, uses

pytestmark = pytest.mark.parametrize("wire", WIRES)


def results(done: Talk) -> list[tuple[str, bool]]:
    turns = [turn for turn in done.session.history if isinstance(turn, ToolResultsTurn)]
    return [(str(one.content), one.is_error) for turn in turns for one in turn.results]


def test_9_3_calls_go_through_the_registry(tmp_path: Path, wire: str) -> None:
    answers = [uses(use("write_file", {"file_path": "a", "content": "x"})), says("ok")]
    done = talk(tmp_path, wire, answers, submit("Go"))
    assert results(done) == [("Wrote 1 bytes to a", False)]


def test_9_3_an_unknown_tool_is_an_error_result(tmp_path: Path, wire: str) -> None:
    done = talk(tmp_path, wire, [uses(use("dig")), says("I see")], submit("Go"))
    ((message, is_error),) = results(done)
    assert message.startswith("Unknown tool: dig")
    assert is_error
    assert "Unknown tool: dig" in done.last_request


def test_9_3_arguments_are_parsed_and_validated(tmp_path: Path, wire: str) -> None:
    wrong = uses(
        use("read_file", {"file_path": "a", "limit": "ten"}),
        ToolUse(name="read_file", raw_arguments='{"file_path": ')
        if wire == "openai"
        else use("read_file"),
    )
    done = talk(tmp_path, wire, [wrong, says("I see")], submit("Go"))
    assert [message.splitlines()[0] for message, _ in results(done)] == [
        "Invalid arguments for tool: read_file"
    ] * 2
    assert "limit must be integer, not string" in done.last_request


def test_9_3_errors_of_tools_become_error_results(tmp_path: Path, wire: str) -> None:
    done = talk(
        tmp_path, wire, [uses(use("read_file", {"file_path": "gone"})), says("I see")], submit("Go")
    )
    ((message, is_error),) = results(done)
    assert message.startswith("Tool error (read_file): ")
    assert is_error
    assert done.data_of(EventKind.TOOL_CALL_END)[0]["error"] == message


def test_9_3_tools_run_in_parallel(tmp_path: Path, wire: str) -> None:
    met = asyncio.Barrier(3)

    async def meet(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        await met.wait()
        return "met"

    async def work(talk: Talk) -> None:
        assert talk.session.profile.traits.supports_parallel_tool_calls
        definition = define("meet", "Waits for the others.", {}, required=[])
        talk.session.profile.tool_registry.register(RegisteredTool(definition, meet))
        await talk.session.submit("Go")

    done = talk(tmp_path, wire, [uses(use("meet"), use("meet"), use("meet")), says("ok")], work)
    assert results(done) == [("met", False)] * 3
