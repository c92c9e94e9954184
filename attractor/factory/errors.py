"""The errors of judging and promoting.

Refused
├── NoDecision               4  nothing may happen before a person has decided
├── AlreadyDecided           4  the first decision is final
└── NotDecidable             4  the run is not where a decision belongs
UsageError
├── InvalidProfile           2  a profile that can't be used as it is written
├── InvalidToken             2  a token that opens nothing
└── RationaleTooShort        2  a decision without a reason
"""

from attractor.base.errors import Refused, UsageError


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
