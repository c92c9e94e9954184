"""Reads what Google's errors say beyond the HTTP status (6.4)."""

import re
from collections.abc import Mapping, Sequence

from attractor.base.json import Json, JsonObject
from attractor.llm.errors import (
    AccessDeniedError,
    AuthenticationError,
    ContextLengthError,
    InvalidRequestError,
    NotFoundError,
    ProviderError,
    RateLimitError,
    RequestTimeoutError,
    SDKError,
    ServerError,
)

_BY_CODE: Mapping[str, type[ProviderError]] = {
    "NOT_FOUND": NotFoundError,
    "INVALID_ARGUMENT": InvalidRequestError,
    "UNAUTHENTICATED": AuthenticationError,
    "PERMISSION_DENIED": AccessDeniedError,
    "RESOURCE_EXHAUSTED": RateLimitError,
    "UNAVAILABLE": ServerError,
    "INTERNAL": ServerError,
}
_TIMED_OUT = "DEADLINE_EXCEEDED"
# A wrong key is a 400 here, and only the details tell.
_WRONG_KEY = "API_KEY_INVALID"
_TOO_LONG = "exceeds the maximum number of tokens"
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?(?=s$)")


def read_error(error: ProviderError) -> SDKError:
    """Return the error that the gRPC code and the details in the body stand for."""
    told = error.raw.get("error") if error.raw else None
    if not isinstance(told, dict):
        return error
    code = told.get("status")
    name = code if isinstance(code, str) else error.error_code
    details = _details(told.get("details"))
    if name == _TIMED_OUT:
        return RequestTimeoutError(error.message)
    asked = _retry_delay(details) if error.retry_after is None else error.retry_after
    return _kind(error, name, details)(
        error.message,
        provider=error.provider,
        status_code=error.status_code,
        error_code=name,
        retry_after=asked,
        raw=error.raw,
    )


def _kind(
    error: ProviderError, code: str | None, details: Sequence[JsonObject]
) -> type[ProviderError]:
    if any(one.get("reason") == _WRONG_KEY for one in details):
        return AuthenticationError
    known = _BY_CODE.get(code or "", type(error))
    if known is not InvalidRequestError:
        return known
    if _TOO_LONG in error.message:
        return ContextLengthError
    # What a 400 means the words have decided by now.
    return type(error) if error.status_code == 400 else known


def _details(value: Json) -> Sequence[JsonObject]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _retry_delay(details: Sequence[JsonObject]) -> float | None:
    """Return how many seconds to wait; other providers say so in a header."""
    told = [str(one["retryDelay"]) for one in details if "retryDelay" in one]
    found = _SECONDS.match(told[0]) if told else None
    return float(found[0]) if found else None
