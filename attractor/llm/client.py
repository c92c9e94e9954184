"""The client: finds the provider of a request, through the middleware (2.2, 2.3).

What a provider's adapter has to be (2.4): translate, call, translate back.
"""

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol, Self, runtime_checkable

from attractor import __environ__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.registry import Registry
from attractor.llm.errors import ConfigurationError, UnsupportedToolChoiceError
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamEvent


@dataclass(frozen=True)
class AdapterTimeout:
    """How many seconds an adapter waits (4.7).

    For a connection, for a whole answer, and in a stream for each next event. A stream has begun to
    be answered within `request`; from there on it may take as long as it goes on.
    """

    connect: float = 10.0
    request: float = 120.0
    stream_read: float = 30.0


class ProviderAdapter(Protocol):
    """One provider's own interface behind the one all providers share."""

    @property
    def name(self) -> str:
        """The provider's name."""
        ...

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, timeout: AdapterTimeout) -> Self | None:
        """Make one from environment variables; None when its key is not among them."""
        ...

    async def complete(self, request: Request) -> Response:
        """Ask and wait for the whole answer; raises an SDKError and never tries twice."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Ask and hear the answer piece by piece, the last one a FINISH with the whole.

        An error comes after what was said before it: as an ERROR event if anything was, and raised.
        Closing the generator, or cancelling who waits for it, closes the connection.
        """
        ...

    def supports_tool_choice(self, mode: str) -> bool:
        """Tell whether the provider knows a tool choice."""
        ...

    async def close(self) -> None:
        """Give up the connections."""
        ...


@runtime_checkable
class Initializes(Protocol):
    """What an adapter has besides that checks its set-up when a client gets it (2.4)."""

    def initialize(self) -> None:
        """Raise a ConfigurationError if it cannot work."""
        ...


@runtime_checkable
class ServesOthers(Protocol):
    """What an adapter has besides by which providers are asked that have none of their own.

    The client looks here for a provider it has no adapter of that name for.
    """

    @classmethod
    def variables_of(cls, provider: str) -> Sequence[str]:
        """Return the variables that let a provider in, each way as a text; none if unknown."""
        ...

    def list_served(self) -> Sequence[str]:
        """Return the names of the providers that can be asked."""
        ...

    def serve(self, provider: str) -> ProviderAdapter | None:
        """Return the adapter of one of them, None of any other; it is closed with this one."""
        ...


_TIMEOUT = AdapterTimeout()


class Complete(Protocol):
    """Answers a request: what middleware is handed to go on with."""

    def __call__(self, request: Request, /) -> Awaitable[Response]:
        """Answer a request."""
        ...


class Stream(Protocol):
    """Answers a request piece by piece: what middleware is handed to go on with in a stream."""

    def __call__(self, request: Request, /) -> AsyncGenerator[StreamEvent]:
        """Answer a request."""
        ...


class Middleware(Protocol):
    """Stands around every call: may change the request, the answer, or answer itself.

    One that is to stand around streams too is a StreamMiddleware.
    """

    def __call__(self, request: Request, next: Complete, /) -> Awaitable[Response]:
        """Answer a request, usually by what `next` answers."""
        ...


@runtime_checkable
class StreamMiddleware(Middleware, Protocol):
    """Middleware that stands around streams as well; a client without it refuses to stream."""

    def stream(self, request: Request, next: Stream, /) -> AsyncGenerator[StreamEvent]:
        """Yield the events of an answer, usually those that `next` yields."""
        ...


class Client:
    """Sends a request to its provider; holds nothing that changes between requests."""

    def __init__(
        self,
        *,
        providers: Mapping[str, ProviderAdapter],
        default_provider: str | None = None,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        self.providers = dict(providers)
        self.default_provider = default_provider
        self._middleware = tuple(middleware)
        for adapter in self.providers.values():
            if isinstance(adapter, Initializes):
                adapter.initialize()
        self._complete: Complete = self._dispatch
        for one in reversed(middleware):
            self._complete = _around(self._complete, one)
        if default_provider is not None:
            self._adapter(default_provider)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        timeout: AdapterTimeout = _TIMEOUT,
        middleware: Sequence[Middleware] = (),
    ) -> Self:
        """Make one of every provider whose key is set; the first by name is the default.

        The variables are those of the process, unless others are given. One that serves others is
        the default only where there is nothing else.
        """
        parts, environ = provider_registry(), __environ__() if environ is None else environ
        made = {name: parts[name].from_env(environ, timeout=timeout) for name in parts}
        providers = {name: adapter for name, adapter in made.items() if adapter is not None}
        by_name = sorted(providers, key=lambda name: isinstance(providers[name], ServesOthers))
        default = next(iter(by_name), None)
        return cls(providers=providers, default_provider=default, middleware=middleware)

    def can_ask(self, provider: str) -> bool:
        """Tell whether a provider can be asked, by its own adapter or by one that serves it."""
        return self._find(provider) is not None

    async def complete(self, request: Request) -> Response:
        """Ask a model and wait for its whole answer; an error is raised and nothing tried twice."""
        provider = self._resolve(request)
        return await self._complete(replace(request, provider=provider))

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Ask a model and hear its answer as it comes, up to a FINISH that has the whole of it.

        An error is raised after what was said before it, and nothing is tried twice. Who stops
        listening earlier closes the generator, and with it the connection.
        """
        provider = self._resolve(request)
        async with AsyncExitStack() as opened:
            go_on = _closed_by(opened, self._dispatch_stream)
            for one in reversed(self._middleware):
                go_on = _closed_by(opened, _around_stream(go_on, one))
            async for event in go_on(replace(request, provider=provider)):
                yield event

    async def close(self) -> None:
        """Give up the connections of every provider."""
        for adapter in self.providers.values():
            # A method that the specification leaves to the adapter, as the two below (2.4).
            if hasattr(adapter, "close"):
                await adapter.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self.close()

    def _resolve(self, request: Request) -> str:
        provider = request.provider or self.default_provider
        if provider is None:
            raise ConfigurationError(
                f"nothing says which provider serves the model {request.model!r}",
                hint="name a provider in the request, or set a provider's key",
            )
        self._adapter(provider)
        return provider

    async def _dispatch(self, request: Request) -> Response:
        return await self._adapter_for(request).complete(request)

    def _dispatch_stream(self, request: Request, /) -> AsyncGenerator[StreamEvent]:
        return self._adapter_for(request).stream(request)

    def _adapter_for(self, request: Request) -> ProviderAdapter:
        # Middleware may have sent the request elsewhere.
        adapter = self._adapter(self._resolve(request))
        choice = request.tool_choice
        if choice is None or not hasattr(adapter, "supports_tool_choice"):
            return adapter
        if not adapter.supports_tool_choice(choice.mode):
            raise UnsupportedToolChoiceError(f"{adapter.name} knows no tool choice {choice.mode!r}")
        return adapter

    def _adapter(self, provider: str) -> ProviderAdapter:
        adapter = self._find(provider)
        if adapter is None:
            known = [
                *self.providers,
                *(name for one in self._serving for name in one.list_served()),
            ]
            unknown = UnknownName("provider", provider, known)
            raise ConfigurationError(
                f"no provider {provider!r} is set up", hint=f"{unknown.hint}; is its key set?"
            )
        return adapter

    def _find(self, provider: str) -> ProviderAdapter | None:
        own = self.providers.get(provider)
        if own is not None:
            return own
        served = (one.serve(provider) for one in self._serving)
        return next((one for one in served if one is not None), None)

    @property
    def _serving(self) -> Sequence[ServesOthers]:
        return [one for one in self.providers.values() if isinstance(one, ServesOthers)]


def _around(inner: Complete, middleware: Middleware) -> Complete:
    def complete(request: Request) -> Awaitable[Response]:
        return middleware(request, inner)

    return complete


def _around_stream(inner: Stream, middleware: Middleware) -> Stream:
    if not isinstance(middleware, StreamMiddleware):
        name = getattr(middleware, "__name__", type(middleware).__name__)
        raise ConfigurationError(
            f"the middleware {name} stands around no streams",
            hint="give it a method stream(request, next) too, or ask with complete()",
        )

    def stream(request: Request, /) -> AsyncGenerator[StreamEvent]:
        return middleware.stream(request, inner)

    return stream


def _closed_by(opened: AsyncExitStack, call: Stream) -> Stream:
    """Close what a call yields when the stack is closed: a generator left alone stays open."""

    def stream(request: Request, /) -> AsyncGenerator[StreamEvent]:
        events = call(request)
        opened.push_async_callback(events.aclose)
        return events

    return stream


def provider_registry() -> Registry[type[ProviderAdapter]]:
    """Return the adapters by provider, none of them imported."""
    return Registry("attractor.llm.providers", type[ProviderAdapter], noun="provider")
