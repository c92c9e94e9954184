"""The errors of evaluations, decisions and promotions.

Refused
├── NoDecision               4  no decision on the run
├── AlreadyDecided           4  the run is already decided
├── NotDecidable             4  the run does not wait for a decision
├── NotMarkable              4  an approval cannot be marked as defective, or the mark withdrawn
├── Retired                  4  a retired or burned version of a resource
├── InUse                    4  a resource that active runs use
├── ClockSetBack             4  a time before the last record of the ledger
├── StaleBase                4  the branch changed since the start of the run
├── NotPromoted              4  the run is not promoted to the branch
├── MergeConflict            4  the branch and the run changed the same lines
├── NothingToMerge           4  the branch contains the changes of the run
├── ForgeRefused             4  a forge, or a push to it, refused
└── RoundsUsedUp             4  no further round of a pull request
MachineryError
├── ForgeFailed              3  a forge is unreachable, or its answer is invalid
└── ForgeLimited             3  the rate limit of a forge is reached
UsageError
├── InvalidProfile           2  an invalid profile
├── InvalidToken             2  an invalid token
├── RationaleTooShort        2  a reason that is too short
├── InvalidWaiver            2  an invalid waiver
├── OtherProject             2  a run of another project
├── CopiedRun                2  a copy of a run directory
├── UnknownBranch            2  an unknown branch
├── InvalidBranch            2  an invalid branch name
├── NoForge                  2  a remote that leads to no known forge, or no token for it
└── NoRun
    └── RunGone              2  a recorded run whose directory is gone
VerificationError
└── DecisionsDiffer          6  decisions of a run differ from the ledger
"""

from collections.abc import Sequence
from datetime import timedelta

from attractor.base.errors import MachineryError, Refused, UsageError, VerificationError
from attractor.engine.errors import NoRun


class NoDecision(Refused):
    """No decision on this run."""

    hint = "record one with 'attractor decide'"


class AlreadyDecided(Refused):
    """This run is already decided."""

    hint = "start a new run"


class NotDecidable(Refused):
    """The run does not wait for a decision."""


class NotMarkable(Refused):
    """Only an approval can be marked as defective, once."""


class Retired(Refused):
    """No new run may use this version."""


class InUse(Refused):
    """Active runs use this resource."""

    hint = "wait until the runs end, or cancel them"


class ClockSetBack(Refused):
    """The time is before the last record of the ledger."""

    hint = "set the clock of this machine; if the record is dated ahead: attractor audit clock"
    is_not_now = True


class StaleBase(Refused):
    """The branch changed since the start of the run."""


class NotPromoted(Refused):
    """The run is not promoted to this branch."""


class MergeConflict(Refused):
    """The branch and the run changed the same lines."""

    paths: Sequence[str] = ()
    lines: str = ""
    """The lines in conflict, between the markers of Git: ours are those of the branch."""


class NothingToMerge(Refused):
    """The branch already contains the changes of the run."""


class ForgeRefused(Refused):
    """The forge refused."""


class RoundsUsedUp(Refused):
    """No further round of this pull request."""


class ForgeFailed(MachineryError):
    """The forge is unreachable, or its answer is invalid."""

    hint = "try again later"


class ForgeLimited(MachineryError):
    """The rate limit of the forge is reached."""

    hint = "try again later"

    def __init__(self, wait: timedelta) -> None:
        super().__init__("the rate limit of the forge is reached")
        self.wait = wait


class NoForge(UsageError):
    """The remote leads to no known forge, or there is no token for it."""


class InvalidProfile(UsageError):
    """This profile is invalid."""


class InvalidToken(UsageError):
    """This token is invalid."""

    hint = "create one with 'attractor token create'"


class RationaleTooShort(UsageError):
    """The reason needs at least ten visible characters."""

    hint = "write a sentence"


class InvalidWaiver(UsageError):
    """This waiver is invalid."""


class OtherProject(UsageError):
    """This run belongs to another project."""


class CopiedRun(UsageError):
    """This is a copy of a run directory."""


class RunGone(NoRun):
    """The directory of this run is gone."""


class UnknownBranch(UsageError):
    """Unknown branch."""


class InvalidBranch(UsageError):
    """Invalid branch name."""

    hint = "name a branch, such as main or refs/heads/main"


class DecisionsDiffer(VerificationError):
    """The decisions of a run differ from the ledger."""

    hint = "compare both with backups: one of them lost a line or was restored"
