"""Executes stages with the program `codex` of OpenAI."""

import json
import shlex
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from attractor.backends.model_proxy import ModelAccess
from attractor.backends.outside import outside_backend
from attractor.backends.outside_events import (
    AgentText,
    CallBegun,
    CallEnded,
    Failed,
    PersonText,
    ProgramEvent,
    SessionNamed,
    Spent,
    Warned,
    as_text,
    count,
)
from attractor.backends.programs import Dialogue, Invocation, OwnTerminal, Program, Task, follow
from attractor.backends.team import SERVER, TOKEN
from attractor.base.clock import SystemClock
from attractor.base.json import Json, JsonObject, parse_object
from attractor.llm.response import Usage


def invoke(task: Task) -> Invocation:
    """Return the call of codex, which reads the prompt from its input."""
    # codex cannot start its own sandbox inside another one: it writes nothing, and exits with 0.
    words = ["exec", *task.arguments, "--json", "--skip-git-repo-check", "-s", "danger-full-access"]
    words += ["-m", task.choice.model] if task.choice.model else []
    words += _settings(task)
    words += ["resume", task.session, "-"] if task.session else ["-"]
    return Invocation(tuple(words), *_place(task), task.prompt)


def invoke_server(task: Task) -> Invocation:
    """Return the call of codex as a server, which asks before tool calls."""
    return Invocation(("app-server", *task.arguments, *_settings(task)), *_place(task))


async def drive_server(dialogue: Dialogue) -> None:
    """Follow codex as a server to the end of its work."""
    # Imported here, because few runs ask.
    from attractor.backends.codex_server import ServerTalk

    await dialogue.input()
    await ServerTalk(dialogue, read, _command).drive()


def _settings(task: Task) -> Sequence[str]:
    words = ["-c", "check_for_update_on_startup=false", "-c", "analytics.enabled=false"]
    if effort := task.choice.reasoning_effort:
        words += ["-c", f"model_reasoning_effort={effort}"]
    if access := task.access:
        name, key = _describe(access)
        provider = f'{{name="{name}",base_url="{access.url}",{key},wire_api="responses"}}'
        words += ["-c", "model_provider=attractor", "-c", f"model_providers.attractor={provider}"]
        words += ["-c", f'chatgpt_base_url="{access.url}"'] if access.login else []
    if team := task.team:
        server = f'{{url="{team.url}",bearer_token_env_var="{TOKEN}"}}'
        words += ["-c", f"mcp_servers.{SERVER}={server}"]
    return words


def _place(task: Task) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the variables and the files of the home folder, which codex refuses to miss."""
    variables: Mapping[str, str] = task.team.variables if task.team else {}
    if not task.home:
        return variables, {}
    files = {".codex/config.toml": "", **_login_file(task)}
    return {**variables, "CODEX_HOME": f"{task.home}/.codex"}, files


def _describe(access: ModelAccess) -> tuple[str, str]:
    """Return the name of the provider, by which codex knows Azure, and the setting of the key."""
    key = "requires_openai_auth=true" if access.login else f'env_key="{access.key_variable}"'
    return "azure" if access.provider == "azure" else "attractor", key


def _login_file(task: Task) -> Mapping[str, str]:
    """Return the file of a login with placeholders, as the proxy expects them."""
    if not (task.access and task.access.login):
        return {}
    claims = {
        "email": "placeholder@example.com",
        "https://api.openai.com/auth": {
            "chatgpt_plan_type": "plus",
            "chatgpt_user_id": "placeholder",
            "chatgpt_account_id": "placeholder",
        },
    }
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    token = ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, b"none"))
    content = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": token,
            "access_token": task.access.key,
            "refresh_token": "",
            "account_id": "placeholder",
        },
        # codex renews older tokens.
        "last_refresh": SystemClock().now().isoformat().replace("+00:00", "Z"),
    }
    return {".codex/auth.json": json.dumps(content)}


_CONFIG = """model_provider = "attractor"
sandbox_mode = "danger-full-access"
approval_policy = "never"
check_for_update_on_startup = false
analytics.enabled = false
chatgpt_base_url = %s

[model_providers.attractor]
name = "%s"
base_url = %s
%s
wire_api = "responses"

[projects.%s]
trust_level = "trusted"
"""


def prepare(task: Task) -> Invocation:
    """Return the settings with which codex asks for no permission, and finds its models."""
    own = json.dumps(task.access.url if task.access else "")
    name, key = _describe(task.access) if task.access else ("attractor", "")
    config = _CONFIG % (own, name, own, key, json.dumps(task.folder))
    variables = {"CODEX_HOME": f"{task.home}/.codex"}
    return Invocation((), variables, {".codex/config.toml": config, **_login_file(task)})


def open_terminal(task: Task, settings: str) -> Invocation:
    """Return the call of codex for a person, whom no dialog of a first start stops."""
    words = ["-m", task.choice.model] if task.choice.model else []
    if effort := task.choice.reasoning_effort:
        words += ["-c", f"model_reasoning_effort={effort}"]
    own = prepare(task)
    words += ["resume", task.session] if task.session else []
    return Invocation(tuple(words), own.variables, own.files)


def read_log(line: JsonObject) -> Iterator[ProgramEvent]:
    """Read one line of a session's file."""
    match line:
        case {"type": "session_meta", "payload": {"id": str(session)}}:
            yield SessionNamed(session)
        case {"payload": {"type": "message", "role": "user", "content": content}}:
            # Others are of codex itself.
            if (text := as_text(content))[:1] != "<":
                yield PersonText(text)
        case {"payload": {"type": "message", "role": "assistant", "content": content}}:
            yield AgentText(as_text(content))
        case {"payload": {"type": str(kind), "call_id": str(call), **rest}}:
            name = as_text(rest.get("name"))
            if kind in ("function_call", "custom_tool_call"):
                given = as_text(rest.get("arguments") or rest.get("input"))
                yield CallBegun(call, name, parse_object(given) or {"input": given})
            elif kind in ("function_call_output", "custom_tool_call_output"):
                yield CallEnded(call, as_text(rest.get("output")))
        case _:
            pass


def read(event: JsonObject) -> Iterator[ProgramEvent]:
    """Read one event of `codex exec --json`."""
    match event:
        case {"type": "thread.started", "thread_id": str(session)}:
            yield SessionNamed(session)
        case {"type": "item.started", "item": {"id": str(item), "type": str(kind), **rest}}:
            yield from _begun(item, kind, rest)
        case {"type": "item.completed", "item": {"id": str(item), "type": str(kind), **rest}}:
            yield from _ended(item, kind, rest)
        case {"type": "turn.completed", "usage": {**used}}:
            yield Spent(
                Usage(
                    count(used.get("input_tokens")),
                    count(used.get("output_tokens")),
                    cache_read_tokens=count(used.get("cached_input_tokens")),
                ),
                is_total=True,
            )
        case {"type": "turn.failed", "error": {"message": str(message)}}:
            yield Failed(message)
        case {"type": "error", "message": str(message)}:
            yield Warned(message)
        case _:
            pass


def _begun(item: str, kind: str, rest: JsonObject) -> Iterator[ProgramEvent]:
    match kind:
        case "command_execution":
            yield CallBegun(item, "shell", {"command": _command(as_text(rest.get("command")))})
        case "file_change":
            yield CallBegun(item, "apply_patch", {"changes": _changes(rest.get("changes"))})
        case "mcp_tool_call":
            name = f"{as_text(rest.get('server'))}.{as_text(rest.get('tool'))}"
            yield CallBegun(item, name, {"arguments": rest.get("arguments")})
        case "web_search":
            yield CallBegun(item, "web_search", {"query": as_text(rest.get("query"))})
        case _:
            pass


def _ended(item: str, kind: str, rest: JsonObject) -> Iterator[ProgramEvent]:
    is_failed = rest.get("status") in ("failed", "declined")
    match kind:
        case "agent_message":
            yield AgentText(as_text(rest.get("text")))
        case "error":
            yield Warned(as_text(rest.get("message")))
        case "command_execution":
            output = as_text(rest.get("aggregated_output"))
            failed = f"exit status {rest.get('exit_code')}\n{output}"
            yield CallEnded(item, output, failed if is_failed else "")
        case "file_change":
            changes = _changes(rest.get("changes"))
            yield CallEnded(item, changes, "the patch was not applied" if is_failed else "")
        case "mcp_tool_call":
            error = as_text(rest.get("error")) if is_failed else ""
            yield CallEnded(item, as_text(rest.get("result")), error)
        case "web_search":
            yield CallEnded(item)
        case _:
            pass


_SHELLS = [f"{at}{name}" for at in ("", "/bin/", "/usr/bin/") for name in ("bash", "sh", "zsh")]


def _command(text: str) -> str:
    """Return a command without the shell that codex adds."""
    with suppress(ValueError):
        match shlex.split(text):
            case [program, "-lc" | "-c", command] if program in _SHELLS:
                return command
            case _:
                pass
    return text


def _changes(changes: Json) -> str:
    """Return the changed files, one in a line."""
    lines: list[str] = []
    for change in changes if isinstance(changes, list) else []:
        match change:
            case {"path": str(path), "kind": kind}:
                # codex as a server has an object.
                named = kind.get("type") if isinstance(kind, dict) else kind
                lines.append(f"{as_text(named)} {path}")
            case _:
                pass
    return "\n".join(lines)


_EXEC = Program(
    name="codex",
    remedy="install it: npm install -g @openai/codex",
    invoke=invoke,
    drive=follow(read),
    providers=("openai", "azure"),
    login=".codex/auth.json",
    sessions=(".codex/sessions",),
    prepare=prepare,
    terminal=OwnTerminal(
        invoke=open_terminal,
        log='cat -- "$(ls -t -- .codex/sessions/*/*/*/*.jsonl | head -n 1)"',
        read=read_log,
    ),
)
CODEX = replace(
    _EXEC, asking=replace(_EXEC, invoke=invoke_server, drive=drive_server, keeps_input=True)
)
_OPTIONS = {"-c": r"model_(reasoning_effort|reasoning_summary|verbosity)=\w+"}
part = outside_backend(lambda parts: CODEX, options=_OPTIONS)
