"""Adapter for all other providers, through litellm."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Self

from attractor.base.errors import UnknownName
from attractor.llm.catalogue import LITELLM, NATIVE
from attractor.llm.client import AdapterTimeout, ProviderAdapter
from attractor.llm.errors import ConfigurationError
from attractor.llm.providers.litellm_call import Call, LiteLLMTarget
from attractor.llm.providers.litellm_http import Pool
from attractor.llm.providers.litellm_providers import (
    ProviderVariables,
    find_configured,
    find_variables,
)
from attractor.llm.providers.litellm_translation import end, is_whole, step
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamEvent
from attractor.llm.transport.stream_reading import StreamReader, read_stream

_TIMEOUT = AdapterTimeout()


class LiteLLMAdapter:
    """Calls a provider through litellm: one by name, or any by models named PROVIDER/MODEL.

    Keys are read from the given variables.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        provider: str = LITELLM,
        timeout: AdapterTimeout = _TIMEOUT,
        pool: Pool | None = None,
    ) -> None:
        self.name = provider
        self._environ = environ
        self._timeout = timeout
        self._pool = pool or Pool()

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str], *, timeout: AdapterTimeout = _TIMEOUT
    ) -> Self | None:
        """Return an adapter if a provider without an adapter of its own is configured."""
        return cls(environ, timeout=timeout) if find_configured(environ) else None

    @classmethod
    def variables_of(cls, provider: str) -> Sequence[str]:
        """Return the alternative variables that configure a provider; empty if unknown."""
        if provider == LITELLM:
            return ["the key of one of its providers, such as GROQ_API_KEY"]
        needs = None if provider in NATIVE else find_variables(provider)
        return [" and ".join(way) for way in needs.ways] if needs else []

    def list_served(self) -> Sequence[str]:
        """Return the names of the configured providers."""
        return find_configured(self._environ)

    def serve(self, provider: str) -> ProviderAdapter | None:
        """Return the adapter of a configured provider without an adapter of its own."""
        needs = None if provider in NATIVE else find_variables(provider)
        if needs is None or not needs.are_met(self._environ):
            return None
        kind = type(self)
        return kind(self._environ, provider=provider, timeout=self._timeout, pool=self._pool)

    async def complete(self, request: Request) -> Response:
        """Send a request and return the whole answer."""
        return await self._call(request).complete()

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Stream the answer to a request."""
        call = self._call(request)
        return read_stream(
            call.stream(),
            StreamReader(call.begin, step, end, is_whole),
            provider=self.name,
            model=call.model,
        )

    def supports_tool_choice(self, mode: str) -> bool:
        """Return True for all modes; a provider that does not support one raises an error."""
        return mode in {"auto", "none", "required", "named"}

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    def _call(self, request: Request) -> Call:
        provider, model = self.name, request.model
        if provider == LITELLM:
            provider, _, model = model.partition("/")
        needs = self._needs(provider, request.model)
        whom = LiteLLMTarget(self.name, provider, needs.read(self._environ))
        # The catalogue lists most models as provider/model.
        asked = replace(request, model=model.removeprefix(f"{provider}/"))
        return Call(asked, whom, self._pool, self._timeout)

    def _needs(self, provider: str, model: str) -> ProviderVariables:
        needs = find_variables(provider)
        if needs is None:
            unknown = UnknownName("provider", provider, self.list_served())
            raise ConfigurationError(
                f"unknown provider {provider!r} of litellm (model {model!r})",
                hint=f"write the model as PROVIDER/MODEL; {unknown.hint}",
            )
        if not needs.are_met(self._environ):
            ways = " or ".join(" and ".join(way) for way in needs.ways)
            raise ConfigurationError(f"missing key of {provider}", hint=f"set {ways}")
        return needs


part = LiteLLMAdapter
