import copy
import inspect
import pickle
from typing import Any

import pytest

from attractor.base.errors import ExitCode
from attractor.base.json import JsonObject
from attractor.llm import errors
from attractor.llm.errors import ProviderError, SDKError, error_from_status_code


def kinds() -> list[type[SDKError]]:
    found = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    return [one for one in found if issubclass(one, SDKError)]


def test_message_decides_an_ambiguous_status() -> None:
    for words, kind in (
        ("The model `x` does not exist", "NotFoundError"),
        ("model not found", "NotFoundError"),
        ("Unauthorized", "AuthenticationError"),
        ("this is an invalid key", "AuthenticationError"),
        ("maximum context length is 8192", "ContextLengthError"),
        ("request (9 tokens) exceeds the available context size (8)", "ContextLengthError"),
        ("too many tokens", "ContextLengthError"),
        ("blocked by our content filter", "ContentFilterError"),
        ("refused for safety", "ContentFilterError"),
        ("temperature is wrong", "InvalidRequestError"),
    ):
        assert type(error_from_status_code(400, words, provider="openai")).__name__ == kind


def test_provider_error_keeps_the_response() -> None:
    raw: JsonObject = {"error": {"message": "slow"}}
    error = error_from_status_code(
        429, "slow", provider="anthropic", error_code="rate", retry_after=2.5, raw=raw
    )
    assert isinstance(error, ProviderError)
    assert (error.provider, error.status_code, error.error_code) == ("anthropic", 429, "rate")
    assert (error.retry_after, error.raw) == (2.5, raw)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_the_tree_shows_every_error_with_its_exit_code(kind: type[SDKError]) -> None:
    line = next(
        one
        for one in inspect.cleandoc(errors.__doc__ or "").splitlines()
        if kind.__name__ in one.split()
    )
    assert int(line.split(kind.__name__)[1].split()[0]) == kind.exit_code


def test_configuration_errors_are_wrong_usage_and_others_resumable() -> None:
    codes = {kind.__name__: kind.exit_code for kind in kinds()}
    assert codes.pop("ConfigurationError") is ExitCode.USAGE
    assert set(codes.values()) == {ExitCode.UNFINISHED}


def made(kind: type[SDKError]) -> SDKError:
    """Make an error with all parameters of its kind."""
    values: dict[str, Any] = {
        "message": "no",
        "hint": "try this",
        "provider": "openai",
        "status_code": 429,
        "error_code": "slow",
        "retry_after": 2.5,
        "raw": {"error": {"message": "slow"}},
        "text": "the answer",
    }
    taken = [one for one in inspect.signature(kind).parameters if one != "self"]
    return kind(**{name: values[name] for name in taken})


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_error_can_be_pickled_and_copied(
    kind: type[SDKError],
) -> None:
    error = made(kind)
    error.others = [made(errors.RateLimitError)]
    pickled = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(6)]
    for one in [*pickled, copy.copy(error), copy.deepcopy(error)]:
        assert type(one) is kind
        assert (str(one), one.args, one.hint) == (str(error), error.args, "try this")
        (other,) = one.others
        assert vars(other) == vars(error.others[0])
        assert {**vars(one), "others": ()} == {**vars(error), "others": ()}
