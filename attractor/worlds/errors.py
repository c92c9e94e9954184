"""Errors of actors."""

from attractor.base.errors import Refused, UnknownName, UsageError


class ActorArchived(Refused):
    """The actor is archived, and takes no more messages."""


class RowGone(UnknownName):
    """The row was settled, or it shows something else now."""

    def __init__(self) -> None:
        UsageError.__init__(self, "this was settled or has changed meanwhile", hint="look again")
