"""Calls of agent programs, and the events in their output."""

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from attractor.backends import claude, codex, gemini, opencode, programs
from attractor.backends.model_proxy import ModelAccess
from attractor.backends.models import ModelChoice
from attractor.backends.outside_events import (
    AgentText,
    CallBegun,
    CallEnded,
    Failed,
    ProgramEvent,
    SessionNamed,
    Spent,
    Warned,
)
from attractor.backends.programs import Dialogue, Program, Task
from attractor.base.json import JsonObject
from attractor.llm.response import Usage
from tests.tables import table

# Output of these versions, shortened: codex 0.169.0, claude 2.1.330, gemini 0.61.0, opencode
# 1.18.33.
CODEX: list[tuple[str, list[ProgramEvent]]] = [
    ('{"type":"thread.started","thread_id":"01a2"}', [SessionNamed("01a2")]),
    ('{"type":"turn.started"}', []),
    ('{"type":"item.completed","item":{"id":"item_0","type":"reasoning","text":"Hm."}}', []),
    (
        '{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"I edit."}}',
        [AgentText("I edit.")],
    ),
    (
        '{"type":"item.started","item":{"id":"item_2","type":"file_change","changes":'
        '[{"path":"/workspace/a.txt","kind":"update"}],"status":"in_progress"}}',
        [CallBegun("item_2", "apply_patch", {"changes": "update /workspace/a.txt"})],
    ),
    (
        '{"type":"item.completed","item":{"id":"item_2","type":"file_change","changes":'
        '[{"path":"/workspace/a.txt","kind":"update"}],"status":"failed"}}',
        [CallEnded("item_2", "update /workspace/a.txt", "the patch was not applied")],
    ),
    (
        '{"type":"item.started","item":{"id":"item_4","type":"command_execution","command":'
        '"/bin/bash -lc \'make\'","aggregated_output":"","exit_code":null,"status":"in_progress"}}',
        [CallBegun("item_4", "shell", {"command": "make"})],
    ),
    (
        '{"type":"item.completed","item":{"id":"item_4","type":"command_execution","command":'
        '"make","aggregated_output":"done\\n","exit_code":0,"status":"completed"}}',
        [CallEnded("item_4", "done\n")],
    ),
    (
        '{"type":"item.completed","item":{"id":"item_5","type":"command_execution","command":'
        '"make","aggregated_output":"no rule","exit_code":2,"status":"failed"}}',
        [CallEnded("item_5", "no rule", "exit status 2\nno rule")],
    ),
    (
        '{"type":"item.started","item":{"id":"item_6","type":"mcp_tool_call","server":"db",'
        '"tool":"query","arguments":{"q":1},"status":"in_progress"}}',
        [CallBegun("item_6", "db.query", {"arguments": {"q": 1}})],
    ),
    (
        '{"type":"item.completed","item":{"id":"item_6","type":"mcp_tool_call","server":"db",'
        '"tool":"query","result":{"text":"1"},"error":null,"status":"completed"}}',
        [CallEnded("item_6", "1")],
    ),
    (
        '{"type":"turn.completed","usage":{"input_tokens":21,"cached_input_tokens":13,'
        '"cache_write_input_tokens":0,"output_tokens":6,"reasoning_output_tokens":2}}',
        [Spent(Usage(21, 6, cache_read_tokens=13), is_total=True)],
    ),
    ('{"type":"error","message":"stream cut, retrying 1/5"}', [Warned("stream cut, retrying 1/5")]),
    ('{"type":"turn.failed","error":{"message":"no quota"}}', [Failed("no quota")]),
    ('{"type":"something.new","thread_id":7}', []),
]
CLAUDE: list[tuple[str, list[ProgramEvent]]] = [
    (
        '{"type":"system","subtype":"init","cwd":"/workspace","session_id":"5eb4","model":"opus"}',
        [SessionNamed("5eb4", "opus")],
    ),
    ('{"type":"system","subtype":"thinking_tokens","session_id":"5eb4"}', []),
    (
        '{"type":"assistant","message":{"id":"msg_1","content":[{"type":"thinking","thinking":"Hm."'
        ',"signature":"x"},{"type":"text","text":"I edit."}],"usage":{"output_tokens":1}}}',
        [AgentText("I edit.")],
    ),
    (
        '{"type":"assistant","message":{"id":"msg_1","content":[{"type":"tool_use","id":"toolu_0",'
        '"name":"Edit","input":{"file_path":"a.txt","old_string":"a","new_string":"b"}}]}}',
        [
            CallBegun(
                "toolu_0", "edit_file", {"file_path": "a.txt", "old_string": "a", "new_string": "b"}
            )
        ],
    ),
    (
        '{"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_0",'
        '"type":"tool_result","content":[{"type":"text","text":"updated"}]}]}}',
        [CallEnded("toolu_0", "updated")],
    ),
    (
        '{"type":"user","message":{"role":"user","content":[{"tool_use_id":"toolu_1",'
        '"type":"tool_result","content":"exit 1","is_error":true}]}}',
        [CallEnded("toolu_1", "exit 1", "exit 1")],
    ),
    (
        '{"type":"result","subtype":"success","is_error":false,"total_cost_usd":0.5,"result":"Done."'
        ',"usage":{"input_tokens":1},"modelUsage":{"sonnet":{"inputTokens":3,"outputTokens":78,'
        '"cacheReadInputTokens":20,"cacheCreationInputTokens":10},"haiku":{"inputTokens":1,'
        '"outputTokens":2,"cacheReadInputTokens":0,"cacheCreationInputTokens":0}}}',
        [Spent(Usage(4, 80, cache_read_tokens=20, cache_write_tokens=10), 0.5, is_total=True)],
    ),
    (
        '{"type":"result","subtype":"error_max_turns","is_error":true}',
        [Failed("error_max_turns")],
    ),
]
GEMINI: list[tuple[str, list[ProgramEvent]]] = [
    (
        '{"type":"init","session_id":"4b89","model":"gemini-2.5-pro"}',
        [SessionNamed("4b89", "gemini-2.5-pro")],
    ),
    ('{"type":"message","role":"user","content":"Do it"}', []),
    (
        '{"type":"message","role":"assistant","content":"I edit the ","delta":true}',
        [AgentText("I edit the ", is_piece=True)],
    ),
    (
        '{"type":"tool_use","tool_name":"replace","tool_id":"replace_0","parameters":'
        '{"file_path":"a.txt"}}',
        [CallBegun("replace_0", "edit_file", {"file_path": "a.txt"})],
    ),
    ('{"type":"tool_result","tool_id":"replace_0","status":"success"}', [CallEnded("replace_0")]),
    (
        '{"type":"tool_result","tool_id":"shell_0","status":"error","output":"","error":'
        '{"type":"shell","message":"no such file"}}',
        [CallEnded("shell_0", "", '{"type": "shell", "message": "no such file"}')],
    ),
    ('{"type":"error","severity":"warning","message":"loop detected"}', [Warned("loop detected")]),
    (
        '{"type":"result","status":"success","stats":{"total_tokens":26,"input_tokens":20,'
        '"output_tokens":6,"cached":13,"input":7,"tool_calls":2}}',
        [Spent(Usage(20, 6, cache_read_tokens=13))],
    ),
    ('{"type":"result","status":"error","error":"no quota"}', [Failed("no quota")]),
]
OPENCODE: list[tuple[str, list[ProgramEvent]]] = [
    ('{"type":"step_start","sessionID":"ses_1","part":{}}', [SessionNamed("ses_1")]),
    ('{"type":"text","part":{"type":"text","text":"I edit."}}', [AgentText("I edit.")]),
    (
        '{"type":"tool_use","part":{"type":"tool","tool":"bash","callID":"toolu_0","state":'
        '{"status":"completed","input":{"command":"ls"},"output":"a.txt"}}}',
        [CallBegun("toolu_0", "shell", {"command": "ls"}), CallEnded("toolu_0", "a.txt")],
    ),
    (
        '{"type":"tool_use","part":{"type":"tool","tool":"read","callID":"toolu_1","state":'
        '{"status":"error","input":{"filePath":"b"},"error":"not found"}}}',
        [
            CallBegun("toolu_1", "read_file", {"file_path": "b"}),
            CallEnded("toolu_1", "", "not found"),
        ],
    ),
    (
        '{"type":"step_finish","part":{"reason":"stop","cost":0,"tokens":{"total":49,"input":2,'
        '"output":30,"reasoning":7,"cache":{"write":4,"read":6}}}}',
        [Spent(Usage(12, 37, cache_read_tokens=6, cache_write_tokens=4))],
    ),
    (
        '{"type":"error","error":{"name":"APIError","data":{"message":"no quota"}}}',
        [Failed("no quota")],
    ),
]


def read_opencode(event: JsonObject) -> Iterable[ProgramEvent]:
    return opencode.read(event, provider="openai")


@table(
    ("read", "lines"),
    [
        (codex.read, CODEX),
        (claude.read, CLAUDE),
        (gemini.read, GEMINI),
        (read_opencode, OPENCODE),
    ],
    ids=["codex", "claude", "gemini", "opencode"],
)
def test_lines_of_a_program(
    read: Callable[[JsonObject], Iterable[ProgramEvent]],
    lines: list[tuple[str, list[ProgramEvent]]],
) -> None:
    for line, heard in lines:
        assert list(read(json.loads(line))) == heard, line
        # Lines of other versions may lack fields.
        list(read({"type": json.loads(line)["type"]}))


def test_tokens_of_anthropic_do_not_include_the_cache() -> None:
    line = OPENCODE[4][0]
    [spent] = opencode.read(json.loads(line), provider="anthropic")
    assert isinstance(spent, Spent)
    assert spent.tokens == Usage(2, 37, cache_read_tokens=6, cache_write_tokens=4)


@table(
    "program",
    [codex.CODEX, claude.CLAUDE, gemini.GEMINI, opencode.OPENCODE],
)
def test_a_program_is_called_with_model_effort_and_session(program: Program) -> None:
    prompt = "x" * 200_000
    access = ModelAccess(program.providers[0], "http://127.0.0.1:7", "placeholder")
    choice = ModelChoice(access.provider, "big", "low")
    task = Task(prompt, choice, "/workspace", "/tmp/home", access, "session-1", ("--more", "x"))
    call = program.invoke(task)
    text = " ".join(call.arguments)
    assert "big" in text
    # Before those of Attractor, of which the last one counts.
    assert call.arguments.index("--more") < 2
    assert ("session-1" in text) == bool(program.sessions)
    assert ("low" in call.arguments or "=low" in text) == (program.name != "gemini")
    # An argument can have at most 128 KB, so the prompt is passed on stdin.
    assert len(text) < 1000
    assert prompt in call.input or program.keeps_input
    assert all(not Path(name).is_absolute() for name in call.files)


@table(
    ("text", "expected"),
    [
        ('{"a": 1}\n[{"a": 2}]\nstarting\n{"a": "ü"}', [{"a": 1}, {"a": "ü"}]),
        ('{"a": "' + 1000 * "x" + '"}\n{"a": 3}\n', ["is larger than 0 MiB", {"a": 3}]),
    ],
)
def test_events_are_the_lines_with_an_object(
    text: str, expected: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "_LONGEST_LINE", 1000)
    found: list[object] = []

    async def follow() -> None:
        task = Task("", ModelChoice("", ""), "/")
        dialogue = Dialogue(task, lambda event: found.append(str(event)[-22:-2]))
        dialogue.output.feed_data(text.encode())
        dialogue.output.feed_eof()
        found.extend([one async for one in dialogue.json_lines()])

    asyncio.run(follow())
    assert found == expected
