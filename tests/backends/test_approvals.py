"""Programs ask before their tool calls: recorded frames of claude and of codex as a server."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from attractor.backends import acp, claude, codex
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


class Wire(asyncio.StreamWriter):
    """The input of a program: what was written to it."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def __del__(self, *_: object) -> None: ...

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.lines += map(json.loads, bytes(data).decode().splitlines())

    def is_closing(self) -> bool:
        return False

    def write_eof(self) -> None: ...

    async def drain(self) -> None: ...


async def talk(
    drive: Drive, answers: Answers, frames: Sequence[Mapping[str, Any]], session: str = ""
) -> tuple[Dialogue, list[Any], list[ProgramEvent]]:
    """Drive a program that prints frames, each after the answers to those before."""
    heard: list[ProgramEvent] = []
    task = Task("Do it", ModelChoice("x", "model", ""), "/w", session=session, approvals=answers)
    dialogue, wire = Dialogue(task, heard.append), Wire()
    reader = asyncio.StreamReader()
    dialogue.connect(reader, wire)
    driving = asyncio.ensure_future(drive(dialogue))
    for frame in frames:
        reader.feed_data(json.dumps(frame).encode() + b"\n")
        for _ in range(30):
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
CHANGES = [
    {"path": "/w/a", "kind": {"type": "update", "move_path": "/w/.github/b"}, "diff": "-a\n+b\n"},
    {"path": "/w/c", "kind": {"type": "add"}, "diff": "new\n"},
    {"path": "/w/d", "kind": {"type": "delete"}, "diff": "old\n*** Add File: x\n"},
]
PATCH = """*** Update File: /w/a
*** Move to: /w/.github/b
-a
+b
*** Add File: /w/c
+new
*** Delete File: /w/d
-old
-*** Add File: x"""


def asks(id_: int, method: str, **params: Any) -> Mapping[str, Any]:
    return {"id": id_, "method": f"item/{method}/requestApproval", "params": params}


async def test_codex_is_answered_once_for_each_call() -> None:
    answers = Answers(
        {
            "Bash: touch a": Verdict(True),
            "Bash: touch b": Verdict(False, "a person refused it: no"),
            "Edit: a; .github/b; c; d": Verdict(True),
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
    assert answers.asked[2].changes == PATCH
    assert "came twice" in str(heard)
    assert "update /w/a" in str(heard)


@pytest.mark.parametrize("program", ["./evil", "./bash", "python3"])
async def test_program_that_is_no_shell_is_shown(program: str) -> None:
    answers = Answers({})
    asked = asks(0, "commandExecution", itemId="c", command=f"{program} -c ls", cwd="/w")
    await talk(codex.drive_server, answers, [*THREAD, asked])
    assert answers.asked[0].command == f"{program} -c ls"


async def test_codex_does_not_trust_the_project() -> None:
    _, lines, _ = await talk(codex.drive_server, Answers({}), THREAD)
    sent = {one["method"]: one.get("params", {}) for one in lines}
    assert sent["thread/start"]["sandbox"] == "read-only"
    assert sent["turn/start"]["sandboxPolicy"] == {"type": "dangerFullAccess"}


SESSION: list[Mapping[str, Any]] = [
    {"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": 1}},
    {"jsonrpc": "2.0", "id": 1, "result": {"sessionId": "s"}},
]


async def permission(
    answers: Answers, call: Mapping[str, Any], *offers: str
) -> tuple[str, Dialogue]:
    """Return the answer to an agent over ACP that asks about a call, and the dialogue."""
    options = [{"optionId": kind, "name": kind, "kind": kind} for kind in offers]
    params = {"sessionId": "s", "toolCall": {"toolCallId": "c", **call}, "options": options}
    asked = {"jsonrpc": "2.0", "id": 9, "method": "session/request_permission", "params": params}
    dialogue, lines, _ = await talk(acp.drive, answers, [*SESSION, asked, {}])
    [outcome] = [one["result"]["outcome"] for one in lines if one.get("id") == 9]
    return outcome.get("optionId", outcome["outcome"]), dialogue


async def test_agent_over_acp_asks_about_each_file_of_a_call() -> None:
    diffs = [
        {"type": "diff", "path": f"/w/{name}", "oldText": old, "newText": "new\n"}
        for name, old in (("a", "old\n"), (".github/b", None))
    ]
    call = {"kind": "edit", "title": "x", "content": diffs, "locations": [{"path": "/w/c"}]}
    answers = Answers({"Edit: a; .github/b; c": Verdict(True)})
    assert (await permission(answers, call, "allow_once"))[0] == "allow_once"
    [asked] = answers.asked
    assert asked.changes == "*** Update File: /w/a\n-old\n+new\n*** Update File: /w/.github/b\n+new"
    assert "/w/.github/b" in str(asked.arguments)


async def test_agent_over_acp_gets_no_rule_of_its_own() -> None:
    answers = Answers({})
    call = {"kind": "execute", "title": "touch a"}
    said, dialogue = await permission(answers, call, "allow_always", "reject_always")
    assert (said, answers.asked) == ("cancelled", [])
    assert "could not allow this call alone" in dialogue.messages[-1]


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
