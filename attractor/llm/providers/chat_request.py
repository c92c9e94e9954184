"""Writes what every request in Chat Completions has, whoever takes it (7.3, 7.10)."""

from collections.abc import Callable, Sequence

from attractor.base.json import Json, JsonObject
from attractor.llm.request import Request
from attractor.llm.response_format import ResponseFormat
from attractor.llm.tools import ToolChoice, ToolDefinition

NameSchema = Callable[[ResponseFormat, JsonObject], Json]


def write_settings(request: Request, name_schema: NameSchema) -> dict[str, Json]:
    """Return the settings that were given, each under the name that most know."""
    wanted: dict[str, Json] = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        # OpenAI has a newer name for it, which few others know.
        "max_tokens": request.max_tokens,
        "stop": list(request.stop_sequences) or None,
        "reasoning_effort": request.reasoning_effort,
        "response_format": _format(request.response_format, name_schema),
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _format(wanted: ResponseFormat | None, name_schema: NameSchema) -> Json:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.json_schema is None:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": name_schema(wanted, wanted.json_schema)}


def write_tools(tools: Sequence[ToolDefinition]) -> Json:
    """Return tools as functions."""
    return [_tool(one) for one in tools]


def _tool(tool: ToolDefinition) -> Json:
    function: Json = {
        "name": tool.name,
        "description": tool.description,
        "parameters": dict(tool.parameters),
    }
    return {"type": "function", "function": function}


def write_choice(choice: ToolChoice) -> Json:
    """Return which tool the model is to call, if any."""
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.tool_name}}
    return choice.mode
