"""Errors of the fleet."""

from attractor.base.errors import Refused, Unavailable, UsageError, VerificationError

_GO_BACK = "go back to the last whole head of the run: attractor fleet head RUN --restore"


class Fenced(Refused):
    """Another worker owns the run: nothing of this one counts any more."""


class DatabaseAway(Unavailable):
    """The database of the fleet does not answer."""


class StoreAway(Unavailable):
    """The store of the fleet does not answer."""


class BlobMissing(VerificationError):
    """A blob that a head names is not in the store."""

    hint = _GO_BACK


class BlobChanged(VerificationError):
    """The content of a blob is not that of its hash."""

    hint = _GO_BACK


class HeadTooLarge(Refused):
    """The files of a run take more bytes than a head may have."""


class ActorBusy(Refused):
    """The actor has an open run in the fleet."""

    is_not_now = True


class ForeignDatabase(Refused):
    """The database belongs to something else than a fleet."""

    hint = "give the fleet an empty database of its own"


class UnknownRun(UsageError):
    """The fleet has no such run."""

    hint = "list its runs with: attractor fleet queue"


class RunEnded(Refused):
    """The run has ended."""


class CapRefused(Refused):
    """A cap of the universe, or of the world, does not allow the run."""
