"""Errors of snippets.

MachineryError
├── SandboxUnproved          3  no sandbox, or one whose guarantees are not proved
└── RuntimeMissing           3  the program of a language is missing or too old
"""

from attractor.base.errors import MachineryError


class SandboxUnproved(MachineryError):
    """Snippets are executed only in a sandbox whose guarantees are proved."""

    hint = (
        "install bubblewrap (Debian: apt-get install bubblewrap) and allow user namespaces; "
        "attractor doctor tests both"
    )


class RuntimeMissing(MachineryError):
    """The program that executes a language is missing or too old."""
