"""Translates litellm's errors by the provider's own answer (7.6)."""

import json
import re
from collections.abc import Mapping, Sequence

import httpx

from attractor.base.dataclasses import dataclass
from attractor.base.json import JsonObject
from attractor.llm.errors import (
    InvalidRequestError,
    NetworkError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamError,
    error_from_status_code,
)
from attractor.llm.providers.litellm_http import Exchange, MissingImageError
from attractor.llm.transport.fields import parse_object
from attractor.llm.transport.headers import read_retry_after

_LONGEST_MESSAGE = 500
_HIDDEN = "[key]"
_SHORTEST_SECRET = 8
_AN_ERROR = re.compile(r"[45]\d\d")
# Statuses of errors inside streams, by the codes of several providers.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
}


@dataclass(frozen=True)
class ErrorContext:
    """Provider, secrets, connect timeout and kind of a failed call."""

    provider: str
    secrets: Sequence[str]
    connect: float
    is_stream: bool

    def hide(self, text: str) -> str:
        """Return a text without keys."""
        for one in self.secrets:
            # A placeholder key may be a letter of any word.
            text = text.replace(one, _HIDDEN) if len(one) >= _SHORTEST_SECRET else text
        return text

    def shorten(self, text: str) -> str:
        """Return a shortened text without keys."""
        return self.hide(text)[:_LONGEST_MESSAGE]


def read_error(trouble: Exception, exchange: Exchange, of: ErrorContext) -> SDKError:
    """Return the error: of the network, else of the provider, else of litellm."""
    if exchange.error_event is not None:
        return _error_in_stream(exchange.error_event, of)
    if exchange.trouble is not None:
        return _network_error(exchange.trouble, exchange, of)
    if isinstance(trouble, SDKError):
        return trouble
    if exchange.status is None:
        return _litellm_error(trouble, of)
    if not 200 <= exchange.status < 300:
        return _provider_error(exchange, exchange.status, of)
    return _invalid_answer(trouble, of)


def _network_error(trouble: httpx.RequestError, exchange: Exchange, of: ErrorContext) -> SDKError:
    if isinstance(trouble, MissingImageError):
        return InvalidRequestError(
            f"litellm does not send images to this model of {of.provider}",
            provider=of.provider,
            hint="remove the images, or use a model with vision",
        )
    if isinstance(trouble, httpx.ConnectTimeout):
        return RequestTimeoutError(f"{of.provider} accepted no connection in {of.connect:g} s")
    message = of.shorten(f"{type(trouble).__name__}: {trouble}".rstrip(": "))
    if isinstance(trouble, httpx.DecodingError):
        return StreamError(f"invalid stream of {of.provider}: {message}")
    if of.is_stream and exchange.status is not None:
        return StreamError(f"the stream of {of.provider} was interrupted: {message}")
    return NetworkError(f"{of.provider}: {message}")


def _provider_error(exchange: Exchange, status: int, of: ErrorContext) -> SDKError:
    raw = parse_object(of.hide(exchange.body))
    error = raw.get("error")
    details = error if isinstance(error, dict) else raw
    message = details.get("message") or error or exchange.body.strip() or "no reason given"
    code = details.get("code") or details.get("type")
    return error_from_status_code(
        status,
        of.shorten(str(message)),
        provider=of.provider,
        error_code=str(code) if code else None,
        retry_after=read_retry_after(exchange.headers),
        raw=raw or None,
    )


def _error_in_stream(error_event: JsonObject, of: ErrorContext) -> SDKError:
    """Return the error inside a stream."""
    raw = parse_object(of.hide(json.dumps(error_event, ensure_ascii=False)))
    error = raw.get("error")
    details = error if isinstance(error, dict) else raw
    codes = [str(details[key]) for key in ("code", "type", "status") if details.get(key)]
    known = [_STATUSES[one] for one in codes if one in _STATUSES]
    known += [int(one) for one in codes if _AN_ERROR.fullmatch(one)]
    message = details.get("message") or error or "no reason given"
    return error_from_status_code(
        known[0] if known else 500,
        of.shorten(str(message)),
        provider=of.provider,
        error_code=codes[0] if codes else None,
        raw=raw,
    )


def _invalid_answer(trouble: Exception, of: ErrorContext) -> SDKError:
    """Return the error of an invalid answer."""
    words = of.shorten(_message_of(trouble))
    if of.is_stream:
        return StreamError(f"invalid stream of {of.provider}: {words}")
    message = f"invalid answer of {of.provider}: {words}"
    return ServerError(message, provider=of.provider, status_code=200)


def _litellm_error(trouble: Exception, of: ErrorContext) -> SDKError:
    """Return the error of litellm itself, mostly of a request that it did not send."""
    words = of.shorten(_message_of(trouble))
    return error_from_status_code(_status_of(trouble) or 400, words, provider=of.provider)


def _status_of(trouble: Exception) -> int | None:
    status: object = getattr(trouble, "status_code", None)
    return status if isinstance(status, int) and 400 <= status < 600 else None


def _message_of(trouble: Exception) -> str:
    message: object = getattr(trouble, "message", None)
    return (
        message if isinstance(message, str) and message else f"{type(trouble).__name__}: {trouble}"
    )
