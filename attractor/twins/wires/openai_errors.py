"""How OpenAI asks for a key and writes errors, on either of its wires."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from attractor.base.json import JsonObject
from attractor.twins.errors import NotSpoken, Rejection
from attractor.twins.wires.bodies import unknown_fields

_TYPES = {429: "requests", 401: "invalid_request_error"}
_NOT_SPOKEN = {404: "unknown_url", 405: "method_not_supported"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


def require_key(headers: Mapping[str, str]) -> None:
    """Refuse who shows no key."""
    if not headers.get("authorization", "").removeprefix("Bearer").strip():
        raise Rejection(401, "You didn't provide an API key.", code="invalid_api_key")


def check_fields(body: JsonObject, known: AbstractSet[str]) -> None:
    """Refuse a field that the interface does not have."""
    for name in unknown_fields(body, known):
        raise Rejection(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def error_code(rejection: Rejection) -> str | None:
    """Return the provider's code of an error, None where it has none."""
    if isinstance(rejection, NotSpoken):
        return _NOT_SPOKEN.get(rejection.status)
    return rejection.code or _CODES.get(rejection.status)


def write_error(rejection: Rejection) -> JsonObject:
    """Write an error as the provider would."""
    fallback = "server_error" if rejection.status >= 500 else "invalid_request_error"
    return {
        "error": {
            "message": rejection.message,
            "type": _TYPES.get(rejection.status, fallback),
            "param": rejection.param,
            "code": error_code(rejection),
        }
    }
