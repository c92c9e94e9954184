"""Send a message to a subagent."""

from attractor.agent.conversation.subagents import Subagents
from attractor.agent.tool_calls.execution import text_of
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, ToolCallScope, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment


async def execute(
    arguments: JsonObject, environment: ExecutionEnvironment, call: ToolCallScope
) -> str:
    """Steer a working subagent, or give an idle one a new task."""
    agent = call.state.of(Subagents).find(text_of(arguments, "agent_id"))
    return agent.give(text_of(arguments, "message"))


part = RegisteredTool(
    define(
        "send_input",
        "Send a message to a subagent. A working subagent gets it before its next model call; "
        "one that has ended continues with it.",
        {
            "agent_id": {"type": "string", "description": "The id from spawn_agent."},
            "message": {"type": "string", "minLength": 1, "description": "The message."},
        },
        required=["agent_id", "message"],
    ),
    execute,
    needs=Permissions.READ_ONLY,
)
