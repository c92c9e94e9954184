"""What a provider's adapter has to be (2.4): translate, call, translate back."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol, Self, runtime_checkable

from attractor.base.dataclasses import dataclass
from attractor.llm.request import Request
from attractor.llm.response import Response
from attractor.llm.stream_event import StreamEvent


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
