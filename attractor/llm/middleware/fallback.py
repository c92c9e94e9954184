"""Calls other models when a model fails, and adds a warning to the answer."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple, Self

from attractor.llm.client import Complete, Stream
from attractor.llm.errors import (
    AccessDeniedError,
    ConfigurationError,
    NotFoundError,
    QuotaExceededError,
    SDKError,
    UnsupportedToolChoiceError,
)
from attractor.llm.request import Request
from attractor.llm.response import Response, Warning
from attractor.llm.stream_events import StreamEvent, StreamEventType

_UNAVAILABLE = (NotFoundError, AccessDeniedError, QuotaExceededError)
# The client may not be configured for a fallback model.
_NOT_CONFIGURED = (ConfigurationError, UnsupportedToolChoiceError)
_BEFORE_CONTENT = frozenset(
    {
        StreamEventType.STREAM_START,
        StreamEventType.PROVIDER_EVENT,
        StreamEventType.TEXT_START,
        StreamEventType.REASONING_START,
        StreamEventType.ERROR,
    }
)


class ModelName(NamedTuple):
    """A model name with its provider."""

    provider: str
    model: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `provider/model`."""
        provider, slash, model = text.partition("/")
        if not (provider and slash and model):
            raise ConfigurationError(
                f"invalid model name {text!r}", hint="write it as provider/model"
            )
        return cls(provider, model)

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class FailedModel(NamedTuple):
    """A model that did not answer, and the error of the call."""

    name: ModelName
    error: SDKError

    def __str__(self) -> str:
        return f"{self.name} failed: {type(self.error).__name__}: {self.error.message}"


Models = Sequence[tuple[str, str]]
_NO_MODELS: Mapping[str, Models] = MappingProxyType({})


def may_fall_back(error: SDKError) -> bool:
    """Return whether another model may answer after this error.

    This is true for a retryable error, and if the requested model is not found, not allowed or out
    of quota.
    """
    return error.retryable or isinstance(error, _UNAVAILABLE)


class Fallback:
    """Calls other models (pairs of provider and model), in order, if the requested model fails.

    `by_model` overrides `others` for the models that are its keys, written `model` or
    `provider/model`. A stream is not repeated after its first content. A warning in the answer
    names the model that answered, and the errors of the other models.
    """

    def __init__(
        self,
        others: Models = (),
        *,
        by_model: Mapping[str, Models] = _NO_MODELS,
        when: Callable[[SDKError], bool] = may_fall_back,
    ) -> None:
        self._others = [ModelName(*pair) for pair in others]
        self._by_model = {
            name: [ModelName(*pair) for pair in models] for name, models in by_model.items()
        }
        self._when = when
        if not self._others and not any(self._by_model.values()):
            raise ConfigurationError("missing fallback model", hint="pass at least one model")

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Call one model after the other until one answers."""
        failed: list[FailedModel] = []
        for candidate in self._requests(request):
            try:
                response = await next(candidate)
            except SDKError as error:
                self._record(candidate, error, failed)
            else:
                return response.with_warnings(_warnings(candidate, failed))
        raise _combined_error(failed)

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Call one model after the other until one begins to answer."""
        failed: list[FailedModel] = []
        for candidate in self._requests(request):
            warnings = _warnings(candidate, failed)
            # Another model can be called until the first content.
            held: list[StreamEvent] = []
            has_content = False
            try:
                async for event in next(candidate):
                    held.append(event.with_warnings(warnings))
                    has_content = has_content or event.type not in _BEFORE_CONTENT
                    while has_content and held:
                        yield held.pop(0)
            except SDKError as error:
                if has_content:
                    raise
                self._record(candidate, error, failed)
            else:
                for held_event in held:
                    yield held_event
                return
        raise _combined_error(failed)

    def _requests(self, request: Request) -> Iterator[Request]:
        """Yield the request, and then the same request for each fallback model."""
        yield request
        first = ModelName(request.provider or "", request.model)
        others = self._by_model.get(str(first), self._by_model.get(request.model, self._others))
        for name in others:
            if name != first:
                yield replace(request, provider=name.provider, model=name.model)

    def _record(self, request: Request, error: SDKError, failed: list[FailedModel]) -> None:
        """Record an error, or raise the error if no other model may succeed."""
        failure = FailedModel(ModelName(request.provider or "", request.model), error)
        is_not_configured = bool(failed) and isinstance(error, _NOT_CONFIGURED)
        if not is_not_configured and not self._when(error):
            raise _combined_error([*failed, failure], error) from error.__cause__
        failed.append(failure)


def _warnings(request: Request, failed: Sequence[FailedModel]) -> Sequence[Warning]:
    if not failed:
        return ()
    name = ModelName(request.provider or "", request.model)
    return [Warning(f"{name} answered because {'; '.join(map(str, failed))}", "fell_back")]


def _combined_error(failed: Sequence[FailedModel], raised: SDKError | None = None) -> SDKError:
    """Return the last retryable error, with the messages of all other errors.

    If no error is retryable, return the last error instead.
    """
    retryable = [failure.error for failure in failed if failure.error.retryable]
    error = raised or (retryable or [failed[-1].error])[-1]
    others = [failure for failure in failed if failure.error is not error]
    if others:
        error.others = [failure.error for failure in others]
        error.message = f"{error.message} ({'; '.join(map(str, others))})"
        error.args = (error.message,)
        for failure in others:
            error.add_note(str(failure))
    return error
