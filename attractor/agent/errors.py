"""Errors of agents and their tools.

AttractorError
├── ToolError                  1  a tool failed; the model gets the message
│   ├── InvalidArguments       1  invalid arguments of a tool call
│   ├── CommandFailed          1  a command failed or timed out
│   └── PatchError             1  a patch cannot be applied
│       ├── InvalidPatch       1  invalid patch
│       └── PatchMismatch      1  a patch does not match its files
├── SummaryMissing             1  the model returned no summary of the conversation
├── MachineryError
│   └── Unavailable
│       └── McpServerFailed    3  an MCP server did not start
└── UsageError
    ├── SessionBusy            2  a session processes another input
    ├── SessionClosed          2  the session is closed
    ├── PromptMissing          2  missing prompt
    ├── PromptInvalid          2  invalid template of a prompt
    └── InvalidAgent           2  invalid definition of an agent
"""

from attractor.base.errors import AttractorError, Unavailable, UsageError


class ToolError(AttractorError):
    """A tool failed."""


class InvalidArguments(ToolError):
    """The arguments of a tool call are invalid."""


class CommandFailed(ToolError):
    """A command failed or timed out."""


class PatchError(ToolError):
    """A patch cannot be applied."""


class InvalidPatch(PatchError):
    """A patch is invalid."""


class PatchMismatch(PatchError):
    """A patch does not match its files."""


class SummaryMissing(AttractorError):
    """The model returned no summary of the conversation."""

    hint = "start a new session with a smaller task"


class SessionBusy(UsageError):
    """The session processes another input."""

    hint = "wait for the current input, or use steer() or follow_up()"


class SessionClosed(UsageError):
    """The session is closed."""

    hint = "create a new session"


class PromptMissing(UsageError):
    """A prompt is missing."""


class PromptInvalid(UsageError):
    """The template of a prompt is invalid."""

    hint = "correct the template; {% raw %} keeps braces as they are"


class InvalidAgent(UsageError):
    """The definition of an agent is invalid."""

    hint = "compare it with the shipped ones: attractor agents --json"


class McpServerFailed(Unavailable):
    """An MCP server did not start."""

    hint = "correct its command or URL, in [agent.mcp.NAME] of the settings or in agent.toml"
