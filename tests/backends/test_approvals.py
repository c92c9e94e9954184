"""Programs ask before their tool calls: recorded frames of claude and of codex as a server."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from attractor.backends import claude, codex
from attractor.backends.approvals import continue_after_wait
from attractor.backends.models import ModelChoice
from attractor.backends.outside_events import ProgramEvent
from attractor.backends.programs import Dialogue, Drive, Task
from attractor.engine.questions.call_rules import AskedCall
from attractor.engine.questions.question import Question, QuestionKind
from attractor.engine.seams import WITHDRAWN, Parked, Verdict

pytestmark = pytest.mark.anyio
QUESTION = Question("work@1.1#approval-1", "May it?", QuestionKind.APPROVAL, (), "work")
RESULT = {"type": "result", "subtype": "success"}


@dataclass
class Answers:
    """A person who answers each call by its command, or leaves it open."""

    verdicts: Mapping[str, Verdict]
    was_parked: bool = False
    told: str = ""
    asked: list[AskedCall] = field(default_factory=list[AskedCall])

    async def ask(self, call: AskedCall) -> Verdict:
        self.asked.append(call)
        if verdict := self.verdicts.get(call.describe()):
            return verdict
        raise Parked(QUESTION)

    def news(self) -> str:
        return self.told

    def end(self) -> None: ...


class Wire:
    """The input of a program: what was written to it."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def write(self, data: bytes) -> None:
        self.lines += map(json.loads, data.decode().splitlines())

    def is_closing(self) -> bool:
        return False

    def write_eof(self) -> None: ...


async def talk(
    drive: Drive, answers: Answers, frames: Sequence[Mapping[str, Any]], session: str = ""
) -> tuple[Dialogue, list[Any], list[ProgramEvent]]:
    """Drive a program that prints frames, each after the answers to those before."""
    heard: list[ProgramEvent] = []
    task = Task("Do it", ModelChoice("x", "model", ""), "/w", session=session, approvals=answers)
    dialogue, wire = Dialogue(task, heard.append), Wire()
    reader = asyncio.StreamReader()
    dialogue.connect(reader, cast(asyncio.StreamWriter, wire))
    driving = asyncio.ensure_future(drive(dialogue))
    for frame in frames:
        reader.feed_data(json.dumps(frame).encode() + b"\n")
        for _ in range(10):
            await asyncio.sleep(0)
    reader.feed_eof()
    await asyncio.wait([driving, dialogue.halted], return_when=asyncio.FIRST_COMPLETED)
    driving.cancel()
    return dialogue, wire.lines, heard


def wants(id_: str, command: str) -> Mapping[str, Any]:
    """Return the frame of claude that asks about a command."""
    asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}}
    return {"type": "control_request", "request_id": id_, "request": asked}


def responses(lines: Sequence[Any]) -> dict[str, Any]:
    found = [one["response"] for one in lines if one["type"] == "control_response"]
    return {one["request_id"]: one["response"] for one in found}


async def test_claude_gets_the_answer_for_the_call_that_was_shown() -> None:
    answers = Answers(
        {
            "Bash: a": Verdict(True),
            "Bash: b": Verdict(False, "a person refused it: no"),
            "Bash: c": Verdict(True, command="d"),
        }
    )
    frames = [wants("1", "a"), wants("2", "b"), wants("3", "c"), wants("1", "evil"), RESULT]
    _, lines, heard = await talk(claude.drive, answers, frames)
    assert lines[0]["request"] == {"subtype": "initialize"}
    assert responses(lines) == {
        "1": {"behavior": "allow", "updatedInput": {"command": "a"}},
        "2": {"behavior": "deny", "message": "a person refused it: no"},
        "3": {"behavior": "allow", "updatedInput": {"command": "d"}},
    }
    assert [one.describe() for one in answers.asked] == ["Bash: a", "Bash: b", "Bash: c"]
    assert "came twice" in str(heard)


async def test_claude_takes_a_question_back() -> None:
    class Slow(Answers):
        async def ask(self, call: AskedCall) -> Verdict:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError as canceled:
                self.told = str(canceled)
            raise AssertionError

    cancel, slow = {"type": "control_cancel_request", "request_id": "1"}, Slow({})
    _, lines, _ = await talk(claude.drive, slow, [wants("1", "a"), cancel, RESULT])
    assert (responses(lines), slow.told) == ({}, WITHDRAWN)


async def test_question_without_an_answer_ends_the_program() -> None:
    dialogue, lines, _ = await talk(claude.drive, Answers({}), [wants("1", "a")])
    assert isinstance(dialogue.halted.result(), Parked)
    assert responses(lines) == {}


THREAD: list[Mapping[str, Any]] = [
    {"id": 1, "result": {}},
    {"id": 2, "result": {"thread": {"id": "t"}, "model": "m"}},
    {"id": 3, "result": {"turn": {"id": "u"}}},
]
END = {"method": "turn/completed", "params": {"turn": {"id": "u", "status": "completed"}}}
CHANGES = [{"path": "/w/src/a.py", "kind": {"type": "update"}, "diff": "-a\n+b\n"}]


def asks(id_: int, method: str, **params: Any) -> Mapping[str, Any]:
    return {"id": id_, "method": f"item/{method}/requestApproval", "params": params}


async def test_codex_is_answered_once_for_each_call() -> None:
    answers = Answers(
        {
            "Bash: touch a": Verdict(True),
            "Bash: touch b": Verdict(False, "a person refused it: no"),
            "Edit: src/a.py": Verdict(True),
        }
    )
    item = {"type": "fileChange", "id": "i", "changes": CHANGES, "status": "inProgress"}
    frames: list[Mapping[str, Any]] = [
        *THREAD,
        {"method": "item/started", "params": {"item": item}},
        asks(0, "commandExecution", itemId="c", command="/bin/bash -lc 'touch a'", cwd="/w"),
        asks(1, "commandExecution", itemId="d", command="touch b", cwd="/w", reason="to try"),
        asks(2, "fileChange", itemId="i"),
        asks(3, "permissions", itemId="p"),
        asks(1, "commandExecution", itemId="d", command="touch a", cwd="/w"),
        {"method": "item/completed", "params": {"item": {**item, "status": "completed"}}},
        END,
    ]
    _, lines, heard = await talk(codex.drive_server, answers, frames, session="t")
    resumed = next(one for one in lines if one.get("method") == "thread/resume")["params"]
    assert (resumed["threadId"], resumed["approvalPolicy"]) == ("t", "untrusted")
    given = {one["id"]: one["result"]["decision"] for one in lines if "result" in one}
    assert given == {0: "accept", 1: "decline", 2: "accept"}
    assert [one["id"] for one in lines if "error" in one] == [3]
    steered = [one["params"]["input"] for one in lines if one.get("method") == "turn/steer"]
    assert steered == [[{"type": "text", "text": "Not done: a person refused it: no"}]]
    assert [one.why for one in answers.asked] == ["", "to try", ""]
    assert answers.asked[2].changes == "*** Update File: /w/src/a.py\n-a\n+b"
    assert "came twice" in str(heard)
    assert "update /w/src/a.py" in str(heard)


async def test_fault_of_codex_is_a_failure() -> None:
    answer = {"id": 1, "error": {"code": -1, "message": "no"}}
    _, _, heard = await talk(codex.drive_server, Answers({}), [answer])
    assert "initialize" in str(heard)


def test_agent_hears_what_people_answered_meanwhile() -> None:
    parked = Answers({}, was_parked=True, told="A person allowed this call: x")
    assert "A person allowed this call: x\nAn allowed call" in continue_after_wait(parked, "Do it")
    unanswered = Answers({}, was_parked=True)
    assert "No person has answered" in continue_after_wait(unanswered, "Do it")
    assert continue_after_wait(Answers({}), "Do it") == "Do it"
