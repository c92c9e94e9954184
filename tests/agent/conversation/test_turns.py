from datetime import UTC, datetime

from attractor.agent.conversation.turns import (
    AssistantTurn,
    SteeringTurn,
    SystemTurn,
    ToolResultsTurn,
    Turn,
    UserTurn,
    convert_history_to_messages,
    size_of,
    tool_call_signatures,
)
from attractor.llm.messages import Message, Role
from attractor.llm.request import ToolResult
from attractor.llm.response import FinishReason, Response, Usage
from tests.agent.scripted import called, calls, said

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def assistant(message: Message) -> AssistantTurn:
    response = Response("r", "m", "p", message, FinishReason("stop"), Usage(1, 2))
    return AssistantTurn.from_response(response, NOW)


def test_every_turn_becomes_a_message() -> None:
    results = ToolResultsTurn((ToolResult("c1", "out"), ToolResult("c2", "bad", True)), NOW)
    history: list[Turn] = [
        UserTurn("do", NOW),
        SystemTurn("rules", NOW),
        assistant(calls(called("glob", {}, id="c1"), text="I look")),
        results,
        SteeringTurn("hurry", NOW),
        assistant(said("")),
    ]
    messages = convert_history_to_messages(history)
    assert [message.role for message in messages] == [
        Role.USER,
        Role.DEVELOPER,
        Role.ASSISTANT,
        Role.TOOL,
        Role.TOOL,
        Role.USER,
    ]
    failed = messages[4].content[0].tool_result
    assert failed is not None
    assert (failed.tool_call_id, failed.is_error) == ("c2", True)


def test_signatures_are_the_last_calls_in_order() -> None:
    history: list[Turn] = [
        assistant(calls(called("a", {"x": 1, "y": 2}), called("b", {}))),
        UserTurn("more", NOW),
        assistant(calls(called("a", '{"y": 2, "x": 1}'), called("c", "{"))),
    ]
    found = tool_call_signatures(history, last=3)
    assert [one.split(" ", 1)[0] for one in found] == ["b", "a", "c"]
    assert found[1] == tool_call_signatures(history, last=4)[0]
    assert tool_call_signatures([], last=3) == []


def test_size_counts_the_content_for_the_model() -> None:
    assert size_of(UserTurn("12345", NOW)) == 5
    assert size_of(ToolResultsTurn((ToolResult("c", "123"), ToolResult("d", "4")), NOW)) == 4
    assert size_of(assistant(calls(called("ab", {}), text="123"))) == 3 + len("ab {}")
