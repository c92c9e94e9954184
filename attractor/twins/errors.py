"""What can go wrong in a twin.

UsageError
├── ScriptError      2  a script that is not one
└── RecordingError   2  recordings that are none, or nowhere to record from
Rejection               a request that is answered with an error, in its provider's own shape
├── NoRule              a request that no rule fits
└── NotSpoken           a request to a path, or by a method, that the twin does not know
"""

from datetime import timedelta

from attractor.base.errors import UsageError


class ScriptError(UsageError):
    """This is not a script for a twin."""

    hint = "see docs/reference/twin-scripts.md"


class RecordingError(UsageError):
    """These are no recordings for a twin."""

    hint = "see docs/reference/twin-scripts.md"


class Rejection(Exception):
    """A request is answered with an error; each wire writes it in its own shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: timedelta | None = None,
        rule: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.rule = rule


class NoRule(Rejection):
    """A request is not answered by any rule."""


class NotSpoken(Rejection):
    """A request is none that the twin speaks."""
