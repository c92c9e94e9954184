"""Wait for a subagent."""

import json

from attractor.agent.conversation.subagents import Subagents
from attractor.agent.tool_calls.execution import text_of
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, ToolCallScope, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment


async def execute(
    arguments: JsonObject, environment: ExecutionEnvironment, call: ToolCallScope
) -> str:
    """Return the result of the subagent as JSON."""
    result = await call.state.of(Subagents).find(text_of(arguments, "agent_id")).wait()
    record = {
        "output": result.output,
        "success": result.success,
        "turns_used": result.turns_used,
    }
    return json.dumps(record, ensure_ascii=False)


part = RegisteredTool(
    define(
        "wait",
        "Wait for a subagent to complete and return its result: output, success, turns_used.",
        {"agent_id": {"type": "string", "description": "The id from spawn_agent."}},
        required=["agent_id"],
    ),
    execute,
    needs=Permissions.READ_ONLY,
)
