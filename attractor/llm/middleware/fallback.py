"""Asks another model when one does not answer, and says so.

Adds warnings to answers: what middleware did is never silent.
"""

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


def warned(response: Response, warnings: Sequence[Warning]) -> Response:
    """Return an answer with more warnings, itself when there are none."""
    return replace(response, warnings=[*response.warnings, *warnings]) if warnings else response


def warned_event(event: StreamEvent, warnings: Sequence[Warning]) -> StreamEvent:
    """Return an event with more warnings, if it is one that has some: the first and the last."""
    if not warnings:
        return event
    if event.start is not None:
        start = replace(event.start, warnings=[*event.start.warnings, *warnings])
        event = replace(event, start=start)
    if event.response is not None:
        event = replace(event, response=warned(event.response, warnings))
    return event


_GONE = (NotFoundError, AccessDeniedError, QuotaExceededError)
# A model that is only asked for want of another may be one that this client cannot ask.
_UNFIT = (ConfigurationError, UnsupportedToolChoiceError)
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
    """A model and who serves it."""

    provider: str
    model: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `provider/model`."""
        provider, slash, model = text.partition("/")
        if not (provider and slash and model):
            raise ConfigurationError(
                f"{text!r} names no model of a provider", hint="write it as provider/model"
            )
        return cls(provider, model)

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Failed(NamedTuple):
    """A model that did not answer, and why."""

    name: ModelName
    error: SDKError

    def __str__(self) -> str:
        return f"{self.name} failed: {type(self.error).__name__}: {self.error.message}"


Others = Sequence[tuple[str, str]]
_NONE: Mapping[str, Others] = MappingProxyType({})


def may_fall_back(error: SDKError) -> bool:
    """Tell whether another model may do: for trouble that may pass, and where this one is not had.

    That is what is retryable, and a model that is not found, not allowed or not paid for.
    """
    return error.retryable or isinstance(error, _GONE)


class Fallback:
    """Asks `others`, (provider, model) one after the other, when the model of a request fails.

    `by_model` names others for some models alone, by `model` or `provider/model`; they go before.
    In a stream nobody else is asked once anything was said. A warning says who answered, and why.
    """

    def __init__(
        self,
        others: Others = (),
        *,
        by_model: Mapping[str, Others] = _NONE,
        when: Callable[[SDKError], bool] = may_fall_back,
    ) -> None:
        self._others = [ModelName(*one) for one in others]
        self._by_model = {
            name: [ModelName(*one) for one in models] for name, models in by_model.items()
        }
        self._when = when
        if not self._others and not any(self._by_model.values()):
            raise ConfigurationError("no other model to fall back to", hint="name at least one")

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Ask one model after the other until one answers."""
        failed: list[Failed] = []
        for asked in self._requests(request):
            try:
                response = await next(asked)
            except SDKError as error:
                self._go_on(asked, error, failed)
            else:
                return warned(response, _warnings(asked, failed))
        raise _told(failed)

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Ask one model after the other until one begins to answer."""
        failed: list[Failed] = []
        for asked in self._requests(request):
            held = _Held(_warnings(asked, failed))
            try:
                async for event in next(asked):
                    for one in held.release(event):
                        yield one
            except SDKError as error:
                if held.is_released:
                    raise
                self._go_on(asked, error, failed)
            else:
                for one in held.rest():
                    yield one
                return
        raise _told(failed)

    def _requests(self, request: Request) -> Iterator[Request]:
        """Yield the request, and then for each other model the same one."""
        yield request
        first = ModelName(request.provider or "", request.model)
        others = self._by_model.get(str(first), self._by_model.get(request.model, self._others))
        for one in others:
            if one != first:
                yield replace(request, provider=one.provider, model=one.model)

    def _go_on(self, asked: Request, error: SDKError, failed: list[Failed]) -> None:
        """Note an error, or raise it when no other model would do."""
        failed_now = Failed(ModelName(asked.provider or "", asked.model), error)
        is_unfit = bool(failed) and isinstance(error, _UNFIT)
        if not is_unfit and not self._when(error):
            raise _told([*failed, failed_now], error) from error.__cause__
        failed.append(failed_now)


class _Held:
    """The beginning of a stream, held back until something is said: then nobody else is asked."""

    def __init__(self, warnings: Sequence[Warning]) -> None:
        self.is_released = False
        self._warnings = warnings
        self._events: list[StreamEvent] = []

    def release(self, event: StreamEvent) -> Sequence[StreamEvent]:
        """Return what may be told now that an event came."""
        self._events.append(event)
        if not self.is_released and event.type in _BEFORE_CONTENT:
            return ()
        self.is_released = True
        return self.rest()

    def rest(self) -> Sequence[StreamEvent]:
        """Return all that is held back."""
        events, self._events = self._events, []
        return [warned_event(one, self._warnings) for one in events]


def _warnings(asked: Request, failed: Sequence[Failed]) -> Sequence[Warning]:
    if not failed:
        return ()
    name = ModelName(asked.provider or "", asked.model)
    return [Warning(f"{name} answered, for {'; '.join(map(str, failed))}", "fell_back")]


def _told(failed: Sequence[Failed], raised: SDKError | None = None) -> SDKError:
    """Return the error to raise: the last one after which a try may help, with all the others."""
    hopeful = [one.error for one in failed if one.error.retryable]
    error = raised or (hopeful or [failed[-1].error])[-1]
    others = [one for one in failed if one.error is not error]
    if others:
        error.others = [one.error for one in others]
        error.message = f"{error.message} ({'; '.join(map(str, others))})"
        error.args = (error.message,)
        for one in others:
            error.add_note(str(one))
    return error
