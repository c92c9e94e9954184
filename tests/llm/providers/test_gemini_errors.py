from typing import Any

import pytest

from attractor.llm import ProviderError, SDKError
from attractor.llm.errors import error_from_status_code
from attractor.llm.providers.gemini_errors import read_error

RETRY = "type.googleapis.com/google.rpc.RetryInfo"


def read(
    status: int,
    code: Any = None,
    *details: Any,
    message: str = "no",
    retry_after: float | None = None,
) -> SDKError:
    """Read an error of Google's as the transport hands it over."""
    body: Any = {"code": status, "message": message, "status": code, "details": list(details)}
    error = error_from_status_code(
        status,
        message,
        provider="gemini",
        error_code=str(status),
        retry_after=retry_after,
        raw={"error": body},
    )
    assert isinstance(error, ProviderError)
    return read_error(error)


def test_everything_that_was_said_is_kept() -> None:
    error = read(429, "RESOURCE_EXHAUSTED")
    assert isinstance(error, ProviderError)
    assert error.message == "gemini answered 429: no"
    assert (error.status_code, error.error_code) == (429, "RESOURCE_EXHAUSTED")
    assert (error.provider, "error" in (error.raw or {})) == ("gemini", True)
    assert error.hint == type(error).hint


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "RESOURCE_EXHAUSTED", "RateLimitError"),
        (504, "DEADLINE_EXCEEDED", "RequestTimeoutError"),
        (400, "FAILED_PRECONDITION", "InvalidRequestError"),
        (409, "ABORTED", "ProviderError"),
        (503, None, "ServerError"),
        (503, 14, "ServerError"),
    ],
)
def test_the_code_decides_and_else_the_status(status: int, code: Any, kind: str) -> None:
    assert type(read(status, code)).__name__ == kind


def test_a_wrong_key_is_told_by_the_details_of_a_400() -> None:
    reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = read(400, "INVALID_ARGUMENT", reason, message="API key not valid.")
    assert type(error).__name__ == "AuthenticationError"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("The input token count (9) exceeds the maximum number of tokens", "ContextLengthError"),
        ("refused for safety", "ContentFilterError"),
        ("temperature is wrong", "InvalidRequestError"),
    ],
)
def test_the_words_of_a_400_still_count(message: str, kind: str) -> None:
    assert type(read(400, "INVALID_ARGUMENT", message=message)).__name__ == kind


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("34s", 34), ("1.500s", 1.5), ("0s", 0), ("soon", None), ("-1s", None), (5, None), ("", None)],
)
def test_the_wait_is_read_from_the_details(delay: Any, seconds: float | None) -> None:
    error = read(429, "RESOURCE_EXHAUSTED", "odd", {"@type": RETRY, "retryDelay": delay})
    assert error.retry_after == seconds


def test_the_wait_of_a_header_comes_first() -> None:
    told = {"@type": RETRY, "retryDelay": "9s"}
    assert read(429, "RESOURCE_EXHAUSTED", told, retry_after=0).retry_after == 0


@pytest.mark.parametrize("raw", [None, {}, {"error": "no"}, {"error": {"details": 5}}])
def test_an_error_of_another_shape_stays_what_it_is(raw: Any) -> None:
    error = error_from_status_code(503, "no", provider="gemini", raw=raw)
    assert isinstance(error, ProviderError)
    assert type(read_error(error)) is type(error)
