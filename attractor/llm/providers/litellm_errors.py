"""Makes errors of ours out of litellm's, by what the provider itself answered (7.6)."""

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
from attractor.llm.providers.litellm_http import Exchange, ImageLeftOut
from attractor.llm.transport.fields import parse_object
from attractor.llm.transport.headers import read_retry_after

_LONGEST_MESSAGE = 500
_HIDDEN = "[key]"
_SHORTEST_SECRET = 8
_AN_ERROR = re.compile(r"[45]\d\d")
# Such an error has no status; these are those it would have had, by the words of several providers.
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
class Circumstances:
    """Who was asked when something went wrong, what no message may show, and how it was asked."""

    provider: str
    secrets: Sequence[str]
    connect: float
    is_stream: bool

    def hide(self, text: str) -> str:
        """Take the keys out of a text."""
        for one in self.secrets:
            # A stand-in's key may be a letter in any word.
            text = text.replace(one, _HIDDEN) if len(one) >= _SHORTEST_SECRET else text
        return text

    def shorten(self, text: str) -> str:
        """Return so much of a text as a message holds, without keys."""
        return self.hide(text)[:_LONGEST_MESSAGE]


def read_error(trouble: Exception, exchange: Exchange, of: Circumstances) -> SDKError:
    """Return what went wrong: the network, else the provider's own word, else litellm's."""
    if exchange.complaint is not None:
        return _of_a_complaint(exchange.complaint, of)
    if exchange.trouble is not None:
        return _of_the_network(exchange.trouble, exchange, of)
    if isinstance(trouble, SDKError):
        return trouble
    if exchange.status is None:
        return _of_litellm(trouble, of)
    if not 200 <= exchange.status < 300:
        return _of_the_provider(exchange, exchange.status, of)
    return _of_a_good_answer(trouble, of)


def _of_the_network(trouble: httpx.RequestError, exchange: Exchange, of: Circumstances) -> SDKError:
    if isinstance(trouble, ImageLeftOut):
        return InvalidRequestError(
            f"litellm hands no image on to this model of {of.provider}",
            provider=of.provider,
            hint="leave the images out, or ask a model that sees",
        )
    if isinstance(trouble, httpx.ConnectTimeout):
        return RequestTimeoutError(f"{of.provider} accepted no connection in {of.connect:g} s")
    told = of.shorten(f"{type(trouble).__name__}: {trouble}".rstrip(": "))
    if isinstance(trouble, httpx.DecodingError):
        return StreamError(f"{of.provider} streamed what nobody can read: {told}")
    if of.is_stream and exchange.status is not None:
        return StreamError(f"the stream of {of.provider} was cut: {told}")
    return NetworkError(f"{of.provider}: {told}")


def _of_the_provider(exchange: Exchange, status: int, of: Circumstances) -> SDKError:
    raw = parse_object(of.hide(exchange.body))
    told = raw.get("error")
    details = told if isinstance(told, dict) else raw
    message = details.get("message") or told or exchange.body.strip() or "no reason given"
    code = details.get("code") or details.get("type")
    return error_from_status_code(
        status,
        of.shorten(str(message)),
        provider=of.provider,
        error_code=str(code) if code else None,
        retry_after=read_retry_after(exchange.headers),
        raw=raw or None,
    )


def _of_a_complaint(complaint: JsonObject, of: Circumstances) -> SDKError:
    """Return the error that stands in a stream which began well."""
    raw = parse_object(of.hide(json.dumps(complaint, ensure_ascii=False)))
    told = raw.get("error")
    details = told if isinstance(told, dict) else raw
    codes = [str(details[key]) for key in ("code", "type", "status") if details.get(key)]
    known = [_STATUSES[one] for one in codes if one in _STATUSES]
    known += [int(one) for one in codes if _AN_ERROR.fullmatch(one)]
    message = details.get("message") or told or "no reason given"
    return error_from_status_code(
        known[0] if known else 500,
        of.shorten(str(message)),
        provider=of.provider,
        error_code=codes[0] if codes else None,
        raw=raw,
    )


def _of_a_good_answer(trouble: Exception, of: Circumstances) -> SDKError:
    """Return the error of an answer that is not what it should be."""
    words = of.shorten(_words_of(trouble))
    if of.is_stream:
        return StreamError(f"{of.provider} streamed what nobody can read: {words}")
    told = f"{of.provider} answered with what nobody can read: {words}"
    return ServerError(told, provider=of.provider, status_code=200)


def _of_litellm(trouble: Exception, of: Circumstances) -> SDKError:
    """Return the error of a request that we did not see, mostly as litellm did not send one."""
    words = of.shorten(_words_of(trouble))
    return error_from_status_code(_status_of(trouble) or 400, words, provider=of.provider)


def _status_of(trouble: Exception) -> int | None:
    status: object = getattr(trouble, "status_code", None)
    return status if isinstance(status, int) and 400 <= status < 600 else None


def _words_of(trouble: Exception) -> str:
    told: object = getattr(trouble, "message", None)
    return told if isinstance(told, str) and told else f"{type(trouble).__name__}: {trouble}"
