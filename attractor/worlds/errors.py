"""Errors of actors."""

from attractor.base.errors import Refused


class ActorArchived(Refused):
    """The actor is archived, and takes no more messages."""
