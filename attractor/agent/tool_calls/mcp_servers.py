"""Offers the tools of MCP servers as tools of an agent, named `server__tool`.

A server with a command is started in the environment of the agent, with the rights and the network
of the agent's own commands. A server with a URL is reached from this process.
"""

import asyncio
import base64
import json
import re
import shlex
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast

import anyio

from attractor.agent.errors import McpServerFailed, ToolError
from attractor.agent.tool_calls.tool import RegisteredTool, ToolOutput
from attractor.base.errors import AttractorError
from attractor.base.json import JsonObject
from attractor.config.settings import McpServerSettings
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.messages import ImageData
from attractor.llm.request import ToolDefinition

if TYPE_CHECKING:
    import mcp_types
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.client import Client, Transport
    from mcp.shared.message import SessionMessage

    Incoming = MemoryObjectSendStream[SessionMessage | Exception]
    Outgoing = MemoryObjectReceiveStream[SessionMessage]
    Streams = tuple[
        MemoryObjectReceiveStream[SessionMessage | Exception],
        MemoryObjectSendStream[SessionMessage],
    ]

START_LIMIT_S = 30.0
CALL_LIMIT_S = 600.0
_END_LIMIT_S = 10.0
_SEND_LIMIT_MS = 60_000
_LONGEST_NAME = 64
_LONGEST_LOG = 2_000
_LONGEST_MESSAGE = 32 * 1024 * 1024

# Background commands have no input, so the server reads from a named pipe. The server opens its
# other end too, because the pipe would end with the first message otherwise.
_START = (
    'folder=$(mktemp -d) && mkfifo "$folder/in" && echo "$folder" && '
    'exec {command} 0<>"$folder/in" 2>"$folder/log"'
)


@asynccontextmanager
async def mcp_tools(
    servers: Mapping[str, McpServerSettings], environment: ExecutionEnvironment
) -> AsyncGenerator[Sequence[RegisteredTool]]:
    """Connect to servers by name, and yield their tools; disconnect at the end.

    A server that cannot be used raises McpServerFailed.
    """
    async with AsyncExitStack() as stack:
        tools: dict[str, RegisteredTool] = {}
        for name, server in servers.items():
            client = await stack.enter_async_context(_connected(name, server, environment))
            for offered in await _list_tools(name, client):
                tool = _as_tool(name, client, offered)
                if tool.name in tools:
                    raise McpServerFailed(f"MCP server {name}: duplicate tool {tool.name!r}")
                tools[tool.name] = tool
        yield list(tools.values())


@asynccontextmanager
async def _connected(
    name: str, server: McpServerSettings, environment: ExecutionEnvironment
) -> "AsyncGenerator[Client]":
    """Keep a connection in a task of its own, so that its failure cancels nothing else."""
    ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()
    task = asyncio.create_task(_keep_connected(server, environment, ready, done))
    try:
        try:
            async with asyncio.timeout(START_LIMIT_S):
                client = await asyncio.shield(ready)
        # Whatever the server did, it cannot be used.
        except Exception as cause:
            is_late = isinstance(cause, TimeoutError)
            why = f" within {START_LIMIT_S:g} s" if is_late else f": {_words(cause)}"
            raise McpServerFailed(f"the MCP server {name!r} did not start{why}") from cause
        yield client
    finally:
        done.set()
        if not ready.done():
            task.cancel()
        await asyncio.wait([task], timeout=_END_LIMIT_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep_connected(
    server: McpServerSettings,
    environment: ExecutionEnvironment,
    ready: "asyncio.Future[Client]",
    done: asyncio.Event,
) -> None:
    # Heavy, and rarely used.
    from mcp.client import Client

    try:
        async with AsyncExitStack() as stack:
            transport = await _open_transport(server, environment, stack)
            # Some servers exit at the first message of the newer handshake.
            client = Client(transport, read_timeout_seconds=CALL_LIMIT_S, mode="legacy")
            ready.set_result(await stack.enter_async_context(client))
            await done.wait()
    except Exception as error:
        if ready.done():
            raise
        ready.set_exception(error)


async def _open_transport(
    server: McpServerSettings, environment: ExecutionEnvironment, stack: AsyncExitStack
) -> "Transport":
    if server.command:
        return _stdio_transport(server, environment)
    # Heavy, and rarely used.
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    headers = {name: value.get_secret_value() for name, value in server.headers.items()}
    http = httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=CALL_LIMIT_S))
    client = await stack.enter_async_context(http)
    return streamable_http_client(server.url.get_secret_value(), http_client=client)


@asynccontextmanager
async def _stdio_transport(
    server: McpServerSettings, environment: ExecutionEnvironment
) -> "AsyncGenerator[Streams]":
    """Start a server in the environment, and yield the streams of its messages."""
    command = _START.format(command=shlex.join([server.command, *server.args]))
    variables = {name: value.get_secret_value() for name, value in server.env.items()}
    service = await environment.start_service(command, env_vars=variables)
    folder = ""
    try:
        async with aclosing(_lines(service.output())) as lines, anyio.create_task_group() as group:
            folder = await anext(lines, "")
            if not folder:
                raise ToolError("it ended at once")
            incoming, received = anyio.create_memory_object_stream["SessionMessage | Exception"]()
            sent, outgoing = anyio.create_memory_object_stream["SessionMessage"]()
            group.start_soon(_receive, lines, incoming)
            group.start_soon(_send, outgoing, incoming, environment, f"{folder}/in")
            yield received, sent
            group.cancel_scope.cancel()
    except Exception as error:
        log = await _log_of(folder, environment)
        raise ToolError(f"{_words(error)}; {log}" if log else _words(error)) from error
    finally:
        await service.stop()
        if folder:
            with suppress(AttractorError):
                await environment.exec_command(
                    f"rm -r {shlex.quote(folder)}", timeout_ms=_SEND_LIMIT_MS
                )


async def _lines(output: AsyncIterator[bytes]) -> AsyncGenerator[str]:
    """Yield the complete lines of an output, until a line is too long."""
    rest = bytearray()
    async for piece in output:
        rest += piece
        if b"\n" in piece:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
        if len(rest) > _LONGEST_MESSAGE:
            return


async def _receive(lines: AsyncIterator[str], incoming: "Incoming") -> None:
    # Heavy, and rarely used.
    import mcp_types
    from mcp.shared.message import SessionMessage

    with incoming, suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        async for line in lines:
            try:
                message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError as error:
                await incoming.send(error)
            else:
                await incoming.send(SessionMessage(message))


async def _send(
    outgoing: "Outgoing", incoming: "Incoming", environment: ExecutionEnvironment, pipe: str
) -> None:
    """Write messages to a pipe; if this fails, end the connection, so that no call waits."""
    command = f"cat > {shlex.quote(pipe)}"
    # A message that cannot be written, or an environment that has ended.
    with outgoing, incoming, suppress(AttractorError, ValueError):
        async for message in outgoing:
            line = message.message.model_dump_json(by_alias=True, exclude_unset=True) + "\n"
            written = await environment.exec_command(
                command, timeout_ms=_SEND_LIMIT_MS, stdin=line.encode()
            )
            if written.exit_code:
                return


async def _log_of(folder: str, environment: ExecutionEnvironment) -> str:
    """Return the end of the messages that a server printed for people."""
    if not folder:
        return ""
    command = f"tail -c {_LONGEST_LOG} {shlex.quote(folder)}/log"
    return (await environment.exec_command(command, timeout_ms=_SEND_LIMIT_MS)).stdout.strip()


async def _list_tools(name: str, client: "Client") -> "Sequence[mcp_types.Tool]":
    tools: list[mcp_types.Tool] = []
    try:
        async with asyncio.timeout(START_LIMIT_S):
            page = await client.list_tools()
            tools += page.tools
            while page.next_cursor:
                page = await client.list_tools(cursor=page.next_cursor)
                tools += page.tools
    # Whatever the server did, it cannot be used.
    except Exception as cause:
        raise McpServerFailed(
            f"the MCP server {name!r} did not list its tools: {_words(cause)}"
        ) from cause
    return tools


def _as_tool(server: str, client: "Client", offered: "mcp_types.Tool") -> RegisteredTool:
    async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> ToolOutput:
        result = await client.call_tool(offered.name, dict(arguments))
        output = _as_output(result)
        if result.is_error:
            raise ToolError(output.text)
        return output

    name = re.sub(r"\W", "_", f"{server}__{offered.name}", flags=re.ASCII)[:_LONGEST_NAME]
    definition = ToolDefinition(name, offered.description or "", offered.input_schema)
    only_reads = offered.annotations is not None and offered.annotations.read_only_hint is True
    return RegisteredTool(definition, execute, changes_files=not only_reads)


def _as_output(result: "mcp_types.CallToolResult") -> ToolOutput:
    """Return the texts of a result and its first image."""
    texts: list[str] = []
    image: ImageData | None = None
    for block in result.content:
        if block.type == "text":
            texts.append(block.text)
        elif block.type == "image" and image is None:
            image = ImageData(None, base64.b64decode(block.data), block.mime_type)
        elif block.type == "resource_link":
            texts.append(f"[{block.name}: {block.uri}]")
        elif block.type == "resource" and (text := getattr(block.resource, "text", "")):
            texts.append(text)
        else:
            texts.append(f"[{block.type} omitted]")
    if not texts and not image and result.structured_content is not None:
        texts.append(json.dumps(result.structured_content, ensure_ascii=False))
    return ToolOutput("\n".join(texts), image)


def _words(error: BaseException) -> str:
    """Return the message of an error, or of the first error of a group."""
    if isinstance(error, BaseExceptionGroup):
        return _words(cast("BaseExceptionGroup[BaseException]", error).exceptions[0])
    return str(error) or type(error).__name__
