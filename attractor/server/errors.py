"""The errors of the server, each with its HTTP status.

AttractorError
├── HttpError                     an error with an HTTP status of its own
│   ├── Unauthenticated     401   a request without a valid token or session
│   ├── Forbidden           403   a scope that is too low, or a refused origin
│   │   └── OtherProjects   403   a token for other projects
│   ├── MethodNotAllowed    405   a method that the address does not have
│   ├── BodyTooSlow         408   a body that does not arrive in time
│   ├── BodyTooLarge        413   a body that is too large
│   ├── UnsupportedBody     415   a body that is no JSON
│   ├── UnknownResult       409   a repeated write whose first result is unknown
│   ├── KeyReused           422   an idempotency key of another request
│   ├── InvalidKey          422   an invalid idempotency key
│   ├── TooManyRequests     429   a limit that is exceeded
│   ├── TooManyProcesses    429   too many processes of runs
│   ├── CallerGone          499   a connection that was closed before the answer
│   ├── InternalError       500   a defect of the server
│   └── ServerStopped       503   a request in flight when the server stops
├── PortTaken                     a port on which another process listens
└── CommandFailed                 a process that ended without a result
"""

from collections.abc import Iterable, Mapping

from attractor.base.errors import AttractorError, ExitCode, MachineryError, Refused


class HttpError(AttractorError):
    """An error that only exists over HTTP."""

    status = 400
    exit_code = ExitCode.REFUSED
    headers: Mapping[str, str] = {}
    """The headers of the answer."""


class Unauthenticated(HttpError):
    """A valid token or session is required."""

    status = 401
    headers = {"www-authenticate": "Bearer"}
    hint = "send 'Authorization: Bearer TOKEN'; create a token with 'attractor token create'"


class Forbidden(HttpError):
    """The token or session does not allow this."""

    status = 403


class OtherProjects(Forbidden):
    """The token or session is for other projects."""

    def __init__(self, caller: str) -> None:
        super().__init__(
            f"the token of {caller} is for other projects",
            hint="use a token for this project, or for all: attractor token create NAME",
        )


class MethodNotAllowed(HttpError):
    """The address does not have this method."""

    status = 405

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        names = ", ".join(sorted(allowed))
        super().__init__(f"the address does not have the method {method}", hint=f"use {names}")
        self.headers = {"allow": names}


class UnsupportedBody(HttpError):
    """The body of the request is no JSON."""

    status = 415
    exit_code = ExitCode.USAGE
    hint = "send JSON, with the header 'Content-Type: application/json'"


class BodyTooSlow(HttpError):
    """The body of the request did not arrive in time."""

    status = 408


class BodyTooLarge(HttpError):
    """The body of the request is too large."""

    status = 413


class UnknownResult(HttpError):
    """The server ended, or failed, before it answered the first request with this key."""

    status = 409
    hint = "look whether the request took effect; to do it again, send another key"


class KeyReused(HttpError):
    """Another request had this idempotency key."""

    status = 422
    hint = "send a new key with each new request"


class InvalidKey(HttpError):
    """The idempotency key is invalid."""

    status = 422


class TooManyRequests(HttpError):
    """Too many requests."""

    status = 429
    headers = {"retry-after": "1"}
    hint = "wait, and try again"


class TooManyProcesses(TooManyRequests):
    """Too many processes of runs."""

    hint = "wait until one of them ends, or raise the setting server.max_processes"


class TooManyStarts(TooManyRequests):
    """Too many starts of an automation wait."""

    hint = "wait until some of them have begun"


class CallerGone(HttpError):
    """The caller closed the connection before the answer."""

    status = 499


class InternalError(HttpError):
    """A defect of the server."""

    status = 500
    exit_code = ExitCode.FAILED
    hint = "see the log of the server, and report the traceback"


class ServerStopped(HttpError):
    """The server stopped before it answered the request."""

    status = 503
    exit_code = ExitCode.INTERRUPTED
    hint = "look whether the request took effect; if not, start the server and send it again"


class PortTaken(Refused):
    """Another process listens on the port."""

    hint = "use another port, or 0"

    def __init__(self, host: str, port: int, holder: str = "") -> None:
        message = f"port {port} of {host} is in use"
        super().__init__(f"{message}: {holder}" if holder else message)


class CommandFailed(MachineryError):
    """The process of a run ended without a result."""
