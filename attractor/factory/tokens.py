"""Tokens that identify the author of a decision outside of a terminal.

A token is shown once, and only its hash is stored.
"""

import hmac
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from attractor.base.dataclasses import dataclass
from attractor.base.files import make_private_folder, write_whole
from attractor.base.json import content_hash
from attractor.base.locks import FileLock
from attractor.factory.errors import InvalidToken

TOKENS_FILE = "tokens.json"
OWNER_ONLY = 0o600
PATIENCE_S = 10.0
SCOPES = ("decide",)


class StoredToken(BaseModel):
    """The stored hash of a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    scope: str
    digest: str


_STORED = TypeAdapter(tuple[StoredToken, ...])


@dataclass(frozen=True)
class TokenStore:
    """The tokens of a state folder."""

    folder: Path

    def create(self, name: str, scope: str, secret: str) -> StoredToken:
        """Store the hash of a new token."""
        if scope not in SCOPES:
            raise InvalidToken(f"unknown scope {scope!r}", hint=f"scopes: {', '.join(SCOPES)}")
        with self._locked():
            if any(one.name == name for one in self.list()):
                raise InvalidToken(f"token {name!r} already exists", hint="choose another name")
            token = StoredToken(name=name, scope=scope, digest=_digest(secret))
            self._write((*self.list(), token))
        return token

    def list(self) -> tuple[StoredToken, ...]:
        """Return all stored tokens."""
        file = self.folder / TOKENS_FILE
        return _STORED.validate_json(file.read_bytes()) if file.exists() else ()

    def revoke(self, name: str) -> None:
        """Remove a token."""
        with self._locked():
            tokens = self.list()
            left = tuple(one for one in tokens if one.name != name)
            if len(left) == len(tokens):
                known = ", ".join(one.name for one in tokens) or "none"
                raise InvalidToken(f"unknown token {name!r}", hint=f"known: {known}")
            self._write(left)

    def holder(self, secret: str, scope: str) -> str:
        """Return the name of the token with this secret and this scope."""
        digest = _digest(secret)
        for one in self.list():
            if hmac.compare_digest(one.digest, digest) and one.scope == scope:
                return one.name
        raise InvalidToken(f"invalid token for the scope {scope!r}")

    def _locked(self) -> FileLock:
        make_private_folder(self.folder)
        return FileLock(self.folder / "tokens.lock").acquire(wait=PATIENCE_S, purpose="token")

    def _write(self, tokens: tuple[StoredToken, ...]) -> None:
        make_private_folder(self.folder)
        write_whole(self.folder / TOKENS_FILE, _STORED.dump_json(tokens), mode=OWNER_ONLY)


def _digest(secret: str) -> str:
    return content_hash(secret.encode())
