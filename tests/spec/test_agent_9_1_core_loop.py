"""Coding-agent-loop 9.1, each line on both wires over HTTP."""

import asyncio
import os
from pathlib import Path

import pytest

from attractor.agent.conversation.loop import Stop
from attractor.agent.conversation.session import SessionState
from attractor.agent.conversation.turns import SteeringTurn
from attractor.agent.events import EventKind, SessionConfig
from attractor.twins.exchange.answer import Answer, Tokens
from tests.agent.twinned import WIRES, Talk, says, submit, talk, use, uses
from tests.patience import until

pytestmark = pytest.mark.parametrize("wire", WIRES)


def test_9_1_a_session_has_profile_and_environment(tmp_path: Path, wire: str) -> None:
    done = talk(tmp_path, wire, [], submit())
    assert done.session.profile.id == wire
    assert done.kinds == [EventKind.SESSION_START, EventKind.SESSION_END]


def test_9_1_process_input_runs_until_natural_completion(tmp_path: Path, wire: str) -> None:
    answers = [
        uses(use("write_file", {"file_path": "a", "content": "one\n"})),
        uses(use("read_file", {"file_path": "a"})),
        says("It holds one line."),
    ]

    async def work(talk: Talk) -> None:
        ending = await talk.session.submit("Write a file")
        assert (ending.stop, ending.text) == (Stop.COMPLETED, "It holds one line.")

    done = talk(tmp_path, wire, answers, work)
    assert (tmp_path / "a").read_text() == "one\n"
    assert "1 | one" in done.last_request
    assert len(done.twin.requests) == 3


def test_9_1_text_alone_is_natural_completion(tmp_path: Path, wire: str) -> None:
    done = talk(tmp_path, wire, [says("Hello.")], submit("Hello"))
    assert len(done.twin.requests) == 1
    assert done.data_of(EventKind.PROCESSING_END) == [{"reason": "completed", "state": "IDLE"}]


def test_9_1_a_round_limit_stops_the_loop(tmp_path: Path, wire: str) -> None:
    answers = [uses(use("glob", {"pattern": str(n)})) for n in range(5)]
    config = SessionConfig(max_tool_rounds_per_input=2)
    done = talk(tmp_path, wire, answers, submit("Look"), config=config)
    assert len(done.twin.requests) == 2
    assert done.data_of(EventKind.TURN_LIMIT) == [{"round": 2}]


def test_9_1_a_turn_limit_stops_the_loop_across_inputs(tmp_path: Path, wire: str) -> None:
    answers = [says("one"), uses(use("glob", {"pattern": "*"})), says("never")]
    done = talk(tmp_path, wire, answers, submit("a", "b"), config=SessionConfig(max_turns=2))
    assert len(done.twin.requests) == 2
    assert done.data_of(EventKind.TURN_LIMIT) == [{"total_turns": 2}]


def test_9_1_an_abort_stops_the_loop_kills_commands_and_closes(tmp_path: Path, wire: str) -> None:
    command = "echo $$ > pid; exec sleep 600"
    answers = [uses(use("shell", {"command": command, "timeout_ms": 600_000}))]

    async def work(talk: Talk) -> None:
        task = asyncio.create_task(talk.session.submit("Wait"))
        pid = tmp_path / "pid"
        await until(lambda: pid.exists() and pid.read_text().strip())
        talk.session.abort()
        assert (await task).stop is Stop.ABORTED

    done = talk(tmp_path, wire, answers, work)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert done.session.state is SessionState.CLOSED


def test_9_1_a_repeated_pattern_of_calls_is_warned_of(tmp_path: Path, wire: str) -> None:
    same = uses(use("glob", {"pattern": "*"}))
    config = SessionConfig(loop_detection_window=3)
    done = talk(tmp_path, wire, [same, same, same, says("ok")], submit("Look"), config=config)
    warnings = [turn.content for turn in done.session.history if isinstance(turn, SteeringTurn)]
    assert len(warnings) == 1
    assert warnings[0] in done.last_request
    assert EventKind.LOOP_DETECTION in done.kinds


def test_9_1_one_input_after_the_other_works(tmp_path: Path, wire: str) -> None:
    done = talk(tmp_path, wire, [says("one"), says("two")], submit("first", "second"))
    assert all(word in done.last_request for word in ("first", "one", "second"))
    assert done.kinds.count(EventKind.PROCESSING_END) == 2


def test_9_1_a_budget_counts_cached_tokens(tmp_path: Path, wire: str) -> None:
    used = Tokens(input=1_000, output=10, cache_read=900)
    answers = [Answer(tool_calls=(use("glob", {"pattern": str(n)}),), usage=used) for n in range(9)]
    config = SessionConfig(max_tokens=2_000)
    done = talk(tmp_path, wire, answers, submit("Look"), config=config)
    assert len(done.twin.requests) == 2
    assert done.data_of(EventKind.PROCESSING_END)[-1]["reason"] == "budget"
