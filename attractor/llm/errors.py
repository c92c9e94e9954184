"""What can go wrong between us and a model (unified-llm 6.1), and which HTTP status means what.

SDKError                             3  a call to a model failed
├── ProviderError                    3  the provider answered with an error
│   ├── AuthenticationError          3  401
│   ├── AccessDeniedError            3  403
│   ├── NotFoundError                3  404
│   ├── InvalidRequestError          3  400, 422
│   ├── RateLimitError               3  429
│   ├── ServerError                  3  500 and above, and an answer nobody can read
│   ├── ContentFilterError           3  blocked by a safety filter
│   ├── ContextLengthError           3  413, or too many tokens
│   └── QuotaExceededError           3  402, or nothing left to spend
├── RequestTimeoutError              3  408, or our own time limit
├── NetworkError                     3  refused, cut off, not resolved
├── StreamError                      3  a stream that was cut, or holds what nobody can read
├── AbortError                       3  ended by an abort signal
├── InvalidToolCallError             3  a tool call whose arguments are not what the tool takes
├── NoObjectGeneratedError           3  an answer without an object, or with a wrong one
├── UnsupportedToolChoiceError       3  a tool choice the provider does not know
├── CostLimitError                   3  enough was spent (middleware)
├── NotCachedError                   3  no kept answer, and none may be asked for (middleware)
└── ConfigurationError               2  no such provider, no key, an impossible setting

Every one says whether another try may help (`retryable`). None of them shows a key.
"""

from collections.abc import Mapping, Sequence

from attractor.base.errors import ExitCode, MachineryError, UsageError
from attractor.base.json import JsonObject


class SDKError(MachineryError):
    """A call to a model failed."""

    retryable: bool = False
    retry_after: float | None = None
    others: Sequence["SDKError"] = ()
    """What other models failed with that were asked as well."""


class ProviderError(SDKError):
    """The provider answered with an error."""

    # What nobody foresaw is tried again: a try too many costs less than a run given up (6.3).
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
    """The provider does not take the key."""

    retryable = False
    hint = "check the provider's key; 'attractor doctor' says which ones are set"


class AccessDeniedError(ProviderError):
    """The key may not do this."""

    retryable = False
    hint = "ask for the permission, or use another model"


class NotFoundError(ProviderError):
    """The provider has no such model, or no such address."""

    retryable = False
    hint = "check the model's name and the provider's base URL"


class InvalidRequestError(ProviderError):
    """The provider refused the request as it is."""

    retryable = False


class RateLimitError(ProviderError):
    """Too many requests or tokens in a short time."""

    hint = "wait, or ask for less at the same time"


class ServerError(ProviderError):
    """The provider had trouble of its own, or answered with what nobody can read."""


class ContentFilterError(ProviderError):
    """A safety filter of the provider blocked this."""

    retryable = False


class ContextLengthError(ProviderError):
    """The conversation is longer than the model's context window."""

    retryable = False
    hint = "shorten the conversation, or use a model with a larger window"


class QuotaExceededError(ProviderError):
    """The account has nothing left to spend."""

    retryable = False
    hint = "raise the quota at the provider"


class RequestTimeoutError(SDKError):
    """The provider did not answer in time."""

    hint = "allow more time, or ask for less"


class NetworkError(SDKError):
    """The provider could not be reached, or the connection broke."""

    retryable = True
    hint = "check the network and the provider's base URL"


class StreamError(SDKError):
    """The stream broke off, or said what nobody can read."""

    retryable = True
    hint = "ask again; what was said before is no whole answer"


class AbortError(SDKError):
    """The call was ended by an abort signal."""


class InvalidToolCallError(SDKError):
    """The model called a tool with arguments that are not what the tool takes."""


class NoObjectGeneratedError(SDKError):
    """The model answered with no object, or with one that is not as its schema wants it."""

    hint = "say in the prompt what belongs into the object, or ask another model"

    def __init__(self, message: str = "", *, text: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.text = text


class UnsupportedToolChoiceError(SDKError):
    """The provider does not know this tool choice."""


class CostLimitError(SDKError):
    """The calls so far have cost what they may."""

    hint = "raise the limit, or begin a new count"


class NotCachedError(SDKError):
    """No answer to this request is kept, and none may be asked for."""

    hint = "ask once with a cache that is not read-only, or send what was sent then"


class ConfigurationError(SDKError, UsageError):
    """The client is not set up for this, or what it is given is not what it takes."""

    exit_code = ExitCode.USAGE


def error_from_status_code(
    status_code: int,
    message: str,
    *,
    provider: str,
    error_code: str | None = None,
    retry_after: float | None = None,
    raw: JsonObject | None = None,
) -> SDKError:
    """Return the error that an HTTP status stands for, with the provider's words (6.4, 6.5)."""
    told = f"{provider} answered {status_code}: {message}"
    if status_code == 408:
        return RequestTimeoutError(told)
    kind = _BY_CODE.get(error_code or "") or _by_status(status_code, message)
    return kind(
        told,
        provider=provider,
        status_code=status_code,
        error_code=error_code,
        retry_after=retry_after,
        raw=raw,
    )


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
# A provider's own code says more than its status: OpenAI's 429 is also "you have not paid".
_BY_CODE: Mapping[str, type[ProviderError]] = {
    "insufficient_quota": QuotaExceededError,
    "context_length_exceeded": ContextLengthError,
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "model_not_found": NotFoundError,
    "invalid_api_key": AuthenticationError,
}
_BY_WORDS: Mapping[str, type[ProviderError]] = {
    "context length": ContextLengthError,
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
    # 400 can mean anything: the words decide.
    words = message.casefold()
    return next((kind for sign, kind in _BY_WORDS.items() if sign in words), known)
