"""Coding-agent-loop 9.13: the smoke test on every wire over HTTP, with real files and commands."""

import asyncio
from pathlib import Path

import pytest

from attractor.agent.conversation.turns import SteeringTurn, ToolResultsTurn
from attractor.agent.events import EventKind
from attractor.twins.script.script import Rule, Script, When
from tests.agent.twinned import WIRES, Talk, says, talk_by, use, uses
from tests.patience import until

HELLO = "print('Hello World')\n"
PATCH = f"*** Begin Patch\n*** Update File: hello.py\n@@\n {HELLO}+print('Goodbye')\n*** End Patch"
EDIT = {"file_path": "hello.py", "old_string": HELLO, "new_string": f"{HELLO}print('Goodbye')\n"}
HEALTH = "@app.get('/health')\ndef health(): return 'ok'\n"
WRITES_APP = use("write_file", {"file_path": "app.py", "content": "@app.get('/many')\n"})
CHILD_TASK = "Write tests for hello.py"


def script(wire: str) -> Script:
    edit = use("apply_patch", {"patch": PATCH}) if wire == "openai" else use("edit_file", EDIT)
    parent = [
        uses(use("write_file", {"file_path": "hello.py", "content": HELLO})),
        says("Created."),
        uses(use("read_file", {"file_path": "hello.py"})),
        uses(edit),
        says("Edited."),
        uses(use("shell", {"command": "python3 hello.py"})),
        says("It printed both."),
        uses(use("read_file", {"file_path": "big.txt"})),
        says("Read."),
        uses(WRITES_APP, use("shell", {"command": "touch begun; sleep 0.5"})),
        uses(use("write_file", {"file_path": "app.py", "content": HEALTH})),
        says("One endpoint."),
        uses(use("spawn_agent", {"task": CHILD_TASK})),
        uses(use("wait", {"agent_id": "agent_1"})),
        uses(use("read_file", {"file_path": "test_hello.py"})),
        says("Reviewed."),
        uses(use("shell", {"command": "sleep 30", "timeout_ms": 300})),
        says("It timed out."),
    ]
    child = [
        uses(use("write_file", {"file_path": "test_hello.py", "content": "import hello\n"})),
        says("Wrote the tests."),
    ]
    scenes = {CHILD_TASK: child, "Create": parent}
    return Script(
        rules=tuple(
            Rule(when=When(first_user=prompt, step=step), answer=answer)
            for prompt, answers in scenes.items()
            for step, answer in enumerate(answers)
        )
    )


async def steer_mid_task(talk: Talk, folder: Path) -> None:
    working = asyncio.create_task(talk.session.submit("Create a Flask web application"))
    await until(lambda: (folder / "begun").exists())
    talk.session.steer("Actually, just create a single /health endpoint for now")
    await working


@pytest.mark.parametrize("wire", WIRES)
def test_9_13_smoke_test(tmp_path: Path, wire: str) -> None:
    async def work(talk: Talk) -> None:
        environment, submit = talk.environment, talk.session.submit
        await submit("Create a file called hello.py that prints 'Hello World'")
        assert await environment.file_exists("hello.py")
        await submit("Read hello.py and add a second print statement that says 'Goodbye'")
        content = await environment.read_file("hello.py")
        assert "Hello" in content
        assert "Goodbye" in content
        await submit("Run hello.py and show the output")
        await environment.write_file("big.txt", "x" * 100_000)
        await submit("Read big.txt")
        await steer_mid_task(talk, tmp_path)
        await submit("Spawn a subagent to write tests for hello.py, then review its output")
        await submit("Run 'sleep 30' with the default timeout")

    done = talk_by(tmp_path, wire, script(wire), work)
    calls = [str(one["tool_name"]) for one in done.data_of(EventKind.TOOL_CALL_START)]
    ends = done.data_of(EventKind.TOOL_CALL_END)
    whole = next(str(one["output"]) for one in ends if "x" * 1_000 in str(one.get("output")))
    assert whole.count("x") == 100_000
    results = [
        str(result.content)
        for turn in done.session.history
        if isinstance(turn, ToolResultsTurn)
        for result in turn.results
    ]
    (truncated,) = [one for one in results if "x" * 1_000 in one]
    assert "[WARNING: Tool output was truncated." in truncated
    assert any("Hello World\nGoodbye" in one for one in results)
    (steering,) = [turn for turn in done.session.history if isinstance(turn, SteeringTurn)]
    assert "/health" in steering.content
    assert (tmp_path / "app.py").read_text() == HEALTH
    assert {"spawn_agent", "wait"} <= set(calls)
    assert any("Wrote the tests." in one for one in results)
    assert any("Command timed out after 300ms" in str(one.get("error")) for one in ends)
