"""Tokens that prove who decides when no person sits at a terminal.

A token is shown once. What is kept is its hash, so that nobody who reads the file can use it.
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


class KeptToken(BaseModel):
    """What is kept of a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    scope: str
    digest: str


_KEPT = TypeAdapter(tuple[KeptToken, ...])


@dataclass(frozen=True)
class Tokens:
    """The tokens of one state folder."""

    folder: Path

    def create(self, name: str, scope: str, secret: str) -> KeptToken:
        """Keep a new token's hash; the caller shows the secret once."""
        if scope not in SCOPES:
            raise InvalidToken(f"unknown scope {scope!r}", hint=f"scopes: {', '.join(SCOPES)}")
        with self._locked():
            if any(one.name == name for one in self.list()):
                raise InvalidToken(f"there is a token {name!r} already", hint="take another name")
            token = KeptToken(name=name, scope=scope, digest=_digest(secret))
            self._write((*self.list(), token))
        return token

    def list(self) -> tuple[KeptToken, ...]:
        """Return what is kept of every token."""
        file = self.folder / TOKENS_FILE
        return _KEPT.validate_json(file.read_bytes()) if file.exists() else ()

    def revoke(self, name: str) -> None:
        """Forget a token, which opens nothing afterwards."""
        with self._locked():
            kept = self.list()
            left = tuple(one for one in kept if one.name != name)
            if len(left) == len(kept):
                known = ", ".join(one.name for one in kept) or "none"
                raise InvalidToken(f"there is no token {name!r}", hint=f"known: {known}")
            self._write(left)

    def holder(self, secret: str, scope: str) -> str:
        """Return the name of the token a secret belongs to, or refuse it."""
        digest = _digest(secret)
        for one in self.list():
            if hmac.compare_digest(one.digest, digest) and one.scope == scope:
                return one.name
        raise InvalidToken(f"no token of the scope {scope!r} is this one")

    def _locked(self) -> FileLock:
        make_private_folder(self.folder)
        return FileLock(self.folder / "tokens.lock").acquire(wait=PATIENCE_S, purpose="token")

    def _write(self, tokens: tuple[KeptToken, ...]) -> None:
        make_private_folder(self.folder)
        write_whole(self.folder / TOKENS_FILE, _KEPT.dump_json(tokens), mode=OWNER_ONLY)


def _digest(secret: str) -> str:
    return content_hash(secret.encode())
