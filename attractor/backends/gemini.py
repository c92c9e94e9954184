"""Executes stages with the program `gemini` of Google."""

import json
from collections.abc import Iterator, Mapping

from attractor.backends.outside import outside_backend
from attractor.backends.outside_events import (
    AgentText,
    CallEnded,
    Failed,
    ProgramEvent,
    SessionNamed,
    Spent,
    Warned,
    as_text,
    begin_call,
    count,
)
from attractor.backends.programs import Invocation, Program, Task, follow
from attractor.backends.team import SERVER
from attractor.base.json import Json, JsonObject
from attractor.llm.response import Usage

_SETTINGS = {
    "general": {"disableAutoUpdate": True, "enableAutoUpdate": False},
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
}
_WITH_KEY: JsonObject = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
_VARIABLES = {"GEMINI_CLI_TRUST_WORKSPACE": "true"}


def invoke(task: Task) -> Invocation:
    """Return the call of gemini, which reads the prompt from its input."""
    words = [*task.arguments, "--yolo", "--output-format", "stream-json"]
    if task.choice.model:
        words += ["-m", task.choice.model]
    # Without a home folder of its own, gemini uses the operator's.
    files = _files({**_WITH_KEY, **_team(task)} if task.home else None)
    return Invocation(tuple(words), _VARIABLES, files, task.prompt)


def _team(task: Task) -> JsonObject:
    if (team := task.team) is None:
        return {}
    server: dict[str, Json] = {"httpUrl": team.url, "headers": team.headers, "trust": True}
    return {"mcpServers": {SERVER: server}}


def prepare(task: Task) -> Invocation:
    """Return the settings with which gemini uses a key, and asks for no permission."""
    allowed: list[Json] = ["run_shell_command", "write_file", "replace", "web_fetch"]
    return Invocation((), _VARIABLES, _files({**_WITH_KEY, "tools": {"allowed": allowed}}))


def _files(more: JsonObject | None) -> Mapping[str, str]:
    return {} if more is None else {".gemini/settings.json": json.dumps({**_SETTINGS, **more})}


_TOOLS = {"replace": "edit_file", "run_shell_command": "shell"}


def read(event: JsonObject) -> Iterator[ProgramEvent]:
    """Read one event of `gemini --output-format stream-json`."""
    match event:
        case {"type": "init", "session_id": str(session)}:
            yield SessionNamed(session, as_text(event.get("model")))
        case {"type": "message", "role": "assistant", "content": str(text)}:
            yield AgentText(text, is_piece=event.get("delta") is True)
        case {"type": "tool_use", "tool_id": str(call), "tool_name": str(name)}:
            arguments = event.get("parameters")
            yield begin_call(call, name, arguments if isinstance(arguments, dict) else {}, _TOOLS)
        case {"type": "tool_result", "tool_id": str(call)}:
            error = as_text(event.get("error")) or "failed"
            output = as_text(event.get("output"))
            yield CallEnded(call, output, error if event.get("status") == "error" else "")
        case {"type": "error", "message": str(message)}:
            yield Warned(message)
        case {"type": "result"}:
            yield from _read_result(event)
        case _:
            pass


def _read_result(event: JsonObject) -> Iterator[ProgramEvent]:
    match event.get("stats"):
        case {**stats}:
            yield Spent(
                Usage(
                    count(stats.get("input_tokens")),
                    count(stats.get("output_tokens")),
                    cache_read_tokens=count(stats.get("cached")),
                )
            )
        case _:
            pass
    if event.get("status") == "error":
        yield Failed(as_text(event.get("error")))


# gemini 0.61 sends an invalid history when it resumes a session with tool calls, so `sessions` is
# empty.
GEMINI = Program(
    name="gemini",
    remedy="install it: npm install -g @google/gemini-cli",
    invoke=invoke,
    drive=follow(read),
    providers=("gemini",),
    login=".gemini/oauth_creds.json",
    prepare=prepare,
)
_OPTIONS = {"--allowed-mcp-server-names": r"[\w,-]+", "--extensions": r"[\w,-]+"}
part = outside_backend(lambda parts: GEMINI, keeps_sessions=False, options=_OPTIONS)
