"""The errors of specifications and their growth.

UsageError
├── InvalidDesire            2  an invalid desire of a user
├── InvalidSpec              2  an invalid specification document or graph
└── UnknownSpecNode          2  an unknown node of a specification
"""

from attractor.base.errors import UsageError


class InvalidDesire(UsageError):
    """An invalid desire of a user."""


class InvalidSpec(UsageError):
    """An invalid specification document or graph."""


class UnknownSpecNode(UsageError):
    """An unknown node of a specification."""

    hint = "list the nodes with 'attractor spec show'"
