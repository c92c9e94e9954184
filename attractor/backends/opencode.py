"""Executes stages with the program `opencode`, with models of any provider."""

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
    as_text,
    begin_call,
    count,
)
from attractor.backends.programs import Dialogue, Invocation, Program, Task
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
    model, access = task.choice.model, task.access
    words = ["run", *task.arguments, "--format", "json"]
    if model:
        words += ["-m", f"{_PROVIDER if access else task.choice.provider}/{model}"]
    if effort := task.choice.reasoning_effort:
        words += ["--variant", effort]
    if task.session:
        words += ["--session", task.session]
    return Invocation(tuple(words), configure(task), {}, task.prompt)


def configure(task: Task) -> Mapping[str, str]:
    """Return the variables with the configuration: the model, and its address."""
    model, access = task.choice.model, task.access
    config: dict[str, Json] = {
        "permission": "ask" if task.approvals else "allow",
        "share": "disabled",
        "autoupdate": False,
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
)
_OPTIONS = {"--agent": r"[\w-]+", "--variant": r"[\w-]+"}
part = outside_backend(lambda parts: OPENCODE, options=_OPTIONS)
