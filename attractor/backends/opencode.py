"""Executes stages with the program `opencode`, with models of any provider."""

import json
from collections.abc import Iterator, Mapping

from attractor.backends.outside import outside_backend
from attractor.backends.outside_events import (
    AgentText,
    CallEnded,
    Failed,
    PersonText,
    ProgramEvent,
    SessionNamed,
    Spent,
    as_text,
    begin_call,
    count,
)
from attractor.backends.programs import Dialogue, Invocation, OwnTerminal, Program, Task
from attractor.backends.team import SERVER
from attractor.base.json import Json, JsonObject
from attractor.llm.response import Usage

_PACKAGES: Mapping[str, str] = {
    "anthropic": "@ai-sdk/anthropic",
    "gemini": "@ai-sdk/google",
    "openai": "@ai-sdk/openai",
    "openai_compatible": "@ai-sdk/openai-compatible",
}
_VERSIONS: Mapping[str, str] = {"anthropic": "/v1", "gemini": "/v1beta"}
_NAMES: Mapping[str, str] = {"gemini": "google"}
_PROVIDER = "attractor"
_TOOLS = {"bash": "shell", "edit": "edit_file", "read": "read_file", "write": "write_file"}


def invoke(task: Task) -> Invocation:
    """Return the call of opencode, which reads the prompt from its input."""
    words = ["run", *task.arguments, "--format", "json"]
    if effort := task.choice.reasoning_effort:
        words += ["--variant", effort]
    return Invocation((*words, *_choose_model(task)), configure(task), {}, task.prompt)


def open_terminal(task: Task, settings: str) -> Invocation:
    """Return the call of opencode for a person."""
    return Invocation((*_choose_model(task),), configure(task))


def _choose_model(task: Task) -> Iterator[str]:
    """Yield the arguments for the model, and for the session to continue."""
    if model := task.choice.model:
        yield from ("-m", f"{_PROVIDER if task.access else task.choice.provider}/{model}")
    if task.session:
        yield from ("--session", task.session)


def configure(task: Task) -> Mapping[str, str]:
    """Return the variables with the configuration: the model, and its address."""
    model, access = task.choice.model, task.access
    config: dict[str, Json] = {
        "permission": "ask" if task.approvals else "allow",
        "share": "disabled",
        "autoupdate": False,
        "instructions": [f"{task.folder}/AGENTS.md"] if task.approvals else [],
    }
    if access:
        url = access.url + _VERSIONS.get(access.provider, "")
        provider: dict[str, Json] = {"options": {"baseURL": url, "apiKey": access.key}}
        if model:
            package = _PACKAGES[access.provider]
            config["model"] = f"{_PROVIDER}/{model}"
            config["provider"] = {
                _PROVIDER: {**provider, "npm": package, "models": {model: {"name": model}}}
            }
        else:
            # opencode chooses one of the models that it knows.
            config["provider"] = {_NAMES.get(access.provider, access.provider): provider}
    if team := task.team:
        server: dict[str, Json] = {"type": "remote", "url": team.url, "headers": team.headers}
        config["mcp"] = {SERVER: server}
    return {
        "OPENCODE_CONFIG_CONTENT": json.dumps(config),
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        # The project could allow calls, and the agent can write its configuration.
        **({"OPENCODE_DISABLE_PROJECT_CONFIG": "1"} if task.approvals else {}),
    }


async def drive(dialogue: Dialogue) -> None:
    """Follow the events until the end."""
    async for event in dialogue.json_lines():
        for heard in read(event, provider=dialogue.task.choice.provider):
            dialogue.take(heard)


def read(event: JsonObject, *, provider: str) -> Iterator[ProgramEvent]:
    """Read one event of `opencode run --format json`."""
    if isinstance(session := event.get("sessionID"), str):
        yield SessionNamed(session)
    match event:
        case {"type": "text", "part": {"text": str(text)}}:
            yield AgentText(text)
        case {"type": "tool_use", "part": {"callID": str(call), "tool": str(name), "state": state}}:
            match state:
                case {"status": str(status), "input": {**arguments}, **rest}:
                    yield begin_call(call, name, arguments, _TOOLS)
                    error = as_text(rest.get("error")) or "failed"
                    yield CallEnded(
                        call, as_text(rest.get("output")), error if status == "error" else ""
                    )
                case _:
                    pass
        case {"type": "step_finish", "part": {"tokens": {**used}}}:
            yield _spent(used, provider)
        case {"type": "error", "error": error}:
            match error:
                case {"data": {"message": str(message)}}:
                    yield Failed(message)
                case _:
                    yield Failed(as_text(error))
        case _:
            pass


# To a file, because opencode ends before a pipe has taken the whole of a long output.
_LOG = """log=$(mktemp) && "$program" db "
SELECT json_object(
    'timestamp', strftime('%Y-%m-%dT%H:%M:%f', message.time_created / 1000.0, 'unixepoch'),
    'sessionID', message.session_id, 'role', message.data ->> 'role', 'part', json(part.data))
FROM part JOIN message ON message.id = part.message_id
WHERE message.session_id = (
    SELECT id FROM session WHERE parent_id IS NULL ORDER BY time_updated DESC LIMIT 1)
ORDER BY message.time_created, part.id" > "$log"; cat "$log"; rm "$log"
"""


def read_log(line: JsonObject) -> Iterator[ProgramEvent]:
    """Read one part of a message from the database of opencode."""
    match line:
        case {"sessionID": str(session), "role": "user", "part": {"text": str(text), **rest}}:
            yield SessionNamed(session)
            # Others are of opencode itself, such as the content of a named file.
            if not rest.get("synthetic"):
                yield PersonText(text)
        case {"role": "assistant", "part": {"type": "text"}}:
            yield from read({**line, "type": "text"}, provider="")
        case {"role": "assistant", "part": {"type": "tool"}}:
            yield from read({**line, "type": "tool_use"}, provider="")
        case _:
            pass


def _spent(used: JsonObject, provider: str) -> Spent:
    cached = used.get("cache")
    cache = cached if isinstance(cached, dict) else {}
    read, written = count(cache.get("read")), count(cache.get("write"))
    # opencode never counts cached tokens as input. Its cost is 0, because it does not know the
    # prices of a provider that is not its own.
    other = 0 if provider == "anthropic" else read + written
    return Spent(
        Usage(
            count(used.get("input")) + other,
            count(used.get("output")) + count(used.get("reasoning")),
            cache_read_tokens=read,
            cache_write_tokens=written,
        )
    )


OPENCODE = Program(
    name="opencode",
    remedy="install it: npm install -g opencode-ai",
    invoke=invoke,
    drive=drive,
    providers=("anthropic", "openai", "gemini", "openai_compatible"),
    login=".local/share/opencode/auth.json",
    sessions=(".local/share/opencode",),
    needs_model=True,
    prepare=lambda task: Invocation((), configure(task)),
    terminal=OwnTerminal(invoke=open_terminal, log=_LOG, read=read_log),
)
_OPTIONS = {"--agent": r"[\w-]+", "--variant": r"[\w-]+"}
part = outside_backend(lambda parts: OPENCODE, options=_OPTIONS)
