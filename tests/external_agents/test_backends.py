"""The backends of the real coding agents run a pipeline in the sandbox, against the provider twin.

The first stage edits a file and reports; the second one continues the session.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.external_agents.test_external_agents import PATCH, Call
from tests.spec.runs import between, environ_for, events, project_in, record, run

pytestmark = pytest.mark.agents
FILE = "/workspace/todo.txt"
REPORT = """echo '{"outcome": "success", "notes": "a pear"}' > $ATTRACTOR_STATUS_FILE"""
STEAL = "env > /workspace/env.txt; "
SCRIPT = """
[[rules]]
when = {{ last_user = "Buy a pear", step = 0 }}
answer = {{ thinking = "Edit, then report.", text = "I edit.", tool_calls = [{edit}] }}

[[rules]]
when = {{ last_user = "Buy a pear", step = 1 }}
answer = {{ text = "I report.", tool_calls = [{report}] }}

[[rules]]
when = {{ last_user = "Buy a pear" }}
answer.text = "The list names a pear now."

[[rules]]
when = {{ last_user = "Is it done" }}
answer.text = "It is done."

[[rules]]
answer.text = "Pears"
"""


@dataclass(frozen=True)
class Outside:
    """A program, its model, and the calls of its own tools that do the task."""

    program: str
    model: str
    edit: Sequence[Call]
    shell: str
    argument: str
    continues: bool = True


EDIT = {"old_string": "buy an apple", "new_string": "buy a pear"}
PROGRAMS = [
    Outside("codex", "gpt-5.5", [Call("apply_patch", PATCH)], "exec_command", "cmd"),
    Outside(
        "claude",
        "claude-sonnet-4-5",
        [Call("Read", {"file_path": FILE}), Call("Edit", {"file_path": FILE, **EDIT})],
        "Bash",
        "command",
    ),
    Outside(
        "gemini",
        "gemini-2.5-pro",
        [Call("replace", {"file_path": FILE, "instruction": "Buy a pear.", **EDIT})],
        "run_shell_command",
        "command",
        continues=False,
    ),
    Outside(
        "opencode",
        "claude-sonnet-4-5",
        [
            Call("read", {"filePath": FILE}),
            Call(
                "edit",
                {"filePath": FILE, "oldString": "buy an apple", "newString": "buy a pear"},
            ),
        ],
        "bash",
        "command",
    ),
]
PIPELINE = between(
    "default_fidelity=full; thread_id=main",
    'buy [prompt="Buy a pear instead."]',
    'check [prompt="Is it done?"]',
    "start -> buy -> check -> exit",
)


@pytest.mark.parametrize("one", PROGRAMS, ids=lambda one: one.program)
def test_a_program_works_in_the_sandbox_and_continues_its_session(
    one: Outside, tmp_path: Path
) -> None:
    if shutil.which(one.program) is None:
        pytest.skip(f"{one.program} is not on the PATH; run scripts/external-agents")
    report = Call(one.shell, {one.argument: STEAL + REPORT, "description": "report"})
    edit = ", ".join(call.toml() for call in one.edit)
    script = parse_script(SCRIPT.format(edit=edit, report=report.toml()))
    (project_in(tmp_path) / "todo.txt").write_text("buy an apple\n")
    with in_background(ProviderTwin(script)) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        result = run(
            tmp_path,
            PIPELINE,
            backend=one.program,
            model=one.model,
            environ=environ,
            workspace="copy",
            sandbox="bubblewrap",
        )
        log = [(asked.step, asked.status, asked.rule, asked.error) for asked in twin.requests]
    told = "\n".join(f"{event.type} {json.dumps(event.data)}" for event in events(result))
    assert result.completed == ("start", "buy", "check"), f"{told}\n{log}"
    status = record(result, "buy/status.json")
    assert (status["outcome"], status["notes"]) == ("success", "a pear"), told
    patch = (result.directory / "result.patch").read_text()
    assert "+buy a pear" in patch
    # Neither the real key nor the operator's variables are visible inside.
    keys = {value for name, value in twin.environ().items() if name.endswith("_KEY")}
    assert not any(key in patch for key in keys)
    assert "placeholder-" in patch or one.program in ("codex", "gemini")
    assert os.environ["PATH"] not in patch
    [started, *_] = events(result, "SESSION_START")
    assert started.data["program"] == one.program
    assert str(started.data["version"])[0].isdecimal()
    assert len(events(result, "TOOL_CALL_START")) == len(events(result, "TOOL_CALL_END")) >= 2
    used = record(result, "final.json")
    assert "cost_usd" in str(used), used
    assert status["usage"]["input_tokens"] > 0  # pyright: ignore
    assert status["usage"]["cost_usd"] > 0  # pyright: ignore
    assert bool(events(result, "ThreadContinued")) == one.continues
    if one.continues:
        [asked] = [asked for asked in twin.requests if "Is it done?" in str(asked.body)][:1]
        assert "Buy a pear instead." in str(asked.body)
