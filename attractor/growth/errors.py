"""The errors of specifications and their growth.

UsageError
├── InvalidDesire            2  an invalid desire of a user
├── InvalidSpec              2  an invalid specification document or graph
├── InvalidMorph             2  a morph that does not fit the specification
├── InvalidState             2  an invalid file of recorded state
├── InvalidDevelopment       2  an invalid developmental specification
├── InvalidRecording         2  an invalid recording of traffic
├── UnknownSpecNode          2  an unknown node of a specification
└── InvalidLineage           2  an invalid file of a stage, or a lineage that does not fit together
"""

from attractor.base.errors import UsageError


class InvalidDesire(UsageError):
    """An invalid desire of a user."""


class InvalidSpec(UsageError):
    """An invalid specification document or graph."""


class InvalidMorph(UsageError):
    """A morph that does not fit the specification."""


class InvalidState(UsageError):
    """An invalid file of recorded state."""


class InvalidDevelopment(UsageError):
    """An invalid developmental specification."""


class InvalidRecording(UsageError):
    """An invalid recording of traffic."""


class UnknownSpecNode(UsageError):
    """An unknown node of a specification."""

    hint = "list the nodes with 'attractor spec show'"


class InvalidLineage(UsageError):
    """An invalid file of a stage, or a lineage that does not fit together."""
