"""The client: sends requests through middleware to the adapters of providers (2.2 to 2.4)."""

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack
from copy import copy
from dataclasses import replace
from typing import Protocol, Self, runtime_checkable

from attractor import __environ__
from attractor.base.dataclasses import dataclass
from attractor.base.errors import UnknownName
from attractor.base.registry import Registry
from attractor.llm.catalogue import NATIVE, ModelInfo, shipped_catalogue
from attractor.llm.errors import ConfigurationError, UnsupportedToolChoiceError
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamEvent, replay


@dataclass(frozen=True)
class AdapterTimeout:
    """Time limits of an adapter in seconds (4.7).

    `connect` limits the time to open a connection. `request` limits the time to a whole answer, or
    to the beginning of a stream. `stream_read` limits the time without data in a stream. The total
    time of a stream is not limited.
    """

    connect: float = 10.0
    request: float = 120.0
    stream_read: float = 30.0


AGENT_TIMEOUT = AdapterTimeout(request=600, stream_read=300)
"""For models that think: they send no event for minutes, and the same call would be late again."""


class ProviderAdapter(Protocol):
    """Adapts the interface of a provider to the common interface of all providers.

    A client needs `complete` only. Without `stream`, the answer is streamed when it is whole.
    """

    @property
    def name(self) -> str:
        """The provider's name."""
        ...

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, timeout: AdapterTimeout) -> Self | None:
        """Return an adapter configured by environment variables; None without an API key."""
        ...

    async def complete(self, request: Request) -> Response:
        """Send a request and return the whole answer; raises an SDKError, without retries."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Send a request and yield the events of the answer; FINISH has the whole answer.

        An error after the first event is yielded as an ERROR event and then raised. Closing the
        generator, or cancelling the task that reads it, closes the connection.
        """
        ...

    def supports_tool_choice(self, mode: str) -> bool:
        """Return whether the provider supports a tool choice."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


@runtime_checkable
class Initializes(Protocol):
    """An adapter that checks its configuration when a client is created (2.4)."""

    def initialize(self) -> None:
        """Raise a ConfigurationError if the configuration is invalid."""
        ...


@runtime_checkable
class LoadsLibrary(Protocol):
    """An adapter with a library that takes seconds to load."""

    library: str

    def load(self) -> None:
        """Load the library; raises a ConfigurationError, as the first call does."""
        ...


@runtime_checkable
class Probes(Protocol):
    """An adapter that can find out, without cost, whether its provider answers."""

    async def probe(self) -> None:
        """Request the list of models; raises an SDKError."""
        ...


@runtime_checkable
class ServesOthers(Protocol):
    """An adapter that also serves providers that have no adapter of their own."""

    @classmethod
    def variables_of(cls, provider: str) -> Sequence[str]:
        """Return the alternative variables that configure a provider.

        The result is empty if the provider is unknown.
        """
        ...

    def list_served(self) -> Sequence[str]:
        """Return the names of the providers whose API keys are set."""
        ...

    def serve(self, provider: str) -> ProviderAdapter | None:
        """Return the adapter of a provider, or None if the provider is not served.

        Closing this adapter also closes the returned adapter.
        """
        ...


_TIMEOUT = AdapterTimeout()


class Complete(Protocol):
    """Answers a request; passed to middleware as `next`."""

    def __call__(self, request: Request, /) -> Awaitable[Response]:
        """Return the answer to a request."""
        ...


class Stream(Protocol):
    """Streams the answer to a request; passed to stream middleware as `next`."""

    def __call__(self, request: Request, /) -> AsyncGenerator[StreamEvent]:
        """Yield the events of the answer to a request."""
        ...


class Middleware(Protocol):
    """Wraps every call; can change the request, change the answer, or return another answer.

    Middleware for streams is a StreamMiddleware.
    """

    def __call__(self, request: Request, next: Complete, /) -> Awaitable[Response]:
        """Return the answer to a request, usually the answer of `next`."""
        ...


@runtime_checkable
class StreamMiddleware(Middleware, Protocol):
    """Middleware that also supports streams.

    A client with any other middleware refuses to stream.
    """

    def stream(self, request: Request, next: Stream, /) -> AsyncGenerator[StreamEvent]:
        """Yield the events of an answer, usually the events of `next`."""
        ...


class Client:
    """Sends requests to providers; no state changes between requests.

    A request without a provider goes to the default provider. Without a default provider, the
    model's name decides: the catalogue knows the providers of a model.
    """

    def __init__(
        self,
        *,
        providers: Mapping[str, ProviderAdapter],
        default_provider: str | None = None,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        self.providers = dict(providers)
        self.default_provider = default_provider
        self._is_default_chosen = default_provider is not None
        self._middleware = tuple(middleware)
        for adapter in self.providers.values():
            if isinstance(adapter, Initializes):
                adapter.initialize()
        self._complete: Complete = self._dispatch
        for layer in reversed(middleware):
            self._complete = _wrap(self._complete, layer)
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
        """Return a client of all providers whose API keys are set in environment variables.

        The default provider, for models that the catalogue does not know, is the only provider,
        not counting an adapter that serves other providers.
        """
        parts, environ = provider_registry(), __environ__() if environ is None else environ
        adapters = {name: parts[name].from_env(environ, timeout=timeout) for name in parts}
        providers = {name: adapter for name, adapter in adapters.items() if adapter is not None}
        client = cls(providers=providers, middleware=middleware)
        own = [name for name in providers if not isinstance(providers[name], ServesOthers)]
        choices = own or [*providers]
        client.default_provider = choices[0] if len(choices) == 1 else None
        return client

    def can_ask(self, provider: str) -> bool:
        """Return whether a provider has its own adapter, or is served by another adapter."""
        return self._find(provider) is not None

    async def probe(self, provider: str) -> bool:
        """Request the list of models of a provider, without middleware; raises an SDKError.

        Return False, without a request, if its adapter knows no such list.
        """
        adapter = self._adapter(provider)
        if not isinstance(adapter, Probes):
            return False
        await adapter.probe()
        return True

    def wrapped(self, layer: Middleware) -> "Client":
        """Return a client with one more middleware, the outermost, over the same connections."""
        client = copy(self)
        client._middleware = (layer, *self._middleware)
        client._complete = _wrap(self._complete, layer)
        return client

    async def complete(self, request: Request) -> Response:
        """Return the whole answer of a model; raises an SDKError, without retries."""
        return await self._complete(self._resolve(request))

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Yield the events of a model's answer up to FINISH, which has the whole answer.

        Raises an SDKError, without retries. Closing the generator closes the connection.
        """
        resolved = self._resolve(request)
        async with AsyncExitStack() as stack:
            call = _closing(stack, self._dispatch_stream)
            for layer in reversed(self._middleware):
                call = _closing(stack, _wrap_stream(call, layer))
            async for event in call(resolved):
                yield event

    @property
    def can_stream(self) -> bool:
        """Whether every middleware supports streams."""
        return all(isinstance(layer, StreamMiddleware) for layer in self._middleware)

    async def close(self) -> None:
        """Close the connections of all providers."""
        for adapter in self.providers.values():
            # Optional by the specification (2.4).
            if hasattr(adapter, "close"):
                await adapter.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exit: object) -> None:
        await self.close()

    def _resolve(self, request: Request) -> Request:
        """Return a request with a provider that can be asked."""
        self._check_options(request)
        provider = request.provider or (self.default_provider if self._is_default_chosen else None)
        if provider is not None:
            self._adapter(provider)
            return replace(request, provider=provider)
        try:
            models = shipped_catalogue().find_all(request.model)
        except ConfigurationError:
            # Without the table of models, no name decides.
            models = ()
        for model in models:
            if self.can_ask(model.provider):
                # The name may be an alias.
                return replace(request, provider=model.provider, model=model.id)
        default = self.default_provider
        # A native provider has no models of others; a gateway may have any.
        if default is None or (models and default in NATIVE):
            raise self._missing_provider(request.model, models)
        return replace(request, provider=default)

    def _check_options(self, request: Request) -> None:
        """Raise a ConfigurationError for options that are not below the name of a provider."""
        for name in request.provider_options:
            known = name == request.provider or name in self.providers
            if not (known or name in provider_registry() or name in _catalogued_providers()):
                raise ConfigurationError(
                    f"unknown provider {name!r} in provider_options",
                    hint=f'write the options by provider, such as {{"openai": {{{name!r}: ...}}}}',
                )

    def _missing_provider(self, model: str, known: Sequence[ModelInfo]) -> ConfigurationError:
        if known:
            hint = f"set the API key of {known[0].provider}"
            hint += f", or provider= to one of: {', '.join(self.providers)}" * bool(self.providers)
        elif self.providers:
            hint = f"set provider= to one of: {', '.join(self.providers)}"
        else:
            hint = "set the API key of a provider, and provider="
        return ConfigurationError(f"missing provider for the model {model!r}", hint=hint)

    async def _dispatch(self, request: Request) -> Response:
        # Middleware may have changed the provider.
        resolved = self._resolve(request)
        return await self._adapter_for(resolved).complete(resolved)

    def _dispatch_stream(self, request: Request, /) -> AsyncGenerator[StreamEvent]:
        resolved = self._resolve(request)
        adapter = self._adapter_for(resolved)
        if not hasattr(adapter, "stream"):
            return _stream_whole(adapter, resolved)
        return adapter.stream(resolved)

    def _adapter_for(self, request: Request) -> ProviderAdapter:
        adapter = self._adapter(request.provider or "")
        choice = request.tool_choice
        if choice is None or not hasattr(adapter, "supports_tool_choice"):
            return adapter
        if not adapter.supports_tool_choice(choice.mode):
            raise UnsupportedToolChoiceError(
                f"{adapter.name} does not support the tool choice {choice.mode!r}"
            )
        return adapter

    def _adapter(self, provider: str) -> ProviderAdapter:
        adapter = self._find(provider)
        if adapter is None:
            served = [name for server in self._servers for name in server.list_served()]
            unknown = UnknownName("provider", provider, [*self.providers, *served])
            raise ConfigurationError(
                f"unknown provider {provider!r}",
                hint=f"{unknown.hint}; is the API key of the provider set?",
            )
        return adapter

    def _find(self, provider: str) -> ProviderAdapter | None:
        own = self.providers.get(provider)
        if own is not None:
            return own
        served = (server.serve(provider) for server in self._servers)
        return next((adapter for adapter in served if adapter is not None), None)

    @property
    def _servers(self) -> Sequence[ServesOthers]:
        return [adapter for adapter in self.providers.values() if isinstance(adapter, ServesOthers)]


async def _stream_whole(adapter: ProviderAdapter, request: Request) -> AsyncGenerator[StreamEvent]:
    """Yield the events of an answer that an adapter without `stream` gives as a whole."""
    for event in replay(await adapter.complete(request)):
        yield event


def _catalogued_providers() -> Sequence[str]:
    try:
        return shipped_catalogue().providers
    except ConfigurationError:
        return ()


def _wrap(inner: Complete, middleware: Middleware) -> Complete:
    def complete(request: Request) -> Awaitable[Response]:
        return middleware(request, inner)

    return complete


def _wrap_stream(inner: Stream, middleware: Middleware) -> Stream:
    if not isinstance(middleware, StreamMiddleware):
        name = getattr(middleware, "__name__", type(middleware).__name__)
        raise ConfigurationError(
            f"the middleware {name} does not support streams",
            hint="add a method stream(request, next), or call complete()",
        )

    def stream(request: Request, /) -> AsyncGenerator[StreamEvent]:
        return middleware.stream(request, inner)

    return stream


def _closing(stack: AsyncExitStack, call: Stream) -> Stream:
    """Return a function like `call`; the exit stack closes every generator the function returns."""

    def stream(request: Request, /) -> AsyncGenerator[StreamEvent]:
        events = call(request)
        stack.push_async_callback(events.aclose)
        return events

    return stream


def provider_registry() -> Registry[type[ProviderAdapter]]:
    """Return the adapter classes by provider, imported on first use."""
    return Registry("attractor.llm.providers", type[ProviderAdapter], noun="provider")
