"""The client: finds the provider of a request, through the middleware (2.2, 2.3)."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, Self

from attractor.base.errors import UnknownName
from attractor.base.registry import Registry
from attractor.llm.adapter import AdapterTimeout, ProviderAdapter
from attractor.llm.errors import ConfigurationError, UnsupportedToolChoiceError
from attractor.llm.request import Request
from attractor.llm.response import Response

_TIMEOUT = AdapterTimeout()


class Complete(Protocol):
    """Answers a request: what middleware is handed to go on with."""

    def __call__(self, request: Request, /) -> Awaitable[Response]:
        """Answer a request."""
        ...


class Middleware(Protocol):
    """Stands around every call: may change the request, the answer, or answer itself."""

    def __call__(self, request: Request, next: Complete, /) -> Awaitable[Response]:
        """Answer a request, usually by what `next` answers."""
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
        self._complete: Complete = self._dispatch
        for one in reversed(middleware):
            self._complete = _around(self._complete, one)
        if default_provider is not None:
            self._adapter(default_provider)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str],
        *,
        timeout: AdapterTimeout = _TIMEOUT,
        middleware: Sequence[Middleware] = (),
    ) -> Self:
        """Make one of every provider whose key is set; the first by name is the default."""
        parts = provider_registry()
        made = {name: parts[name].from_env(environ, timeout=timeout) for name in parts}
        providers = {name: adapter for name, adapter in made.items() if adapter is not None}
        default = next(iter(providers), None)
        return cls(providers=providers, default_provider=default, middleware=middleware)

    async def complete(self, request: Request) -> Response:
        """Ask a model and wait for its whole answer; an error is raised and nothing tried twice."""
        provider = self._resolve(request)
        return await self._complete(replace(request, provider=provider))

    async def close(self) -> None:
        """Give up the connections of every provider."""
        for adapter in self.providers.values():
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
        # Middleware may have sent the request elsewhere.
        adapter = self._adapter(self._resolve(request))
        choice = request.tool_choice
        if choice is not None and not adapter.supports_tool_choice(choice.mode):
            raise UnsupportedToolChoiceError(f"{adapter.name} knows no tool choice {choice.mode!r}")
        return await adapter.complete(request)

    def _adapter(self, provider: str) -> ProviderAdapter:
        adapter = self.providers.get(provider)
        if adapter is None:
            unknown = UnknownName("provider", provider, self.providers)
            raise ConfigurationError(
                f"no provider {provider!r} is set up", hint=f"{unknown.hint}; is its key set?"
            )
        return adapter


def _around(inner: Complete, middleware: Middleware) -> Complete:
    def complete(request: Request) -> Awaitable[Response]:
        return middleware(request, inner)

    return complete


def provider_registry() -> Registry[type[ProviderAdapter]]:
    """Return the adapters by provider, none of them imported."""
    return Registry("attractor.llm.providers", type[ProviderAdapter], noun="provider")
