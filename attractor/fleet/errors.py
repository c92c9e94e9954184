"""Errors of the fleet."""

from attractor.base.errors import Refused, Unavailable, VerificationError


class Fenced(Refused):
    """Another worker owns the run: nothing of this one counts any more."""


class DatabaseAway(Unavailable):
    """The database of the fleet does not answer."""


class StoreAway(Unavailable):
    """The store of the fleet does not answer."""


class BlobMissing(VerificationError):
    """A blob that a head names is not in the store."""


class BlobChanged(VerificationError):
    """The content of a blob is not that of its hash."""


class ActorBusy(Refused):
    """The actor has an open run in the fleet."""


class NotInFleet(Refused):
    """The run is in no fleet."""
