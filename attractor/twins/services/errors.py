"""What can go wrong in a service twin.

UsageError
├── ServiceError      2  a file that declares no service
└── RecordingError    2  a file that is no recording
Unanswerable             a request that the twin cannot answer, told in a shape of the twin's own
Misfit                   a key of a route that does not fit what stands around it
"""

from attractor.base.errors import UsageError


class ServiceError(UsageError):
    """This does not declare a service."""

    hint = "see docs/reference/service-twins.md"


class RecordingError(UsageError):
    """This is not a recording."""

    hint = "see docs/reference/service-twins.md, Recordings"


class Unanswerable(Exception):
    """The twin cannot answer a request, as no service would say it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Misfit(ValueError):
    """A key of a route does not fit what stands around it."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message
