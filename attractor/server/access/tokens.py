"""The verified tokens of a state folder."""

import hmac
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.factory.ledger.tokens import StoredToken, TokenStore


@dataclass(frozen=True)
class _Known:
    """The tokens in one content of the token file."""

    content: bytes = b""
    tokens: tuple[StoredToken, ...] = ()
    recorded: set[str] = field(default_factory=set[str])
    """The hashes of the tokens that were found in the ledger."""


class VerifiedTokens:
    """Finds tokens by their hashes, and verifies all again when the token file changed.

    A guessed token costs a read of the small file, but none of the ledger.
    """

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._known = _Known()

    def find(self, digest: str) -> StoredToken | None:
        """Return the token with a hash; refuse one that the ledger does not know."""
        known = self._known
        content = self._store.content()
        if content != known.content:
            known = self._known = _Known(content, self._store.list())
        for one in known.tokens:
            if hmac.compare_digest(one.digest, digest):
                if digest not in known.recorded:
                    self._store.require_recorded(one)
                    known.recorded.add(digest)
                return one
        return None
