"""What can go wrong in a twin.

UsageError
└── ScriptError      2  a script that is not one
Rejection               a request that is answered with an error, in its provider's own shape
"""

from datetime import timedelta

from attractor.base.errors import UsageError


class ScriptError(UsageError):
    """This is not a script for a twin."""

    hint = "see docs/reference/twin-scripts.md"


class Rejection(Exception):
    """A request is answered with an error; each wire writes it in its own shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.retry_after = retry_after
