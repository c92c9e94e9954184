"""End a subagent."""

from attractor.agent.conversation.subagents import Subagents
from attractor.agent.tool_calls.execution import text_of
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, ToolCallScope, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment


async def execute(
    arguments: JsonObject, environment: ExecutionEnvironment, call: ToolCallScope
) -> str:
    """Cancel the work of the subagent and return its last status."""
    agent = await call.state.of(Subagents).close(text_of(arguments, "agent_id"))
    return f"status: {agent.status}"


part = RegisteredTool(
    define(
        "close_agent",
        "Terminate a subagent and return its final status.",
        {"agent_id": {"type": "string", "description": "The id from spawn_agent."}},
        required=["agent_id"],
    ),
    execute,
    needs=Permissions.READ_ONLY,
)
