"""How OpenAI asks for a key and writes errors, on either of its wires."""

from collections.abc import Mapping

from attractor.base.canonical import JsonObject
from attractor.twins.errors import Rejection

_TYPES = {429: "requests", 401: "invalid_request_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def require_key(headers: Mapping[str, str]) -> None:
    """Refuse who shows no key."""
    if not headers.get("authorization", "").removeprefix("Bearer").strip():
        raise Rejection(401, "You didn't provide an API key.", code="invalid_api_key")


def error_code(rejection: Rejection) -> str | None:
    """Return the provider's code of an error, None where it has none."""
    return rejection.code or _CODES.get(rejection.status)


def write_error(rejection: Rejection) -> JsonObject:
    """Write an error as the provider would."""
    fallback = "server_error" if rejection.status >= 500 else "invalid_request_error"
    return {
        "error": {
            "message": rejection.message,
            "type": _TYPES.get(rejection.status, fallback),
            "param": None,
            "code": error_code(rejection),
        }
    }
