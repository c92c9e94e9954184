"""All other providers, by litellm."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Self

from attractor.base.errors import UnknownName
from attractor.llm.catalogue import LITELLM, NATIVE
from attractor.llm.client import AdapterTimeout, ProviderAdapter
from attractor.llm.errors import ConfigurationError
from attractor.llm.providers.litellm_call import Call, Whom
from attractor.llm.providers.litellm_http import Pool
from attractor.llm.providers.litellm_providers import Needs, find_needs, find_ready
from attractor.llm.providers.litellm_translation import end, is_whole, step
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_events import StreamEvent
from attractor.llm.transport.stream_reading import StreamReader, read_stream

_TIMEOUT = AdapterTimeout()


class LiteLLMAdapter:
    """Asks providers by litellm: one of them by its name, or any by models named PROVIDER/MODEL.

    What lets it in is read from the variables it is given.
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
        """Make one when a provider has what it needs that has no adapter of its own."""
        return cls(environ, timeout=timeout) if find_ready(environ) else None

    @classmethod
    def variables_of(cls, provider: str) -> Sequence[str]:
        """Return the variables that let a provider in, each way as a text; none if unknown."""
        if provider == LITELLM:
            return ["the key of one of its providers, such as GROQ_API_KEY"]
        needs = None if provider in NATIVE else find_needs(provider)
        return [" and ".join(way) for way in needs.ways] if needs else []

    def list_served(self) -> Sequence[str]:
        """Return the names of the providers that can be asked."""
        return find_ready(self._environ)

    def serve(self, provider: str) -> ProviderAdapter | None:
        """Return the adapter of one of them; a native provider has its own or is not asked."""
        needs = None if provider in NATIVE else find_needs(provider)
        if needs is None or not needs.are_met(self._environ):
            return None
        kind = type(self)
        return kind(self._environ, provider=provider, timeout=self._timeout, pool=self._pool)

    async def complete(self, request: Request) -> Response:
        """Ask and wait for the whole answer."""
        return await self._call(request).complete()

    def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        """Ask and hear the answer piece by piece."""
        call = self._call(request)
        return read_stream(
            call.stream(),
            StreamReader(call.begin, step, end, is_whole),
            provider=self.name,
            model=call.model,
        )

    def supports_tool_choice(self, mode: str) -> bool:
        """Tell whether the providers know a tool choice; of one that does not it is refused."""
        return mode in {"auto", "none", "required", "named"}

    async def close(self) -> None:
        """Give up the connections."""
        await self._pool.close()

    def _call(self, request: Request) -> Call:
        provider, model = self.name, request.model
        if provider == LITELLM:
            provider, _, model = model.partition("/")
        needs = self._needs(provider, request.model)
        whom = Whom(self.name, provider, needs.read(self._environ))
        # The catalogue has most names with the provider in front.
        asked = replace(request, model=model.removeprefix(f"{provider}/"))
        return Call(asked, whom, self._pool, self._timeout)

    def _needs(self, provider: str, model: str) -> Needs:
        needs = find_needs(provider)
        if needs is None:
            unknown = UnknownName("provider", provider, self.list_served())
            raise ConfigurationError(
                f"litellm serves no provider {provider!r}, which the model {model!r} is to be of",
                hint=f"write the model as PROVIDER/MODEL; {unknown.hint}",
            )
        if not needs.are_met(self._environ):
            ways = " or ".join(" and ".join(way) for way in needs.ways)
            raise ConfigurationError(f"the key of {provider} is not set", hint=f"set {ways}")
        return needs


part = LiteLLMAdapter
