"""Errors of a service twin.

UsageError
├── ServiceError      2  invalid declaration of a service
└── RecordingError    2  invalid recording
TwinFailure              the twin itself cannot answer a request
InvalidRouteKey          a key of a route that does not match its folder, path or collections
"""

from attractor.base.errors import UsageError


class ServiceError(UsageError):
    """Invalid declaration of a service."""

    hint = "see what a service file contains: attractor help twin serve"


class RecordingError(UsageError):
    """Invalid recording."""

    hint = "record it again: attractor help twin serve"


class TwinFailure(Exception):
    """The twin itself cannot answer a request."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class InvalidRouteKey(ValueError):
    """A key of a route does not match its folder, path or collections."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message
