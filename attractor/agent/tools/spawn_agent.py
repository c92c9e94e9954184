"""Start a subagent with a task of its own."""

from attractor.agent.conversation.subagents import SpawnRequest, Subagents
from attractor.agent.tool_calls.execution import number_of, text_of
from attractor.agent.tool_calls.tool import Permissions, RegisteredTool, ToolCallScope, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment


async def execute(
    arguments: JsonObject, environment: ExecutionEnvironment, call: ToolCallScope
) -> str:
    """Start the subagent and return its id."""
    wanted = SpawnRequest(
        task=text_of(arguments, "task"),
        working_dir=text_of(arguments, "working_dir"),
        model=text_of(arguments, "model"),
        max_turns=number_of(arguments, "max_turns", 0),
    )
    id = call.state.of(Subagents).spawn(wanted, environment)
    return f"agent_id: {id}\nstatus: running"


part = RegisteredTool(
    define(
        "spawn_agent",
        "Spawn a subagent to handle a scoped task autonomously. It works in the same files, with "
        "a conversation of its own. Use wait to get its result.",
        {
            "task": {
                "type": "string",
                "minLength": 1,
                "description": "The task, with everything the subagent must know.",
            },
            "working_dir": {
                "type": "string",
                "description": "A folder below the working directory to work in.",
            },
            "model": {"type": "string", "description": "Another model of the same provider."},
            "max_turns": {
                "type": "integer",
                "minimum": 0,
                "description": "The limit of model answers (default: 0, unlimited).",
            },
        },
        required=["task"],
    ),
    execute,
    needs=Permissions.READ_ONLY,
)
