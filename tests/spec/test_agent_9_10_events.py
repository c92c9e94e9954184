"""Coding-agent-loop 9.10; delivery as a stream is in tests/agent/test_session.py."""

from pathlib import Path

import pytest

from attractor.agent.session_state import EventKind, SessionConfig
from tests.agent.twinned import WIRES, Talk, says, talk, use, uses

pytestmark = pytest.mark.parametrize("wire", WIRES)


def test_9_10_events_are_bracketed_by_start_and_end(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        talk.session.steer("Hurry")
        await talk.session.submit("Go")

    glob = uses(use("glob", {"pattern": "*"}))
    config = SessionConfig(loop_detection_window=2, max_tool_rounds_per_input=2)
    done = talk(tmp_path, wire, [glob, glob, says("never")], work, config=config)
    round_ = ["ASSISTANT_TEXT_START", "ASSISTANT_TEXT_END", "TOOL_CALL_START", "TOOL_CALL_END"]
    assert [kind.value for kind in done.kinds] == [
        "SESSION_START",
        "USER_INPUT",
        "STEERING_INJECTED",
        *round_,
        *round_,
        "LOOP_DETECTION",
        "TURN_LIMIT",
        "PROCESSING_END",
        "SESSION_END",
    ]
    times = [event.timestamp for event in done.events]
    assert times == sorted(times)


def test_9_10_tool_call_end_carries_the_whole_output(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        await talk.session.submit("Go")

    many = use("shell", {"command": "yes | head -n 40000"})
    done = talk(tmp_path, wire, [uses(many), says("ok")], work)
    (end,) = done.told(EventKind.TOOL_CALL_END)
    assert str(end["output"]).count("y\n") == 40_000
