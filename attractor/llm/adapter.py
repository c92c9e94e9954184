"""What a provider's adapter has to be (2.4): translate, call, translate back."""

from collections.abc import Mapping
from typing import Protocol, Self

from attractor.base.late_dataclass import dataclass
from attractor.llm.request import Request
from attractor.llm.response import Response


@dataclass(frozen=True)
class AdapterTimeout:
    """How many seconds an adapter waits: for a connection, and for a whole answer (4.7)."""

    connect: float = 10.0
    request: float = 120.0


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

    def supports_tool_choice(self, mode: str) -> bool:
        """Tell whether the provider knows a tool choice."""
        ...

    async def close(self) -> None:
        """Give up the connections."""
        ...
