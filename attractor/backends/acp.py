"""Executes stages with any agent that speaks the Agent Client Protocol."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from attractor import __version__
from attractor.backends import opencode
from attractor.backends.models import ModelChoice
from attractor.backends.outside import outside_backend
from attractor.backends.outside_events import (
    AgentText,
    CallBegun,
    CallEnded,
    Failed,
    SessionNamed,
    Spent,
    Warned,
    as_text,
    begin_call,
    count,
)
from attractor.backends.programs import Dialogue, Invocation, Program, Task
from attractor.backends.provider_needs import KEYS, has_native_key
from attractor.backends.registry import OutsideParts
from attractor.backends.team import SERVER
from attractor.base.json import JsonObject
from attractor.engine.questions.call_rules import AskedCall
from attractor.engine.seams import Verdict
from attractor.llm.response import Usage

if TYPE_CHECKING:
    from acp.client.connection import ClientSideConnection
    from acp.schema import (
        AcpMcpServer,
        HttpMcpServer,
        McpServerStdio,
        PermissionOption,
        RequestPermissionResponse,
        SessionConfigOptionBoolean,
        SessionConfigOptionSelect,
        SessionConfigSelectOption,
        SseMcpServer,
        ToolCallProgress,
        ToolCallStart,
        ToolCallUpdate,
    )

# A person answers about one call.
_ONCE = frozenset({"allow_once", "reject_once"})
_NOT_ONCE = Verdict(False, "a person could not allow this call alone")
_ENDED_CALL = ("completed", "failed")
_TOOLS = {"edit": "edit_file", "execute": "shell", "fetch": "web_fetch", "read": "read_file"}
# Its loaded sessions lose their history, or have the results of tools twice.
_CANNOT_LOAD = frozenset({"gemini-cli"})


class _Call:
    """A tool call, put together from several messages of the agent."""

    def __init__(self) -> None:
        self.kind = self.title = self.status = ""
        self.input: JsonObject = {}
        self.content: Sequence[Any] = ()
        self.places: Sequence[str] = ()
        self.is_begun = False

    def add(self, message: "ToolCallStart | ToolCallProgress | ToolCallUpdate") -> None:
        """Add the fields of a message."""
        self.kind, self.title = message.kind or self.kind, message.title or self.title
        self.status = message.status or self.status
        self.content = message.content or self.content
        self.places = [location.path for location in message.locations or ()] or self.places
        match message.raw_input:
            case {**arguments}:
                self.input = cast(JsonObject, arguments) or self.input
            case _:
                pass

    def begun(self, call_id: str) -> CallBegun:
        """Return the start of the call: its tool by the kind, otherwise its title."""
        name = _TOOLS.get(self.kind, self.title or self.kind)
        return begin_call(call_id, name, self.input or self._guess_input(), {})

    def _guess_input(self) -> JsonObject:
        """Return the input as far as the other fields show it."""
        for item in self.content:
            if item.type == "diff":
                old = item.old_text or ""
                return {"file_path": item.path, "old_string": old, "new_string": item.new_text}
        if self.kind == "execute":
            return {"command": self.title}
        # gemini-cli shows no change of an edit that fails.
        if self.kind in ("edit", "read") and self.places:
            return {"file_path": self.places[0]}
        return {"locations": [*self.places]} if self.places else {}

    def asked(self, arguments: JsonObject) -> JsonObject:
        """Return arguments with each path of the call, and with the lines of each change."""
        diffs = [item for item in self.content if item.type == "diff"]
        paths = dict.fromkeys([*(diff.path for diff in diffs), *self.places])
        places: JsonObject = {"locations": [*paths]} if paths else {}
        lines = "\n".join(line for diff in diffs for line in _patch(diff))
        patch: JsonObject = {"patch": lines} if lines else {}
        return {**patch, **arguments, **places}


def _patch(diff: Any) -> Iterator[str]:
    yield f"*** Update File: {diff.path}"
    for mark, text in (("-", diff.old_text or ""), ("+", diff.new_text)):
        yield from (f"{mark}{line}" for line in text.splitlines())


class _AcpClient:
    """Takes the messages of an agent, and grants what it asks for, as the sandbox allows."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._calls = defaultdict[str, _Call](_Call)
        self.is_replay = False

    async def session_update(self, session_id: str, update: Any, **others: Any) -> None:
        """Take a part of an answer, or a tool call; a loaded session repeats old ones."""
        if self.is_replay:
            return
        match update.session_update:
            case "agent_message_chunk":
                if text := getattr(update.content, "text", ""):
                    self._dialogue.take(AgentText(text, is_piece=True))
            case "tool_call" | "tool_call_update":
                call = self._calls[update.tool_call_id]
                call.add(update)
                # A pending call often gets its name and its input later.
                if call.status != "pending":
                    self._begin(update.tool_call_id)
                if update.status in _ENDED_CALL:
                    texts = [_content_text(item) for item in update.content or ()]
                    output = "\n".join(filter(None, texts)) or as_text(update.raw_output)
                    error = output or "failed" if update.status == "failed" else ""
                    self._dialogue.take(CallEnded(update.tool_call_id, output, error))
            case _:
                pass

    def _begin(self, call_id: str) -> None:
        call = self._calls[call_id]
        if not call.is_begun:
            call.is_begun = True
            self._dialogue.take(call.begun(call_id))

    async def request_permission(
        self,
        session_id: str,
        tool_call: "ToolCallUpdate",
        options: "Sequence[PermissionOption]",
        **others: Any,
    ) -> "RequestPermissionResponse":
        """Allow the tool call once, as the sandbox or a person does.

        If the agent offers nothing else, the sandbox allows it for longer, and a person refuses it.
        """
        # See `drive`.
        from acp.schema import AllowedOutcome, DeniedOutcome, RequestPermissionResponse

        self._calls[tool_call.tool_call_id].add(tool_call)
        self._begin(tool_call.tool_call_id)
        by_kind = {option.kind: option.option_id for option in reversed(options)}
        has_person = self._dialogue.task.approvals is not None
        if has_person:
            by_kind = {kind: by_kind[kind] for kind in by_kind.keys() & _ONCE}
        chosen = by_kind.get("allow_once") or by_kind.get("allow_always")
        is_asked = chosen or not has_person
        verdict = await self._ask(tool_call.tool_call_id) if is_asked else _NOT_ONCE
        if not verdict.is_allowed:
            # The answer itself has no words.
            self._dialogue.messages.append(f"Not done: {verdict.words}")
            chosen = by_kind.get("reject_once") or by_kind.get("reject_always")
        if chosen is None:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        outcome = AllowedOutcome(outcome="selected", option_id=chosen)
        return RequestPermissionResponse(outcome=outcome)

    async def _ask(self, call_id: str) -> Verdict:
        """Ask a person; an error would be an answer to the agent, so it ends the program."""
        asked, folder = self._calls[call_id], self._dialogue.task.folder
        begun = asked.begun(call_id)
        # The title is free text, which must not look like a tool that only reads.
        tool = begun.name if asked.kind in _TOOLS else f"{asked.kind or 'other'}: {begun.name}"
        call = AskedCall(tool, asked.asked(begun.arguments), folder, why=asked.title)
        answered: asyncio.Future[Verdict] = asyncio.Future()
        self._dialogue.ask(call, answered.set_result)
        return await answered


def _content_text(content: Any) -> str:
    """Return the text of a tool call's content; of an edit, the path and the new text."""
    if content.type == "diff":
        return f"{content.path}\n{content.new_text}"
    return getattr(getattr(content, "content", None), "text", "")


async def drive(dialogue: Dialogue) -> None:
    """Open a session with the model, send the prompt and later messages, and await the answers."""
    # The library is slow to import, and only stages of this backend need it.
    from acp import RequestError, connect_to_agent

    writer = await dialogue.input()
    if writer is None:
        return
    client = _AcpClient(dialogue)
    connection = connect_to_agent(client, writer, dialogue.output)  # pyright: ignore
    try:
        session = await _open_session(connection, client, dialogue)
        dialogue.messages.append(dialogue.task.prompt)
        while dialogue.messages:
            await _ask(connection, session, dialogue)
    except RequestError as error:
        dialogue.take(Failed(str(error)))
    except ConnectionError:
        return  # the agent has ended: its exit status tells more
    finally:
        await connection.close()


async def _open_session(
    connection: "ClientSideConnection", client: _AcpClient, dialogue: Dialogue
) -> str:
    """Return the id of a new session, or of the session to continue."""
    # See `drive`.
    from acp import PROTOCOL_VERSION
    from acp.schema import Implementation

    own = Implementation(name="attractor", version=__version__)
    agent = await connection.initialize(PROTOCOL_VERSION, client_info=own)
    task, abilities, about = dialogue.task, agent.agent_capabilities, agent.agent_info
    can_load = bool(abilities and abilities.load_session)
    can_load = can_load and not (about and about.name in _CANNOT_LOAD)
    version = f"{about.name} {about.version}" if about else ""
    servers = _servers(task)
    if task.session and can_load:
        session = task.session
        client.is_replay = True
        opened = await connection.load_session(
            cwd=task.folder, session_id=session, mcp_servers=servers
        )
        client.is_replay = False
    else:
        opened = await connection.new_session(cwd=task.folder, mcp_servers=servers)
        session = opened.session_id
    why_not = await _choose_model(connection, session, opened.config_options or (), task.choice)
    kept = session if can_load else ""
    dialogue.take(SessionNamed(kept, version=version, has_other_model=bool(why_not)))
    if why_not:
        model = task.choice.model
        dialogue.take(Warned(f"the agent works with its own model, not with {model!r}: {why_not}"))
    return session


def _servers(task: Task) -> "list[HttpMcpServer | SseMcpServer | AcpMcpServer | McpServerStdio]":
    # See `drive`.
    from acp.schema import HttpHeader, HttpMcpServer

    if (team := task.team) is None:
        return []
    headers = [HttpHeader(name=name, value=str(value)) for name, value in team.headers.items()]
    return [HttpMcpServer(name=SERVER, url=team.url, headers=headers, type="http")]


async def _choose_model(
    connection: "ClientSideConnection",
    session: str,
    options: "Sequence[SessionConfigOptionSelect | SessionConfigOptionBoolean]",
    choice: ModelChoice,
) -> str:
    """Choose the model of the stage, if it has one; return why the agent does not use it."""
    # See `drive`.
    from acp import RequestError

    if not choice.model:
        return ""
    try:
        for option in options:
            if option.type == "select" and option.category == "model":
                # opencode names the model of its configuration with our provider.
                if option.current_value.rpartition("/")[2] == choice.model:
                    return ""
                offered = {offer.value for offer in _offers(option)}
                for name in (choice.model, f"{choice.provider}/{choice.model}"):
                    if name in offered:
                        await connection.set_config_option(option.id, session, name)
                        return ""
                return "it does not offer the model"
        # gemini-cli has an earlier form of the protocol, which the library has not.
        await connection._conn.send_request(  # pyright: ignore[reportPrivateUsage]
            "session/set_model", {"sessionId": session, "modelId": choice.model}
        )
    except RequestError as error:
        return str(error)
    return ""


def _offers(option: "SessionConfigOptionSelect") -> "Iterator[SessionConfigSelectOption]":
    for offer in option.options:
        if isinstance(group := getattr(offer, "options", None), list):
            yield from cast("list[SessionConfigSelectOption]", group)
        else:
            yield cast("SessionConfigSelectOption", offer)


async def _ask(connection: "ClientSideConnection", session: str, dialogue: Dialogue) -> None:
    # See `drive`.
    from acp import text_block

    text = text_block(dialogue.messages.popleft())
    answer = await connection.prompt(session_id=session, prompt=[text])
    if used := answer.usage:
        tokens = Usage(
            used.input_tokens,
            used.output_tokens,
            cache_read_tokens=used.cached_read_tokens,
            cache_write_tokens=used.cached_write_tokens,
        )
        dialogue.take(Spent(tokens))
    else:
        # gemini-cli counts here, outside of the protocol.
        match answer.field_meta:
            case {"quota": {"token_count": {**counts}}}:
                given, written = count(counts.get("input_tokens")), counts.get("output_tokens")
                dialogue.take(Spent(Usage(given, count(written))))
            case _:
                pass
    if answer.stop_reason != "end_turn":
        dialogue.take(Failed(f"the agent stopped: {answer.stop_reason}"))


def send(dialogue: Dialogue, text: str) -> None:
    """Send a message after the current answer: the protocol has no earlier time."""
    dialogue.messages.append(text)


def invoke(task: Task) -> Invocation:
    """Return the call of the agent, without arguments besides those of the settings.

    opencode reads the address of its models from its configuration only.
    """
    return Invocation(variables=opencode.configure(task) if task.access or task.approvals else {})


_PROVIDERS = {"claude": "anthropic", "codex": "openai", "gemini": "gemini"}


def _find_offered(run: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the providers with a key; if the command names a known agent, only that agent's."""
    known = [provider for name, provider in _PROVIDERS.items() if name in run]
    return tuple(provider for provider in known or KEYS if has_native_key(provider, environ))


def program(parts: OutsideParts | None) -> Program:
    """Return the agent of the settings.

    Without a provider in the settings, the model decides, otherwise the name of the agent or the
    only provider with a key: then the agent's model calls pass the model proxy, which counts them.
    """
    settings = parts.settings.acp if parts and parts.settings else None
    run = settings.run if settings else ""
    is_opencode = Path(run.partition(" ")[0]).name == opencode.OPENCODE.name
    return Program(
        name="acp",
        remedy='set run in [backends.acp] of attractor.toml, such as run = "my-agent --acp"',
        invoke=invoke,
        drive=drive,
        run=run,
        providers=(settings.provider,) if settings and settings.provider else (),
        offered=_find_offered(settings.run, parts.environ)
        if parts and settings and not settings.provider
        else (),
        read=settings.read if settings else (),
        sessions=(".",),
        needs_run=True,
        prints_version=False,
        keeps_input=True,
        asks=True,
        steer=send,
        terminal=opencode.OPENCODE.terminal if is_opencode else None,
    )


part = outside_backend(program)
