"""Coding-agent-loop 9.10, each line on every wire over HTTP."""

from pathlib import Path

import pytest

from attractor.agent.events import EventKind, SessionConfig
from tests.agent.twinned import WIRES, Talk, says, submit, talk, use, uses

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
    (end,) = done.data_of(EventKind.TOOL_CALL_END)
    assert str(end["output"]).count("y\n") == 40_000


def test_9_10_text_and_output_arrive_in_deltas(tmp_path: Path, wire: str) -> None:
    answers = [uses(use("shell", {"command": "echo one; sleep 0.2; echo two"})), says("All done.")]
    done = talk(tmp_path, wire, answers, submit("Go"))
    texts = [str(one["delta"]) for one in done.data_of(EventKind.ASSISTANT_TEXT_DELTA)]
    assert "".join(texts) == "All done."
    output = [str(one["delta"]) for one in done.data_of(EventKind.TOOL_CALL_OUTPUT_DELTA)]
    assert "".join(output) == "one\ntwo\n"
    assert len(output) > 1


def test_9_10_events_are_an_async_iterator(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        kinds = [event.kind async for event in talk.session.stream("Go")]
        assert kinds[0] is EventKind.USER_INPUT
        assert kinds[-1] is EventKind.PROCESSING_END
        assert EventKind.ASSISTANT_TEXT_DELTA in kinds

    talk(tmp_path, wire, [says("Hello.")], work)
