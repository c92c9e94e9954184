"""Tokens that identify an operator outside of a terminal.

A token is shown once, and only its hash is stored. Each entry of the token file is sealed with the
key of the ledger, and the ledger records when a token was created and revoked. Therefore an entry
of an unknown author, or one that was restored after it was revoked, is detected.
"""

import hmac
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from attractor.base.dataclasses import dataclass
from attractor.base.errors import OlderFormat, VerificationError
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import Json, canonical_json, content_hash
from attractor.base.locks import FileLock
from attractor.factory.errors import InvalidToken
from attractor.factory.ledger.ledger import Ledger, LineKind
from attractor.factory.operator_process import Scope, refuse_while_unguarded

TOKENS_FILE = "tokens.json"
OWNER_ONLY = 0o600
PATIENCE_S = 10.0


class StoredToken(BaseModel):
    """The stored hash of a token, sealed with the key of the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    scope: Scope
    digest: str
    created: datetime
    by: str
    seal: str = ""
    projects: tuple[str, ...] = ()
    """The ids of the projects that the token is for; empty for all."""

    automation: str = ""
    """The automation whose runs a token of the scope `start` starts."""

    def to_record(self) -> dict[str, Json]:
        """Return the JSON record of the token, without its hash."""
        return self.model_dump(mode="json", include={"name", "scope", "created", "by", "projects"})

    def is_for(self, project_id: str) -> bool:
        """Return whether the token is for a project; "" stands for all projects."""
        return not self.projects or project_id in self.projects


_STORED = TypeAdapter(tuple[StoredToken, ...])


@dataclass(frozen=True)
class TokenStore:
    """The tokens of a state folder."""

    folder: Path

    def create(
        self,
        name: str,
        scope: str,
        secret: str,
        *,
        by: str,
        now: datetime,
        projects: Sequence[str] = (),
        automation: str = "",
    ) -> StoredToken:
        """Store the hash of a new token, for some projects (default: all); record it."""
        refuse_while_unguarded("a new token", self.folder)
        if scope not in [*Scope]:
            raise InvalidToken(f"unknown scope {scope!r}", hint=f"scopes: {', '.join(Scope)}")
        with self._locked():
            tokens = self.list()
            if any(one.name == name for one in tokens):
                raise InvalidToken(f"token {name!r} already exists", hint="choose another name")
            token = StoredToken(
                name=name,
                scope=Scope(scope),
                digest=digest_of(secret),
                created=now,
                by=by,
                projects=tuple(projects),
                automation=automation,
            )
            token = token.model_copy(update={"seal": self._seal(token)})
            record: dict[str, Json] = {
                "name": name,
                "scope": scope,
                "digest": token.digest,
                "by": by,
                **({"projects": [*projects]} if projects else {}),
                **({"automation": automation} if automation else {}),
            }
            self._ledger.append(LineKind.TOKEN_CREATED, "", record, now=now)
            self._write((*tokens, token))
        return token

    def list(self) -> tuple[StoredToken, ...]:
        """Return all tokens; refuse a file with an entry that this program did not write."""
        tokens = self._read()
        for token in tokens:
            if not hmac.compare_digest(token.seal, self._seal(token)):
                raise self._planted(token.name, "has an invalid seal")
        return tokens

    def verified(self) -> tuple[StoredToken, ...]:
        """Return all tokens; refuse unknown and revoked tokens."""
        tokens = self.list()
        for token in tokens:
            self.require_recorded(token)
        return tokens

    def revoke(self, name: str, *, by: str, now: datetime) -> None:
        """Remove a token, even with an invalid seal, and record this in the ledger."""
        with self._locked():
            tokens = self._read()
            revoked = [token for token in tokens if token.name == name]
            if not revoked:
                known = ", ".join(token.name for token in tokens) or "none"
                raise InvalidToken(f"unknown token {name!r}", hint=f"known: {known}")
            for one in revoked:
                record = {"name": name, "digest": one.digest, "by": by}
                self._ledger.append(LineKind.TOKEN_REVOKED, "", record, now=now)
            self._write(tuple(token for token in tokens if token.name != name))

    def holder(self, secret: str, scope: Scope, project: Callable[[], str]) -> str:
        """Return the name of the token with this secret, if it allows the scope.

        `project` returns the id of the project to act in, or "" for all.
        """
        token = self.find(secret, scope)
        if token.projects and not token.is_for(project()):
            raise InvalidToken(
                f"the token {token.name!r} is for other projects",
                hint="use a token for this project: attractor token create NAME",
            )
        return token.name

    def find(self, secret: str, scope: Scope) -> StoredToken:
        """Return the token with this secret, if it allows the scope in any project."""
        digest = digest_of(secret)
        for one in self.list():
            if hmac.compare_digest(one.digest, digest) and one.scope.includes(scope):
                self.require_recorded(one)
                return one
        raise InvalidToken(f"invalid token for the scope {scope.value!r}")

    def require_recorded(self, token: StoredToken) -> None:
        """Refuse a token that the ledger does not know, or knows as revoked."""
        about = self._ledger.mentioning(token.digest)
        kinds = [one.kind for one in about if one.data.get("digest") == token.digest]
        if LineKind.TOKEN_CREATED not in kinds or LineKind.TOKEN_REVOKED in kinds:
            fault = "was revoked" if LineKind.TOKEN_REVOKED in kinds else "is not in the ledger"
            raise self._planted(token.name, fault)

    def content(self) -> bytes:
        """Return the content of the token file; empty without a file."""
        try:
            return read_regular(self.folder / TOKENS_FILE)
        except FileNotFoundError:
            return b""

    def _read(self) -> tuple[StoredToken, ...]:
        content = self.content()
        try:
            return _STORED.validate_json(content) if content else ()
        except ValidationError as cause:
            file = self.folder / TOKENS_FILE
            absent = {fault["loc"][-1] for fault in cause.errors() if fault["type"] == "missing"}
            if absent == {"created", "by"}:
                # Of a version that did not seal tokens: anybody may have written such a file.
                raise OlderFormat(
                    f"the tokens in {file} have no seal: an earlier version wrote them",
                    hint=f"remove {file}, and make new ones: attractor token create NAME",
                ) from cause
            raise VerificationError(
                f"{file} is corrupt",
                hint="restore it from a backup, or remove it",
            ) from cause

    def _seal(self, token: StoredToken) -> str:
        content = token.model_dump(mode="json", exclude={"seal"})
        for name in ("projects", "automation"):
            if not content[name]:
                # As in versions whose tokens did not have it.
                del content[name]
        return self._ledger.seal_of(canonical_json({"token": content}))

    def _planted(self, name: str, fault: str) -> VerificationError:
        return VerificationError(
            f"token {name!r} in {self.folder / TOKENS_FILE} {fault}",
            hint=f"the file was changed by an unknown process: attractor token revoke {name}",
        )

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self.folder)

    def _locked(self) -> FileLock:
        make_private_folder(self.folder)
        return FileLock(self.folder / "tokens.lock").acquire(wait=PATIENCE_S, purpose="token")

    def _write(self, tokens: tuple[StoredToken, ...]) -> None:
        write_whole(self.folder / TOKENS_FILE, _STORED.dump_json(tokens), mode=OWNER_ONLY)


def digest_of(secret: str) -> str:
    """Return the hash of a token, which is stored in place of the token."""
    return content_hash(secret.encode())
