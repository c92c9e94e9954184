"""Commands of the operator, which are refused in processes that a run started."""

OPERATOR_COMMANDS = (
    "amend",
    "decide",
    "grow",
    "mcp",
    "pipeline",
    "profile",
    "promote",
    "rebase",
    "rollback",
    "serve",
    "suite",
    "token",
)
"""The names of these commands and groups."""


def is_operator_command(name: str) -> bool:
    """Return whether a command, such as `token.create`, is only for the operator."""
    return any(name == one or name.startswith(f"{one}.") for one in OPERATOR_COMMANDS)
