"""The tool with which the built-in agent proposes a lesson to the people of the project."""

from collections.abc import Sequence

from attractor.agent.tool_calls.tool import Permissions, RegisteredTool
from attractor.base.errors import AttractorError, words_of
from attractor.base.json import JsonObject
from attractor.engine.journal.events import LESSON_REFUSED
from attractor.engine.seams import Stage, StageMemory
from attractor.environments.environment import ExecutionEnvironment
from attractor.llm.request import ToolDefinition

PROPOSE_LESSON = ToolDefinition(
    "propose_lesson",
    "At the end of your task, propose a lesson for later tasks in this project, at most three: "
    "something that cost you time, and that the files do not tell. A person decides whether it "
    "holds.",
    {
        "type": "object",
        "properties": {
            "what": {
                "type": "string",
                "description": "What to do or to know, in one sentence of at most 200 characters.",
            },
            "why": {
                "type": "string",
                "description": "What happened without it, in at most 200 characters.",
            },
            "files": {
                "type": "array",
                "items": {"type": "string"},
                "description": "The files that it is about, as paths in the project.",
            },
            "cites": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"run_id": {"type": "string"}, "seq": {"type": "integer"}},
                    "required": ["run_id", "seq"],
                    "additionalProperties": False,
                },
                "description": "The events of runs that show it (default: your own run).",
            },
        },
        "required": ["what", "why"],
        "additionalProperties": False,
    },
)


def lesson_tools(stage: Stage, memory: StageMemory | None) -> Sequence[RegisteredTool]:
    """Return the tool for the agent of a stage; its subagents do not get it."""
    if memory is None:
        return ()

    def execute(arguments: JsonObject, environment: ExecutionEnvironment) -> str:
        try:
            return memory.propose(stage, arguments)
        except (AttractorError, OSError) as fault:
            stage.emit(LESSON_REFUSED, reason=words_of(fault))
            raise

    tool = RegisteredTool(PROPOSE_LESSON, execute, is_inherited=False, needs=Permissions.READ_ONLY)
    return [tool]
