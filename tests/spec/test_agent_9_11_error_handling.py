"""Coding-agent-loop 9.11, each line on both wires over HTTP."""

import asyncio
import os
from pathlib import Path

import pytest

from attractor.agent.conversation.session import SessionState
from attractor.agent.events import EventKind, SessionConfig
from attractor.llm.errors import AuthenticationError, ContextLengthError
from attractor.llm.retry_policy import RetryPolicy
from attractor.twins.exchange.answer import Answer, Fault, FaultKind
from attractor.twins.script.script import Rule, Script, When
from tests.agent.twinned import WIRES, Talk, says, submit, talk, talk_by, use, uses
from tests.patience import until

pytestmark = pytest.mark.parametrize("wire", WIRES)


def refused(status: int, message: str = "no", code: str | None = None) -> Answer:
    return Answer(fault=Fault(kind=FaultKind.STATUS, status=status, message=message, code=code))


def test_9_11_the_model_can_recover_from_a_tools_error(tmp_path: Path, wire: str) -> None:
    (tmp_path / "right").write_text("found")
    answers = [
        uses(use("read_file", {"file_path": "wrong"})),
        uses(use("read_file", {"file_path": "right"})),
        says("It says: found"),
    ]
    done = talk(tmp_path, wire, answers, submit("Read"))
    assert ["error" in one for one in done.data_of(EventKind.TOOL_CALL_END)] == [True, False]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_9_11_passing_trouble_is_tried_again(tmp_path: Path, wire: str, status: int) -> None:
    async def work(talk: Talk) -> None:
        with pytest.raises(Exception, match=str(status)):
            await talk.session.submit("Go")

    quick = SessionConfig(retry_policy=RetryPolicy(max_retries=2, base_delay=0.001))
    done = talk(tmp_path, wire, [refused(status)], work, config=quick)
    assert len(done.twin.requests) == 3


def test_9_11_a_refused_key_surfaces_at_once_and_closes(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        with pytest.raises(AuthenticationError):
            await talk.session.submit("Go")
        assert talk.session.state is SessionState.CLOSED

    done = talk(tmp_path, wire, [refused(401)], work)
    assert len(done.twin.requests) == 1
    assert done.kinds[-2:] == [EventKind.ERROR, EventKind.SESSION_END]


def test_9_11_a_full_context_window_is_a_warning(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        with pytest.raises(ContextLengthError):
            await talk.session.submit("Go")
        assert talk.session.state is SessionState.IDLE

    done = talk(tmp_path, wire, [refused(400, "prompt is too long")], work)
    assert len(done.data_of(EventKind.WARNING)) == 1


def test_9_11_a_shutdown_kills_commands_then_ends_the_session(tmp_path: Path, wire: str) -> None:
    command = "echo $$ > pid; exec sleep 600"
    answers = [uses(use("shell", {"command": command, "timeout_ms": 600_000})), says("never")]

    async def work(talk: Talk) -> None:
        task = asyncio.create_task(talk.session.submit("Wait"))
        pid = tmp_path / "pid"
        await until(lambda: pid.exists() and pid.read_text().strip())
        talk.session.abort()
        await task
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)
        assert talk.kinds[-1] is EventKind.SESSION_END
        assert talk.session.state is SessionState.CLOSED

    done = talk(tmp_path, wire, answers, work)
    assert done.data_of(EventKind.SESSION_END) == [{"state": "CLOSED", "aborted": True}]
    assert len(done.twin.requests) == 1


def test_9_11_a_shutdown_while_idle_ends_the_session(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        await talk.session.submit("Go")
        talk.session.abort()
        assert talk.kinds[-1] is EventKind.SESSION_END

    talk(tmp_path, wire, [says("ok")], work)


def test_9_11_an_answer_that_breaks_off_is_asked_for_again(tmp_path: Path, wire: str) -> None:
    cut = Answer(text="Half of the words", fault=Fault(kind=FaultKind.CUT, after=2))
    rules = (Rule(when=When(attempt=1), answer=cut), Rule(answer=says("All of it.")))
    quick = SessionConfig(retry_policy=RetryPolicy(base_delay=0.001, jitter=False))
    done = talk_by(tmp_path, wire, Script(rules=rules), submit("Go"), config=quick)
    assert [str(one["text"]) for one in done.data_of(EventKind.ASSISTANT_TEXT_END)] == [
        "All of it."
    ]
    assert len(done.data_of(EventKind.WARNING)) == 1
