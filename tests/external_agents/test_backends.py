"""The backends of the real coding agents run a pipeline in the sandbox, against the provider twin.

The first stage edits a file and reports; the second one continues the session. Each program uses
its default model; opencode has none.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from attractor.twins.script.script import Script, parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.cli.test_agent import desk_with
from tests.external_agents.test_external_agents import Call
from tests.spec.runs import between, environ_for, events, project_in, record, run

pytestmark = pytest.mark.agents
REPORT = """echo '{"outcome": "success", "notes": "a pear"}' > $ATTRACTOR_STATUS_FILE"""
STEAL = "env > /workspace/env.txt; "
ROUTING = """
[[rules]]
name = "gemini asks which model to use"
when.system = "Task Routing AI"
answer.text = '{{"complexity_reasoning": "It is one line.", "complexity_score": 10}}'
"""
SCRIPT = (
    ROUTING
    + """
[[rules]]
when = {{ last_user = "Is it done" }}
answer.text = "It is done."

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
answer.text = "Pears"
"""
)


@dataclass(frozen=True)
class Outside:
    """A program, and calls of its own tools that replace a line and run a command."""

    program: str
    edit: Callable[[str, str, str], Sequence[Call]]
    run: Callable[[str], Call]
    model: str = ""
    continues: bool = True

    def require(self) -> None:
        if shutil.which(self.program) is None:
            pytest.skip(f"{self.program} is not on the PATH; run scripts/external-agents")


def codex_edit(file: str, old: str, new: str) -> Sequence[Call]:
    text = f"*** Begin Patch\n*** Update File: {file}\n@@\n-{old}\n+{new}\n*** End Patch\n"
    return [Call("exec", f"text(await tools.apply_patch({json.dumps(text)}))")]


def codex_run(command: str) -> Call:
    return Call("exec", f"text(await tools.exec_command({json.dumps({'cmd': command})}))")


def shell(name: str) -> Callable[[str], Call]:
    return lambda command: Call(name, {"command": command, "description": "run"})


def claude_edit(file: str, old: str, new: str) -> Sequence[Call]:
    place = {"file_path": f"/workspace/{file}"}
    return [Call("Read", place), Call("Edit", {**place, "old_string": old, "new_string": new})]


def gemini_edit(file: str, old: str, new: str) -> Sequence[Call]:
    place = {"file_path": f"/workspace/{file}", "instruction": "Replace it."}
    return [Call("replace", {**place, "old_string": old, "new_string": new})]


def opencode_edit(file: str, old: str, new: str) -> Sequence[Call]:
    place = {"filePath": f"/workspace/{file}"}
    return [Call("read", place), Call("edit", {**place, "oldString": old, "newString": new})]


PROGRAMS = [
    Outside("codex", codex_edit, codex_run),
    Outside("claude", claude_edit, shell("Bash")),
    Outside("gemini", gemini_edit, shell("run_shell_command"), continues=False),
    Outside("opencode", opencode_edit, shell("bash"), model="claude-sonnet-4-5"),
]
each_program = pytest.mark.parametrize("one", PROGRAMS, ids=lambda one: one.program)


def script_of(edit: Sequence[Call], command: Call) -> Script:
    calls = ", ".join(call.toml() for call in edit)
    return parse_script(SCRIPT.format(edit=calls, report=command.toml()))


PIPELINE = between(
    "default_fidelity=full; thread_id=main",
    'buy [prompt="Buy a pear instead.", reasoning_effort=low]',
    'check [prompt="Is it done?"]',
    "start -> buy -> check -> exit",
)


@each_program
def test_a_program_works_in_the_sandbox_and_continues_its_session(
    one: Outside, tmp_path: Path
) -> None:
    one.require()
    script = script_of(one.edit("todo.txt", "buy an apple", "buy a pear"), one.run(STEAL + REPORT))
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
    recorded = "\n".join(f"{event.type} {json.dumps(event.data)}" for event in events(result))
    assert result.completed == ("start", "buy", "check"), f"{recorded}\n{log}"
    status = record(result, "buy/status.json")
    assert (status["outcome"], status["notes"]) == ("success", "a pear"), recorded
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


@each_program
def test_a_person_lets_a_program_fix_a_project(one: Outside, tmp_path: Path) -> None:
    one.require()
    desk = desk_with(tmp_path)
    check = "python3 -c 'import calc; assert calc.add(1, 2) == 3' && touch green"
    edit = one.edit("calc.py", "    return a - b", "    return a + b")
    with in_background(ProviderTwin(script_of(edit, one.run(check)))) as desk.twin:
        words = ["--backend", one.program, "--sandbox", "bubblewrap"]
        words += ["--model", one.model] if one.model else []
        done = desk.do("agent", "Buy a pear", *words)
        more = desk.do("agent", "--continue", "Is it done?", *words[2:], "--json")
        asked = [one for one in desk.twin.requests if "Is it done?" in str(one.body)]
    assert done.returncode == 0, done.stderr
    assert (desk.place / "green").exists(), done.stderr
    assert done.stdout.startswith("The list names a pear now.\n")
    assert "calc.py  +1 -1" in done.stdout
    assert "\nused: $0." in done.stderr
    assert Path(done.stderr.split("transcript: ")[1].split("\n")[0]).is_file()
    assert more.returncode == 0, more.stderr
    assert json.loads(more.stdout.splitlines()[-1])["answer"] == "It is done."
    assert "Buy a pear" in str(asked[-1].body)
    assert "The list names a pear now." in str(asked[-1].body)
