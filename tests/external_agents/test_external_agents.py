"""The real coding agents work against the provider twin, and against its recordings.

`scripts/external-agents` installs them; `make agents` runs these tests. Each agent edits a file
with its own edit tool and runs a command. On the way one request is answered with 429 and one
stream is cut.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from attractor.twins.recordings.json_diff import JsonPath
from attractor.twins.recordings.recording import RecordingFile, Recordings, load_recordings
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin

pytestmark = pytest.mark.agents
TASK = "Replace apple by pear in todo.txt, then run the tests."
COMMAND = "grep -c pear todo.txt > counted.txt"
LIMIT = 120.0
"""Seconds for one agent. Some retry without end against a server that does not answer."""
SCRIPT = """
[[rules]]
name = "overloaded once"
when = {{ first_user = "{task}", step = 0 }}
first = 1
answer.fault = {{ kind = "status", status = 429, retry_after = "0s", message = "slow down" }}

[[rules]]
name = "edit"
when = {{ first_user = "{task}", step = 0 }}
answer = {{ thinking = "Edit, then test.", text = "I edit the file.", tool_calls = [{edit}] }}

[[rules]]
name = "cut once"
when = {{ first_user = "{task}", step = 1 }}
first = 1
answer = {{ text = "I run the tests now.", fault = {{ kind = "cut", after = 1 }} }}

[[rules]]
name = "test"
when = {{ first_user = "{task}", step = 1 }}
answer = {{ text = "I run the tests.", tool_calls = [{shell}] }}

[[rules]]
name = "done"
when = {{ first_user = "{task}" }}
answer.text = "The list names pears now."

[[rules]]
name = "titles and other side requests"
answer.text = "Pears"
"""


@dataclass(frozen=True)
class Call:
    """A tool call of a script; a text is the input of a custom tool."""

    name: str
    arguments: Mapping[str, object] | str

    def toml(self) -> str:
        if isinstance(self.arguments, str):
            return f'{{ name = "{self.name}", raw_arguments = {json.dumps(self.arguments)} }}'
        pairs = (f"{name} = {json.dumps(value)}" for name, value in self.arguments.items())
        return f'{{ name = "{self.name}", arguments = {{ {", ".join(pairs)} }} }}'


@dataclass(frozen=True)
class Agent:
    """How an agent is started, and the calls of its own tools that do the task."""

    program: str
    model: str
    command: Callable[[ProviderTwin], Sequence[str]]
    edit: Callable[[Path], Sequence[Call]]
    shell: Callable[[Path], Call]
    environ: Callable[[ProviderTwin, Path], Mapping[str, str]]
    prepare: Callable[[Path], None] = field(default=lambda home: None)
    varying: str = ""
    """The path of tool results that name a process or a chunk."""
    runs: int = 1
    """2 if the agent ends at a cut stream, so that a person would start it again."""


PATCH = """*** Begin Patch
*** Update File: todo.txt
@@
-buy an apple
+buy a pear
*** End Patch
"""


def codex_options(twin: ProviderTwin) -> Sequence[str]:
    """Return the command of codex without a task."""
    provider = (
        f'{{name="twin",base_url="{twin.base_url("openai")}",env_key="OPENAI_API_KEY",'
        'wire_api="responses",request_max_retries=2,stream_max_retries=2}'
    )
    return [
        *("codex", "exec", "--json", "--skip-git-repo-check", "-s", "danger-full-access"),
        *("-m", "gpt-5.5", "-c", "model_provider=twin", "-c", f"model_providers.twin={provider}"),
    ]


def opencode_environ(twin: ProviderTwin, home: Path) -> Mapping[str, str]:
    options = {"baseURL": twin.base_url("openai_chat"), "apiKey": "key-for-the-twin"}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": options,
        "models": {"model": {"name": "model"}},
    }
    config = {"provider": {"twin": provider}, "permission": "allow", "share": "disabled"}
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
    }


def gemini_settings(home: Path) -> None:
    settings = home / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))


AGENTS = [
    Agent(
        program="codex",
        model="gpt-5.5",
        command=lambda twin: [*codex_options(twin), TASK],
        edit=lambda folder: [Call("apply_patch", PATCH)],
        shell=lambda folder: Call("exec_command", {"cmd": COMMAND}),
        environ=lambda twin, home: {"CODEX_HOME": str(home)},
        varying="$.input[*].output",
    ),
    Agent(
        program="claude",
        model="claude-sonnet-4-5",
        command=lambda twin: [
            *("claude", "-p", "--output-format", "stream-json", "--verbose"),
            *("--permission-mode", "acceptEdits", "--allowedTools", "Read,Edit,Bash"),
            *("--model", "claude-sonnet-4-5", TASK),
        ],
        edit=lambda folder: [
            Call("Read", {"file_path": str(folder / "todo.txt")}),
            Call(
                "Edit",
                {
                    "file_path": str(folder / "todo.txt"),
                    "old_string": "buy an apple",
                    "new_string": "buy a pear",
                },
            ),
        ],
        shell=lambda folder: Call("Bash", {"command": COMMAND, "description": "count"}),
        environ=lambda twin, home: {
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_AUTOUPDATER": "1",
            "IS_SANDBOX": "1",
        },
    ),
    Agent(
        program="gemini",
        model="gemini-2.5-pro",
        command=lambda twin: [
            *("gemini", "-p", TASK, "-m", "gemini-2.5-pro", "--yolo", "--output-format", "json")
        ],
        edit=lambda folder: [
            Call(
                "replace",
                {
                    "file_path": str(folder / "todo.txt"),
                    "instruction": "Replace apple by pear.",
                    "old_string": "buy an apple",
                    "new_string": "buy a pear",
                },
            )
        ],
        shell=lambda folder: Call("run_shell_command", {"command": COMMAND}),
        environ=lambda twin, home: {
            "GOOGLE_GEMINI_BASE_URL": twin.url,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
        prepare=gemini_settings,
        varying="$.contents[*].parts[*].functionResponse.response.output",
        runs=2,
    ),
    Agent(
        program="opencode",
        model="model",
        command=lambda twin: ["opencode", "run", "--format", "json", "-m", "twin/model", TASK],
        edit=lambda folder: [
            Call("read", {"filePath": str(folder / "todo.txt")}),
            Call(
                "edit",
                {
                    "filePath": str(folder / "todo.txt"),
                    "oldString": "buy an apple",
                    "newString": "buy a pear",
                },
            ),
        ],
        shell=lambda folder: Call("bash", {"command": COMMAND, "description": "count"}),
        environ=opencode_environ,
    ),
]


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.program)
def test_agent_works_against_the_twin_and_its_recordings(agent: Agent, tmp_path: Path) -> None:
    folder, recorded = tmp_path / "project", tmp_path / "calls.jsonl"
    calls = (", ".join(call.toml() for call in agent.edit(folder)), agent.shell(folder).toml())
    text = SCRIPT.format(task=TASK, edit=calls[0], shell=calls[1])
    with in_background(ProviderTwin(parse_script(text))) as provider:
        recorder = ProviderTwin(record=RecordingFile(recorded), providers=[provider.url])
        with in_background(recorder):
            work(agent, recorder, folder, tmp_path / "home")
        used = [one.rule for one in provider.requests]
        assert {"overloaded once", "edit", "cut once", "test", "done"} <= set(used), used
    for one in (folder, tmp_path / "home"):
        shutil.rmtree(one)
    ignore = [JsonPath(agent.varying)] if agent.varying else []
    recordings = Recordings(load_recordings(recorded), ignore=ignore)
    with in_background(ProviderTwin(recordings=recordings)) as replay:
        work(agent, replay, folder, tmp_path / "home")
        assert not [one.error for one in replay.requests if "no recording" in one.error]


def work(agent: Agent, twin: ProviderTwin, folder: Path, home: Path) -> None:
    """Let the agent do its task in a new project, and check the files afterwards."""
    if shutil.which(agent.program) is None:
        pytest.fail(f"{agent.program} is not on the PATH; run scripts/external-agents")
    for new in (folder, home):
        new.mkdir()
    agent.prepare(home)
    (folder / "todo.txt").write_text("buy an apple\n")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "any-key")
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), **keys, **twin.environ()}
    ended = [
        start(agent, twin, folder, {**environ, **agent.environ(twin, home)})
        for _ in range(agent.runs)
    ]
    log = [(one.wire, one.step, one.status, one.rule, one.error) for one in twin.requests]
    output = "\n".join(
        [*(f"{one.stdout[-3000:]}\n{one.stderr[-3000:]}" for one in ended), str(log)]
    )
    assert (folder / "todo.txt").read_text() == "buy a pear\n", output
    assert (folder / "counted.txt").exists(), output
    assert (folder / "counted.txt").read_text() == "1\n", output
    assert [bool(one.returncode) for one in ended] == [True] * (agent.runs - 1) + [False], output


def start(
    agent: Agent, twin: ProviderTwin, folder: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        agent.command(twin),
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
