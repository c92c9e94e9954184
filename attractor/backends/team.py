"""The tools with which an agent writes to other agents and starts some, and their MCP server.

The built-in agent calls them itself. A program gets them from a server of this process; everything
in its sandbox can call the server, and is then as the agent: no argument names a sender.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Protocol

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from attractor import __version__
from attractor.agent.tool_calls.tool import Executor, Permissions, RegisteredTool
from attractor.base.dataclasses import dataclass
from attractor.base.errors import AttractorError, words_of
from attractor.base.json import Json, JsonObject
from attractor.engine.journal.events import TEAM_REFUSED
from attractor.engine.seams import Stage
from attractor.environments.environment import ExecutionEnvironment
from attractor.environments.ports import offer_any
from attractor.llm.request import ToolDefinition
from attractor.twins.server.hosting import LOOPBACK, listen, serve

if TYPE_CHECKING:
    from mcp.server import Server

SERVER = "attractor"
"""The name of the server, by which programs name its tools."""

TOKEN = "ATTRACTOR_TEAM_TOKEN"
_PATH = "/mcp"


def _tool(name: str, words: str, needed: Mapping[str, str], more: JsonObject) -> ToolDefinition:
    texts: dict[str, Json] = {
        key: {"type": "string", "description": about} for key, about in needed.items()
    }
    return ToolDefinition(
        name,
        words,
        {
            "type": "object",
            "properties": {**texts, **more},
            "required": [*needed],
            "additionalProperties": False,
        },
    )


LIST_ACTORS, SEND_MESSAGE, READ_ANSWER, SPAWN_ACTOR = TEAM_TOOLS = (
    _tool(
        "list_actors",
        "List the agents that you may write to, with what each does now.",
        {},
        {},
    ),
    _tool(
        "send_message",
        "Give another agent a task. It knows that the task comes from an agent. Never wait for its "
        "answer: end your own task, and the answer begins your next one.",
        {"to": "The name of the agent.", "text": "The task, with all that the agent must know."},
        {},
    ),
    _tool(
        "read_answer",
        "Say whether a message of yours waits, is worked on, or is answered, and the answer.",
        {"message": "The id of the message, as send_message or spawn_actor returned it."},
        {},
    ),
    _tool(
        "spawn_actor",
        "Start another agent with a task of its own. It begins with a copy of your files, in a "
        "folder of its own. Its answer begins your next task.",
        {"name": "A short name for the agent, such as parser-tests.", "task": "Its task."},
        {
            "usd": {
                "type": "number",
                "exclusiveMinimum": 0,
                "description": "The most that it may cost, out of your budget for others.",
            },
            "touches": {
                "type": "string",
                "description": "The files that it is expected to change, such as src/api/**, of "
                "those that you are (default: the same).",
            },
            "only_reads": {
                "type": "boolean",
                "description": "Let it read the files of the project, and change none.",
            },
        },
    ),
)


@dataclass(frozen=True)
class TeamAnswer:
    """The answer to a call of a tool; `kind` and `data` are the event of what it did."""

    text: str
    kind: str = ""
    data: Mapping[str, Json] | None = None


class Team(Protocol):
    """The other agents, as the agent of a stage may use them."""

    def call(self, tool: str, arguments: JsonObject) -> TeamAnswer:
        """Do what a tool does, in any thread; refuse what no rule allows."""
        ...


@dataclass(frozen=True)
class TeamAccess:
    """The address of the server of the tools, and the token that each call must carry."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, Json]:
        """The headers of each call."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def variables(self) -> Mapping[str, str]:
        """The variable with the token, which is on no command line."""
        return {TOKEN: self.token}


def team_tools(stage: Stage, team: Team | None) -> Sequence[RegisteredTool]:
    """Return the tools for the built-in agent; its subagents do not get them."""
    if team is None:
        return ()

    def executor(tool: str) -> Executor:
        return lambda arguments, environment: _call(stage, team, tool, arguments)

    return [
        RegisteredTool(tool, executor(tool.name), is_inherited=False, needs=Permissions.READ_ONLY)
        for tool in TEAM_TOOLS
    ]


async def _call(stage: Stage, team: Team, tool: str, arguments: JsonObject) -> str:
    try:
        answer = await asyncio.to_thread(team.call, tool, arguments)
    except (AttractorError, OSError) as fault:
        stage.emit(TEAM_REFUSED, tool=tool, reason=words_of(fault))
        raise
    if answer.kind:
        stage.emit(answer.kind, **(answer.data or {}))
    return answer.text


@asynccontextmanager
async def offer_team(
    stage: Stage, team: Team | None, environment: ExecutionEnvironment
) -> AsyncGenerator[TeamAccess | None]:
    """Let the programs of an environment call the tools; without a team, yield None."""
    if team is None:
        yield None
        return
    # Imported here, because few actors lead others.
    from mcp.server.transport_security import TransportSecuritySettings

    server, token = _build_server(stage, team), secrets.token_hex(16)
    application = server.streamable_http_app(
        streamable_http_path=_PATH,
        json_response=True,
        stateless_http=True,
        # The token guards it; the name of the host differs in some environments.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("authorization", "")
        if compare_digest(given.encode(), f"Bearer {token}".encode()):
            await application(scope, receive, send)
        else:
            await PlainTextResponse("the token is missing", 401)(scope, receive, send)

    listener = listen(LOOPBACK, 0)
    async with (
        server.session_manager.run(),
        serve(guarded, listener),
        offer_any(environment, listener.getsockname()[1]) as port,
    ):
        yield TeamAccess(f"http://{LOOPBACK}:{port}{_PATH}", token)


def _build_server(stage: Stage, team: Team) -> "Server[dict[str, Any]]":
    # As above.
    import mcp_types
    from mcp.server import Server

    async def list_tools(context: object, request: object) -> mcp_types.ListToolsResult:
        return mcp_types.ListToolsResult(
            tools=[
                mcp_types.Tool(
                    name=tool.name, description=tool.description, input_schema=dict(tool.parameters)
                )
                for tool in TEAM_TOOLS
            ]
        )

    async def call_tool(
        context: object, request: mcp_types.CallToolRequestParams
    ) -> mcp_types.CallToolResult:
        is_error = False
        try:
            words = await _call(stage, team, request.name, request.arguments or {})
        except (AttractorError, OSError) as fault:
            words, is_error = words_of(fault), True
        content = [mcp_types.TextContent(text=words)]
        return mcp_types.CallToolResult(content=[*content], is_error=is_error)

    return Server(SERVER, version=__version__, on_list_tools=list_tools, on_call_tool=call_tool)
