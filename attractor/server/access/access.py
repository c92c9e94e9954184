"""Identifies callers by their tokens."""

from collections.abc import Mapping
from pathlib import Path

from attractor.factory.errors import InvalidToken
from attractor.factory.ledger.tokens import TokenStore
from attractor.server.access.caller import Caller, Scope

_BEARER = "bearer "


class Access:
    """Identifies the caller of each request."""

    def __init__(self, state_dir: Path) -> None:
        self.tokens = TokenStore(state_dir)

    def identify(self, headers: Mapping[str, str]) -> Caller | None:
        """Return the caller of a request with these headers; None without a valid proof."""
        written = headers.get("authorization", "")
        if not written.lower().startswith(_BEARER):
            return None
        secret = written[len(_BEARER) :].strip()
        for scope in reversed(Scope):
            try:
                return Caller(self.tokens.holder(secret, scope), scope, secret)
            except InvalidToken:
                continue
        return None
