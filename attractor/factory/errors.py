"""The errors of judging and promoting.

Refused
├── NoDecision               4  nothing may happen before a person has decided
├── AlreadyDecided           4  the first decision is final
└── NotDecidable             4  the run is not where a decision belongs
UsageError
├── InvalidProfile           2  a profile that can't be used as it is written
├── InvalidToken             2  a token that opens nothing
├── RationaleTooShort        2  a decision without a reason
├── OtherProject             2  a run that belongs to another project
├── CopiedRun                2  a copy of a run's directory
├── UnknownBranch            2  a branch that is not there
└── InvalidBranch            2  a name that no branch can have
VerificationError
└── DecisionsDiffer          6  a run's decisions are not those in the ledger
"""

from attractor.base.errors import Refused, UsageError, VerificationError


class NoDecision(Refused):
    """Nothing may happen before a person has decided."""

    hint = "record one with 'attractor decide'"


class AlreadyDecided(Refused):
    """The first decision is final."""

    hint = "start a new run"


class NotDecidable(Refused):
    """The run is not where a decision belongs."""


class InvalidProfile(UsageError):
    """This profile can't be used as it is written."""


class InvalidToken(UsageError):
    """This token opens nothing."""

    hint = "make one with 'attractor token create'"


class RationaleTooShort(UsageError):
    """A decision needs a reason of at least ten characters."""

    hint = "say in a sentence why"


class OtherProject(UsageError):
    """This run belongs to another project."""


class CopiedRun(UsageError):
    """This is a copy of a run's directory."""


class UnknownBranch(UsageError):
    """This branch is not there."""


class InvalidBranch(UsageError):
    """No branch can have this name."""

    hint = "name a branch, such as main or refs/heads/main"


class DecisionsDiffer(VerificationError):
    """A run's decisions are not those in the ledger."""

    hint = "compare both with copies: one of them lost a line, or was put back to an earlier day"
