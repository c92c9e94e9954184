"""Create, change, rename and delete files with one patch."""

from attractor.agent.patch.apply import apply_patch
from attractor.agent.patch.parse import parse_patch
from attractor.agent.tool_calls.execution import text_of
from attractor.agent.tool_calls.tool import RegisteredTool, define
from attractor.base.json import JsonObject
from attractor.environments.environment import ExecutionEnvironment


async def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
    """Apply the patch atomically and return the changes by file."""
    done = await apply_patch(parse_patch(text_of(arguments, "patch")), environment)
    return "\n".join(["Applied the patch:", *done])


part = RegisteredTool(
    define(
        "apply_patch",
        "Apply code changes using the patch format. Supports creating, deleting, and modifying "
        "files in a single operation. Either the whole patch is applied or nothing of it.",
        {
            "patch": {
                "type": "string",
                "description": "The patch: from '*** Begin Patch' to '*** End Patch', with "
                "'*** Add File: ', '*** Delete File: ' and '*** Update File: ' sections.",
            }
        },
        required=["patch"],
    ),
    execute,
    changes_files=True,
    text_argument="patch",
)
