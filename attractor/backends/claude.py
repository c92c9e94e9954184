"""Executes stages with the program `claude` (Claude Code) of Anthropic."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial, reduce
from operator import add

from attractor.backends.outside import outside_backend
from attractor.backends.outside_events import (
    AgentText,
    CallEnded,
    Failed,
    PersonText,
    ProgramEvent,
    SessionNamed,
    Spent,
    Warned,
    as_text,
    begin_call,
    count,
)
from attractor.backends.programs import Dialogue, Invocation, OwnTerminal, Program, Task
from attractor.backends.team import SERVER, TOKEN
from attractor.base.json import Json, JsonObject, parse_object
from attractor.engine.questions.call_rules import AskedCall
from attractor.engine.seams import WITHDRAWN, Verdict
from attractor.llm.response import Usage

_VARIABLES = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    # Otherwise claude refuses to work as root.
    "IS_SANDBOX": "1",
}

# Otherwise claude does not ask before it reads, nor where the project allows a call.
_ASKS = '{"permissions": {"ask": ["*"]}}'
_CONFIG = ".claude.json"
# As if a person had seen these dialogs before.
_KNOWN: JsonObject = {"hasCompletedOnboarding": True, "hasSeenAutoDefaultNudge": True}


def invoke(task: Task) -> Invocation:
    """Return the call of claude, which reads messages from its input while it works."""
    words = [*task.arguments, "-p", "--input-format", "stream-json"]
    words += ["--output-format", "stream-json", "--verbose"]
    words += ["--replay-user-messages", "--permission-mode"]
    asks = ["default", "--permission-prompt-tool", "stdio", "--settings", _ASKS]
    words += asks if task.approvals else ["bypassPermissions"]
    if not (team := task.team):
        return Invocation((*words, *_choose_model(task)), _VARIABLES)
    headers: dict[str, Json] = {"Authorization": f"Bearer ${{{TOKEN}}}"}
    server: dict[str, Json] = {"type": "http", "url": team.url, "headers": headers}
    words += ["--mcp-config", json.dumps({"mcpServers": {SERVER: server}})]
    return Invocation((*words, *_choose_model(task)), {**_VARIABLES, **team.variables})


def _choose_model(task: Task) -> Iterator[str]:
    """Yield the arguments for the model, and for the session to continue."""
    if task.choice.model:
        yield from ("--model", task.choice.model)
    if effort := task.choice.reasoning_effort:
        yield from ("--effort", effort)
    if task.session:
        yield from ("--resume", task.session)


def prepare(task: Task) -> Invocation:
    """Return the settings with which claude asks for no permission."""
    settings = {
        "permissions": {"defaultMode": "bypassPermissions"},
        "skipDangerousModePermissionPrompt": True,
    }
    return Invocation((), _VARIABLES, {".claude/settings.json": json.dumps(settings)})


def open_terminal(task: Task, settings: str) -> Invocation:
    """Return the call of claude for a person, whom no dialog of a first start stops."""
    words = ["--permission-mode", "bypassPermissions", *_choose_model(task)]
    own = prepare(task)
    config = {**(parse_object(settings) or {}), **_KNOWN}
    known = config.get("projects")
    projects = known if isinstance(known, dict) else {}
    here = projects.get(task.folder)
    trusted = {**(here if isinstance(here, dict) else {}), "hasTrustDialogAccepted": True}
    config["projects"] = {**projects, task.folder: trusted}
    if task.access:
        # claude asks about a key by its end.
        config["customApiKeyResponses"] = {"approved": [task.access.key[-20:]], "rejected": []}
    return Invocation(tuple(words), own.variables, {**own.files, _CONFIG: json.dumps(config)})


def read_log(line: JsonObject) -> Iterator[ProgramEvent]:
    """Read one line of a session's file."""
    if line.get("isSidechain") or line.get("isMeta"):
        return
    if isinstance(session := line.get("sessionId"), str):
        yield SessionNamed(session)
    match line:
        case {"type": "user", "message": {"content": str(text)}} if text[:1] != "<":
            yield PersonText(text)
        case {"type": "user", "message": {"content": list(blocks)}}:
            for block in blocks:
                match block:
                    case {"type": "text", "text": str(text)}:
                        yield PersonText(text)
                    case _:
                        yield from _read_block(block)
        case {"type": "assistant"}:
            yield from read(line)
        case _:
            pass


async def drive(dialogue: Dialogue) -> None:
    """Send the prompt, and follow the events until the result after the last message."""
    await dialogue.input()
    if dialogue.task.approvals:
        _tell(dialogue, type="control_request", request_id="begin", request=_INITIALIZE)
    send(dialogue, dialogue.task.prompt)
    questions: dict[str, asyncio.Task[None]] = {}
    async for event in dialogue.json_lines():
        if dialogue.task.approvals:
            _take_question(dialogue, event, questions)
        for heard in read(event):
            dialogue.take(heard)
        if event.get("isReplay") and dialogue.messages:
            dialogue.messages.popleft()
        if event.get("type") == "result" and not dialogue.messages:
            return


def send(dialogue: Dialogue, text: str) -> None:
    """Send a message, which claude repeats when it reads it between two model calls."""
    dialogue.messages.append(text)
    _tell(dialogue, type="user", message={"role": "user", "content": text})


def _tell(dialogue: Dialogue, **line: Json | JsonObject) -> None:
    dialogue.write(f"{json.dumps(line)}\n")


_INITIALIZE: JsonObject = {"subtype": "initialize"}


def _take_question(
    dialogue: Dialogue, event: JsonObject, questions: dict[str, "asyncio.Task[None]"]
) -> None:
    """Ask about a tool call, or withdraw the question that claude gave up."""
    match event:
        case {"type": "control_request", "request_id": str(id_), "request": {**request}}:
            match request:
                case {"subtype": "can_use_tool", "tool_name": str(tool), "input": {**arguments}}:
                    pass
                case _:
                    return
            if id_ in questions:
                dialogue.take(Warned("a question about a tool call came twice, and was ignored"))
                return
            why = as_text(request.get("decision_reason"))
            call = AskedCall(
                tool,
                arguments,
                dialogue.task.folder,
                why=why or as_text(arguments.get("description")),
                is_editable=True,
            )
            questions[id_] = dialogue.ask(call, partial(_answer, dialogue, id_, arguments))
        case {"type": "control_cancel_request", "request_id": str(id_)} if id_ in questions:
            questions[id_].cancel(WITHDRAWN)
        case _:
            pass


def _answer(dialogue: Dialogue, id_: str, arguments: JsonObject, verdict: Verdict) -> None:
    """Answer claude, which then makes the call with just these arguments."""
    said: dict[str, Json] = {"behavior": "deny", "message": verdict.words}
    if verdict.is_allowed:
        edited = {"command": verdict.command} if verdict.command else {}
        said = {"behavior": "allow", "updatedInput": {**arguments, **edited}}
    answer: JsonObject = {"subtype": "success", "request_id": id_, "response": said}
    _tell(dialogue, type="control_response", response=answer)


def read(event: JsonObject) -> Iterator[ProgramEvent]:
    """Read one event of `claude --output-format stream-json`."""
    match event:
        case {"type": "system", "subtype": "init", "session_id": str(session)}:
            yield SessionNamed(session, as_text(event.get("model")))
        case {"type": "assistant" | "user", "message": {"content": list(blocks)}}:
            for block in blocks:
                yield from _read_block(block)
        case {"type": "result"}:
            cost, by_model = event.get("total_cost_usd"), event.get("modelUsage")
            if isinstance(by_model, dict):
                # Of the session; `usage` is of the last message only.
                used = reduce(add, map(_tokens, by_model.values()), Usage())
                known = float(cost) if isinstance(cost, int | float) else None
                yield Spent(used, known, is_total=True)
            if event.get("is_error"):
                yield Failed(as_text(event.get("result")) or as_text(event.get("subtype")))
        case _:
            pass


_TOOLS = {"Bash": "shell", "Edit": "edit_file", "Read": "read_file", "Write": "write_file"}


def _read_block(block: Json) -> Iterator[ProgramEvent]:
    match block:
        case {"type": "text", "text": str(text)}:
            yield AgentText(text)
        case {"type": "tool_use", "id": str(call), "name": str(name), "input": {**arguments}}:
            yield begin_call(call, name, arguments, _TOOLS)
        case {"type": "tool_result", "tool_use_id": str(call), **rest}:
            text = as_text(rest.get("content"))
            yield CallEnded(call, text, text or "failed" if rest.get("is_error") else "")
        case _:
            pass


def _tokens(used: Json) -> Usage:
    if not isinstance(used, dict):
        return Usage()
    return Usage(
        count(used.get("inputTokens")),
        count(used.get("outputTokens")),
        cache_read_tokens=count(used.get("cacheReadInputTokens")),
        cache_write_tokens=count(used.get("cacheCreationInputTokens")),
    )


CLAUDE = Program(
    name="claude",
    remedy="install it: npm install -g @anthropic-ai/claude-code",
    invoke=invoke,
    drive=drive,
    providers=("anthropic", "bedrock", "vertex_ai"),
    login=".claude/.credentials.json",
    # The second file has the usage of the session so far.
    sessions=(".claude/projects", _CONFIG),
    keeps_input=True,
    asks=True,
    steer=send,
    prepare=prepare,
    terminal=OwnTerminal(
        invoke=open_terminal,
        log='cd .claude/projects && cat -- "$(ls -t -- */*.jsonl | head -n 1)"',
        read=read_log,
        settings=_CONFIG,
    ),
)
_OPTIONS = {
    "--append-system-prompt": r"[\s\S]+",
    "--disallowedTools": r".+",
    "--effort": r"\w+",
    "--fallback-model": r"[\w.:@/-]+",
    "--max-turns": r"\d+",
}
part = outside_backend(lambda parts: CLAUDE, options=_OPTIONS)
