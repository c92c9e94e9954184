"""The coding-agent loop as a library; each name is imported on first use."""

from typing import TYPE_CHECKING

from attractor.base import lazy_exports

if TYPE_CHECKING:
    from attractor.agent.conversation.loop import InputResult, Stop
    from attractor.agent.conversation.session import Session, SessionState
    from attractor.agent.conversation.subagents import SubAgentResult, SubAgentStatus
    from attractor.agent.conversation.turn_records import turn_from_record, turn_to_record
    from attractor.agent.conversation.turns import (
        AssistantTurn,
        SteeringTurn,
        SummaryTurn,
        SystemTurn,
        ToolResultsTurn,
        Turn,
        UserTurn,
    )
    from attractor.agent.errors import (
        CommandFailed,
        InvalidArguments,
        McpServerFailed,
        PatchError,
        SessionBusy,
        SessionClosed,
        SummaryMissing,
        ToolError,
    )
    from attractor.agent.events import EventKind, SessionConfig, SessionEvent
    from attractor.agent.provider_profile import (
        ProfileTraits,
        ProviderProfile,
        create_anthropic_profile,
        create_gemini_profile,
        create_openai_profile,
        create_profile,
        profile_parts,
    )
    from attractor.agent.tool_calls.execution import ToolRunner, truncate_lines, truncate_output
    from attractor.agent.tool_calls.hooks import ToolHooks
    from attractor.agent.tool_calls.mcp_servers import mcp_tools
    from attractor.agent.tool_calls.tool import (
        Permissions,
        RegisteredTool,
        ToolCallScope,
        ToolOutput,
        ToolRegistry,
        define,
        tool_parts,
    )
    from attractor.base.call_text import describe_call
    from attractor.base.processes import ExecResult
    from attractor.config.settings import McpServerSettings
    from attractor.environments.docker import DockerExecutionEnvironment
    from attractor.environments.environment import (
        DirEntry,
        ExecutionEnvironment,
        GrepOptions,
        GrepOutput,
        Inherit,
    )
    from attractor.environments.local import LocalExecutionEnvironment
    from attractor.environments.logging import LoggingExecutionEnvironment
    from attractor.environments.memory import MemoryExecutionEnvironment
    from attractor.environments.read_only import ReadOnlyExecutionEnvironment
    from attractor.environments.ssh import SshExecutionEnvironment
    from attractor.environments.wrappers import EnvironmentWrapper
    from attractor.llm.client import Client
    from attractor.llm.request import ToolCall, ToolDefinition, ToolResult

__all__ = [
    "AssistantTurn",
    "Client",
    "CommandFailed",
    "DirEntry",
    "DockerExecutionEnvironment",
    "EnvironmentWrapper",
    "EventKind",
    "ExecResult",
    "ExecutionEnvironment",
    "GrepOptions",
    "GrepOutput",
    "Inherit",
    "InputResult",
    "InvalidArguments",
    "LocalExecutionEnvironment",
    "LoggingExecutionEnvironment",
    "McpServerFailed",
    "McpServerSettings",
    "MemoryExecutionEnvironment",
    "PatchError",
    "Permissions",
    "ProfileTraits",
    "ProviderProfile",
    "ReadOnlyExecutionEnvironment",
    "RegisteredTool",
    "Session",
    "SessionBusy",
    "SessionClosed",
    "SessionConfig",
    "SessionEvent",
    "SessionState",
    "SshExecutionEnvironment",
    "SteeringTurn",
    "Stop",
    "SubAgentResult",
    "SubAgentStatus",
    "SummaryMissing",
    "SummaryTurn",
    "SystemTurn",
    "ToolCall",
    "ToolCallScope",
    "ToolDefinition",
    "ToolError",
    "ToolHooks",
    "ToolOutput",
    "ToolRegistry",
    "ToolResult",
    "ToolResultsTurn",
    "ToolRunner",
    "Turn",
    "UserTurn",
    "create_anthropic_profile",
    "create_gemini_profile",
    "create_openai_profile",
    "create_profile",
    "define",
    "describe_call",
    "mcp_tools",
    "profile_parts",
    "tool_parts",
    "truncate_lines",
    "truncate_output",
    "turn_from_record",
    "turn_to_record",
]

_HOMES = {
    "AssistantTurn": "agent.conversation.turns",
    "Client": "llm.client",
    "CommandFailed": "agent.errors",
    "DirEntry": "environments.environment",
    "DockerExecutionEnvironment": "environments.docker",
    "EnvironmentWrapper": "environments.wrappers",
    "EventKind": "agent.events",
    "ExecResult": "base.processes",
    "ExecutionEnvironment": "environments.environment",
    "GrepOptions": "environments.environment",
    "GrepOutput": "environments.environment",
    "Inherit": "environments.environment",
    "InputResult": "agent.conversation.loop",
    "InvalidArguments": "agent.errors",
    "LocalExecutionEnvironment": "environments.local",
    "LoggingExecutionEnvironment": "environments.logging",
    "McpServerFailed": "agent.errors",
    "McpServerSettings": "config.settings",
    "MemoryExecutionEnvironment": "environments.memory",
    "PatchError": "agent.errors",
    "Permissions": "agent.tool_calls.tool",
    "ProfileTraits": "agent.provider_profile",
    "ProviderProfile": "agent.provider_profile",
    "ReadOnlyExecutionEnvironment": "environments.read_only",
    "RegisteredTool": "agent.tool_calls.tool",
    "Session": "agent.conversation.session",
    "SessionBusy": "agent.errors",
    "SessionClosed": "agent.errors",
    "SessionConfig": "agent.events",
    "SessionEvent": "agent.events",
    "SessionState": "agent.conversation.session",
    "SshExecutionEnvironment": "environments.ssh",
    "SteeringTurn": "agent.conversation.turns",
    "Stop": "agent.conversation.loop",
    "SubAgentResult": "agent.conversation.subagents",
    "SubAgentStatus": "agent.conversation.subagents",
    "SummaryMissing": "agent.errors",
    "SummaryTurn": "agent.conversation.turns",
    "SystemTurn": "agent.conversation.turns",
    "ToolCall": "llm.request",
    "ToolCallScope": "agent.tool_calls.tool",
    "ToolDefinition": "llm.request",
    "ToolError": "agent.errors",
    "ToolHooks": "agent.tool_calls.hooks",
    "ToolOutput": "agent.tool_calls.tool",
    "ToolRegistry": "agent.tool_calls.tool",
    "ToolResult": "llm.request",
    "ToolResultsTurn": "agent.conversation.turns",
    "ToolRunner": "agent.tool_calls.execution",
    "Turn": "agent.conversation.turns",
    "UserTurn": "agent.conversation.turns",
    "create_anthropic_profile": "agent.provider_profile",
    "create_gemini_profile": "agent.provider_profile",
    "create_openai_profile": "agent.provider_profile",
    "create_profile": "agent.provider_profile",
    "define": "agent.tool_calls.tool",
    "describe_call": "base.call_text",
    "mcp_tools": "agent.tool_calls.mcp_servers",
    "profile_parts": "agent.provider_profile",
    "tool_parts": "agent.tool_calls.tool",
    "truncate_lines": "agent.tool_calls.execution",
    "truncate_output": "agent.tool_calls.execution",
    "turn_from_record": "agent.conversation.turn_records",
    "turn_to_record": "agent.conversation.turn_records",
}

__getattr__ = lazy_exports.lazy_getattr(__name__, _HOMES, below="attractor")
__dir__ = lazy_exports.lazy_dir(__name__, _HOMES)
