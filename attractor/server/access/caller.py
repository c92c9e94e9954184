"""A caller: the name, the scope, and the proof of a request's sender."""

from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.factory.ledger.tokens import Scope


@dataclass(frozen=True)
class Caller:
    """The sender of a request: a token, or the session of a browser."""

    name: str
    scope: Scope
    token: str = field(default="", repr=False)
    """The token itself, which the factory verifies again before a decision."""

    csrf: str = field(default="", repr=False)
    """The value that each form of a session has to send back; empty for a token."""

    @property
    def is_session(self) -> bool:
        """Whether the caller is the session of a browser."""
        return bool(self.csrf)

    def __str__(self) -> str:
        return f"{'session' if self.is_session else 'token'} {self.name}"
