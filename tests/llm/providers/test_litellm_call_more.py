"""Errors of a call by litellm, explained by its HTTP exchanges."""

import httpx

from attractor.base.json import JsonObject
from attractor.llm.errors import (
    AuthenticationError,
    InvalidRequestError,
    NetworkError,
    RateLimitError,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamError,
)
from attractor.llm.providers.litellm import ErrorContext, read_error
from attractor.llm.providers.litellm_http import Exchange, Pool
from tests.tables import table

WHOLE = ErrorContext("groq", ["sk-0123456789", "k"], connect=5, is_stream=False)
STREAM = ErrorContext("groq", [], connect=5, is_stream=True)


class LitellmError(Exception):
    """An error in the form of litellm's."""

    def __init__(self, message: str, status_code: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code


def seen(status: int | None = None, **more: object) -> Exchange:
    exchange = Exchange(Pool(), 5, status=status)
    for name, value in more.items():
        setattr(exchange, name, value)
    return exchange


def test_recorded_response_determines_the_error() -> None:
    for exchange, of, kind in (
        (seen(trouble=httpx.ConnectTimeout("")), WHOLE, RequestTimeoutError),
        (seen(trouble=httpx.ConnectError("")), WHOLE, NetworkError),
        (seen(trouble=httpx.ConnectError("")), STREAM, NetworkError),
        (seen(200, trouble=httpx.ReadError("")), WHOLE, NetworkError),
        (seen(200, trouble=httpx.ReadError("")), STREAM, StreamError),
        (seen(200, trouble=httpx.DecodingError("")), STREAM, StreamError),
        (seen(200), WHOLE, ServerError),
        (seen(200), STREAM, StreamError),
        (seen(401, body="no JSON"), WHOLE, AuthenticationError),
        (seen(302, body=""), WHOLE, SDKError),
    ):
        assert isinstance(
            read_error(LitellmError("litellm has it otherwise", 418), exchange, of), kind
        )


@table(
    ("error_event", "kind", "status"),
    [
        ({"error": {"type": "overloaded_error", "message": "m"}}, ServerError, 529),
        ({"error": {"code": "rate_limit_exceeded", "message": "m"}}, RateLimitError, 429),
        ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, RateLimitError, 429),
        ({"error": "odd"}, ServerError, 500),
        ({"type": "error", "message": "m"}, ServerError, 500),
        ({"error": {"code": [], "message": {}}}, ServerError, 500),
    ],
)
def test_error_in_a_stream_has_its_status(
    error_event: JsonObject, kind: type[SDKError], status: int
) -> None:
    error = read_error(StreamError("ended"), seen(200, error_event=error_event), STREAM)
    assert isinstance(error, kind)
    assert getattr(error, "status_code", None) == status


def test_unrecorded_error_is_classified_by_litellm() -> None:
    assert isinstance(read_error(LitellmError("no", 400), seen(), WHOLE), InvalidRequestError)
    assert isinstance(read_error(LitellmError("no", 503), seen(), WHOLE), ServerError)
    odd = read_error(LitellmError("no", "odd"), seen(), WHOLE)
    assert not odd.retryable
    assert odd.message == "groq answered 400: no"


def test_own_error_is_unchanged() -> None:
    ours = StreamError("ended")
    assert read_error(ours, seen(200), STREAM) is ours


def test_error_texts_contain_no_key() -> None:
    body = '{"error": {"message": "sk-0123456789 is no key", "code": "sk-0123456789"}}'
    refused = read_error(LitellmError("x"), seen(401, body=body), WHOLE)
    odd = read_error(LitellmError("sk-0123456789"), seen(200), WHOLE)
    for error in (refused, odd):
        assert "sk-0123456789" not in f"{error} {vars(error)}"
    assert refused.message == "groq answered 401: [key] is no key"
