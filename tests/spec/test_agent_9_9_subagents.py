"""Coding-agent-loop 9.9, each line on every wire over HTTP."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from attractor.agent.conversation.turns import UserTurn
from attractor.agent.events import EventKind, SessionConfig
from attractor.twins.exchange.answer import Answer, Tokens
from attractor.twins.script.script import Rule, Script, When
from tests.agent.twinned import WIRES, Talk, says, submit, talk_by, use, uses

pytestmark = pytest.mark.parametrize("wire", WIRES)


def scene(prompt: str, *answers: Answer) -> Sequence[Rule]:
    """Answer a conversation that begins with a prompt, step by step."""
    return [
        Rule(when=When(first_user=prompt, step=step), answer=answer)
        for step, answer in enumerate(answers)
    ]


SPAWN = uses(use("spawn_agent", {"task": "CHILD: write a.txt", "working_dir": "sub"}))
WAIT = uses(use("wait", {"agent_id": "agent_1"}))
CHILD = (uses(use("write_file", {"file_path": "a.txt", "content": "x"})), says("Wrote it."))


def run(folder: Path, wire: str, parent: Sequence[Answer], child: Sequence[Answer]) -> Talk:
    (folder / "sub").mkdir()
    rules = (*scene("CHILD", *child), *scene("PARENT", *parent))
    return talk_by(folder, wire, Script(rules=rules), submit("PARENT: delegate"))


def results(talk: Talk, tool: str) -> list[str]:
    found = talk.data_of(EventKind.TOOL_CALL_END)
    return [str(one.get("output", one.get("error"))) for one in found if one["tool_name"] == tool]


def test_9_9_a_subagent_works_in_the_same_files(tmp_path: Path, wire: str) -> None:
    done = run(tmp_path, wire, [SPAWN, WAIT, says("Done.")], CHILD)
    assert (tmp_path / "sub" / "a.txt").read_text() == "x"
    (result,) = map(json.loads, results(done, "wait"))
    assert result == {"output": "Wrote it.", "success": True, "turns_used": 2}
    assert "Wrote it." in done.last_request


def test_9_9_a_subagent_has_its_own_history(tmp_path: Path, wire: str) -> None:
    done = run(tmp_path, wire, [SPAWN, WAIT, says("Done.")], CHILD)
    inputs = [turn.content for turn in done.session.history if isinstance(turn, UserTurn)]
    assert inputs == ["PARENT: delegate"]
    bodies = [str(request.body) for request in done.twin.requests]
    assert ["PARENT: delegate" in body for body in bodies].count(False) == 2
    # Its events are events of the parent, under an id of its own.
    sessions = {event.session_id for event in done.events}
    assert len(sessions) == 2
    assert done.session.turn_count == 3
    assert done.session.usage.output_tokens > 0


def test_9_9_depth_is_limited(tmp_path: Path, wire: str) -> None:
    greedy = (uses(use("spawn_agent", {"task": "more"})), says("Could not."))
    done = run(tmp_path, wire, [SPAWN, WAIT, says("Done.")], greedy)
    first, second = results(done, "spawn_agent")
    assert "agent_1" in first
    assert "Unknown tool: spawn_agent" in second


def test_9_9_input_reaches_a_subagent_that_has_ended(tmp_path: Path, wire: str) -> None:
    again = uses(use("send_input", {"agent_id": "agent_1", "message": "Now read it"}))
    child = (*CHILD, uses(use("read_file", {"file_path": "a.txt"})), says("It says x."))
    done = run(tmp_path, wire, [SPAWN, WAIT, again, WAIT, says("Done.")], child)
    outputs = [json.loads(one)["output"] for one in results(done, "wait")]
    assert outputs == ["Wrote it.", "It says x."]


def test_9_9_a_closed_subagent_is_ended_and_unknown(tmp_path: Path, wire: str) -> None:
    close = uses(use("close_agent", {"agent_id": "agent_1"}))
    slow = (uses(use("shell", {"command": "sleep 600", "timeout_ms": 600_000})),)
    done = run(tmp_path, wire, [SPAWN, close, WAIT, says("Done.")], slow)
    assert results(done, "close_agent") == ["status: failed"]
    assert "unknown subagent 'agent_1'" in results(done, "wait")[0]


def test_9_9_the_end_of_a_session_ends_its_subagents(tmp_path: Path, wire: str) -> None:
    slow = (uses(use("shell", {"command": "sleep 600", "timeout_ms": 600_000})),)
    done = run(tmp_path, wire, [SPAWN, says("Done.")], slow)
    ends = [event.session_id for event in done.events if event.kind is EventKind.SESSION_END]
    assert len(ends) == 2
    assert ends[-1] == done.session.id


def test_9_9_the_depth_is_configurable(tmp_path: Path, wire: str) -> None:
    config = SessionConfig(max_subagent_depth=2)
    rules = (
        *scene("GRANDCHILD", says("I am third.")),
        *scene(
            "CHILD", uses(use("spawn_agent", {"task": "GRANDCHILD"})), WAIT, says("I am second.")
        ),
        *scene("PARENT", uses(use("spawn_agent", {"task": "CHILD"})), WAIT, says("I am first.")),
    )
    done = talk_by(tmp_path, wire, Script(rules=rules), submit("PARENT"), config=config)
    outputs = {json.loads(one)["output"] for one in results(done, "wait")}
    assert outputs == {"I am second.", "I am third."}


def test_9_9_a_budget_is_for_the_session_and_its_subagents(tmp_path: Path, wire: str) -> None:
    used_up = Tokens(input=900, output=100)
    calls = [use("glob", {"pattern": str(n)}) for n in range(9)]
    child = [Answer(tool_calls=(one,), usage=used_up) for one in calls]
    rules = (*scene("CHILD", *child), *scene("PARENT", SPAWN, WAIT, says("never")))
    (tmp_path / "sub").mkdir()
    config = SessionConfig(max_tokens=3_000)
    used = talk_by(tmp_path, wire, Script(rules=rules), submit("PARENT"), config=config)
    (result,) = map(json.loads, results(used, "wait"))
    assert result["success"] is False
    assert result["output"] == "[ended: budget]"
    assert result["turns_used"] < 9
    assert used.data_of(EventKind.PROCESSING_END)[-1]["reason"] == "budget"
