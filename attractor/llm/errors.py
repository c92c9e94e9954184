"""Errors of calls to models (unified-llm 6.1), with the HTTP statuses and codes of each error.

SDKError                             3  a call to a model failed
├── ProviderError                    3  the provider answered with an error
│   ├── AuthenticationError          3  401
│   ├── AccessDeniedError            3  403
│   ├── NotFoundError                3  404
│   ├── InvalidRequestError          3  400, 422
│   ├── RateLimitError               3  429
│   ├── ServerError                  3  500 and above, and an invalid answer
│   ├── ContentFilterError           3  blocked by a safety filter
│   ├── ContextLengthError           3  413, or too many tokens
│   └── QuotaExceededError           3  402, or the quota is exhausted
├── RequestTimeoutError              3  408, or a time limit
├── NetworkError                     3  connection refused or lost, host not found
├── StreamError                      3  an incomplete or invalid stream
├── AbortError                       3  an abort signal
├── InvalidToolCallError             3  a tool call with invalid arguments
├── NoObjectGeneratedError           3  an answer without a valid object
├── UnsupportedToolChoiceError       3  a tool choice unknown to the provider
├── CostLimitError                   3  the cost limit is reached (middleware)
├── NotCachedError                   3  no cached answer in read-only mode (middleware)
└── ConfigurationError               2  unknown provider, missing key, invalid setting

`retryable` is true if a retry may help. An error that is also Unavailable comes from the network or
from an overloaded provider, so it leaves a run resumable. The text of an error contains its hint;
no error contains an API key.
"""

from collections.abc import Mapping, Sequence

from attractor.base.errors import ExitCode, MachineryError, Unavailable, UsageError
from attractor.base.json import Json, JsonObject


class SDKError(MachineryError):
    """A call to a model failed."""

    retryable: bool = False
    retry_after: float | None = None
    others: Sequence["SDKError"] = ()
    """Errors of other models that were tried before."""

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_dict(self) -> dict[str, Json]:
        """Return the error as JSON, without other errors."""
        plain = (str, int, float, dict, type(None))
        members: dict[str, Json] = {
            name: value for name, value in vars(self).items() if isinstance(value, plain)
        }
        return {"type": type(self).__name__, **members}

    @classmethod
    def from_dict(cls, record: JsonObject) -> "SDKError":
        """Return the error of `to_dict`; an unknown type becomes an SDKError."""
        named: object = globals().get(str(record.get("type")))
        kind = named if isinstance(named, type) and issubclass(named, SDKError) else SDKError
        error = SDKError(str(record.get("message", "")))
        # Without the own initializer, which may need more arguments.
        error.__class__ = kind
        vars(error).update({name: record[name] for name in record if name != "type"})
        return error


class ProviderError(SDKError):
    """The provider answered with an error."""

    # Unknown errors are retried, because a useless retry costs less than a failed run (6.3).
    retryable = True

    def __init__(
        self,
        message: str = "",
        *,
        provider: str,
        status_code: int | None = None,
        error_code: str | None = None,
        retry_after: float | None = None,
        raw: JsonObject | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.provider = provider
        self.status_code = status_code
        self.error_code = error_code
        self.retry_after = retry_after
        self.raw = raw


class AuthenticationError(ProviderError):
    """The provider rejects the API key."""

    retryable = False
    hint = "check the API key of the provider; 'attractor doctor' lists the API keys that are set"


class AccessDeniedError(ProviderError):
    """The API key lacks a permission."""

    retryable = False
    hint = "ask for the permission, or use another model"


class NotFoundError(ProviderError):
    """The model or the URL does not exist."""

    retryable = False
    hint = "check the model's name and the provider's base URL"


class InvalidRequestError(ProviderError):
    """The provider rejects the request as invalid."""

    retryable = False


class RateLimitError(ProviderError, Unavailable):
    """Too many requests or tokens in a short time."""

    hint = "wait, or send fewer concurrent requests"


class ServerError(ProviderError, Unavailable):
    """The provider failed, or sent an invalid answer."""


class ContentFilterError(ProviderError):
    """A safety filter of the provider blocked the request or the answer."""

    retryable = False


class ContextLengthError(ProviderError):
    """The conversation is longer than the model's context window."""

    retryable = False
    hint = "shorten the conversation, or use a model with a larger window"


class QuotaExceededError(ProviderError):
    """The quota of the account is exhausted."""

    retryable = False
    hint = "raise the quota at the provider"


class RequestTimeoutError(SDKError, Unavailable):
    """The provider did not answer within the time limit."""

    hint = "raise the time limit, or shorten the request"


class NetworkError(SDKError, Unavailable):
    """The provider is unreachable, or the connection was lost."""

    retryable = True
    hint = "check the network and the provider's base URL"


class StreamError(SDKError, Unavailable):
    """The stream is incomplete or invalid."""

    retryable = True
    hint = "retry, because the text so far is incomplete"


class AbortError(SDKError):
    """An abort signal ended the call."""


class InvalidToolCallError(SDKError):
    """The model called a tool with invalid arguments."""


class NoObjectGeneratedError(SDKError):
    """The answer contains no object that matches the schema."""

    hint = "describe the object in the prompt, or use another model"

    def __init__(self, message: str = "", *, text: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.text = text


class UnsupportedToolChoiceError(SDKError):
    """The provider does not support the tool choice."""


class CostLimitError(SDKError):
    """The calls so far reached the cost limit."""

    hint = "raise the limit, or create a new Costs object"


class NotCachedError(SDKError):
    """The cache is read-only and does not contain an answer to the request."""

    hint = "set mode='read_write' for one call, or repeat a cached request without changes"


class ConfigurationError(SDKError, UsageError):
    """The client or a call is not configured correctly."""

    exit_code = ExitCode.USAGE


def invalid_value(name: str, value: object, expected: str) -> ConfigurationError:
    """Return the error for a value of a wrong type or range."""
    shown = repr(value)
    if len(shown) > _LONGEST_VALUE:
        shown = f"a value of type {type(value).__name__}"
    return ConfigurationError(f"invalid {name}: {shown}", hint=f"pass {expected}")


def error_from_status_code(
    status_code: int,
    message: str,
    *,
    provider: str,
    error_code: str | None = None,
    retry_after: float | None = None,
    raw: JsonObject | None = None,
) -> SDKError:
    """Return the error for an HTTP status, with the provider's message (6.4, 6.5)."""
    text = f"{provider} answered {status_code}: {message}"
    if status_code == 408:
        return RequestTimeoutError(text)
    error_type = _BY_CODE.get(error_code or "") or _by_status(status_code, message)
    return error_type(
        text,
        provider=provider,
        status_code=status_code,
        error_code=error_code,
        retry_after=retry_after,
        raw=raw,
    )


_LONGEST_VALUE = 60
_BY_STATUS: Mapping[int, type[ProviderError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: QuotaExceededError,
    403: AccessDeniedError,
    404: NotFoundError,
    413: ContextLengthError,
    422: InvalidRequestError,
    429: RateLimitError,
}
# A provider's code is more precise than its status: OpenAI's 429 may also mean no credit.
_BY_CODE: Mapping[str, type[ProviderError]] = {
    "insufficient_quota": QuotaExceededError,
    "context_length_exceeded": ContextLengthError,
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "model_not_found": NotFoundError,
    "invalid_api_key": AuthenticationError,
}
_BY_PHRASE: Mapping[str, type[ProviderError]] = {
    "context length": ContextLengthError,
    "context size": ContextLengthError,
    "too many tokens": ContextLengthError,
    "prompt is too long": ContextLengthError,
    "does not exist": NotFoundError,
    "not found": NotFoundError,
    "unauthorized": AuthenticationError,
    "invalid key": AuthenticationError,
    "content filter": ContentFilterError,
    "safety": ContentFilterError,
}


def _by_status(status_code: int, message: str) -> type[ProviderError]:
    known = _BY_STATUS.get(status_code, ServerError if status_code >= 500 else ProviderError)
    if known not in (InvalidRequestError, ProviderError):
        return known
    # A status of 400 has many meanings, so the message decides.
    text = message.casefold()
    return next((error for phrase, error in _BY_PHRASE.items() if phrase in text), known)
