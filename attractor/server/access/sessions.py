"""Sessions of browsers: one-time codes that begin them, and the file that stores them.

A session is in a cookie. Only the hash of the cookie is stored, sealed with the key of the ledger,
so that a session continues when the server is started again.
"""

import hmac
import secrets
from dataclasses import field
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import VerificationError
from attractor.base.files import make_private_folder, read_regular, write_whole
from attractor.base.json import canonical_json
from attractor.base.locks import FileLock
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.ledger.tokens import OWNER_ONLY, PATIENCE_S, digest_of
from attractor.factory.operator_process import Scope

SESSIONS_FILE = "sessions.json"
LIFETIME = timedelta(days=7)
"""The time after which a person has to log in again."""

CODE_LIFETIME = timedelta(minutes=10)
"""The time in which a one-time code can be used."""

SECRET_BYTES = 32


class BrowserSession(BaseModel):
    """A stored session, sealed with the key of the ledger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    name: str
    scope: Scope
    token: str
    """The hash of the token that began the session; empty for a one-time code."""

    expires: datetime
    seal: str = ""


_STORED = TypeAdapter(tuple[BrowserSession, ...])


@dataclass(frozen=True)
class _Known:
    content: bytes = b""
    sessions: tuple[BrowserSession, ...] = ()


class Sessions:
    """The sessions of a state folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._ledger = Ledger(folder)
        self._known = _Known()

    def begin(self, name: str, scope: Scope, *, token: str = "") -> str:
        """Store a new session, and return its secret for the cookie."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        expires = self._clock.now() + LIFETIME
        session = BrowserSession(
            digest=digest_of(secret), name=name, scope=scope, token=token, expires=expires
        )
        session = session.model_copy(update={"seal": self._seal(session)})
        with self._locked():
            self._write((*self._current(), session))
        return secret

    def find(self, secret: str) -> BrowserSession | None:
        """Return the session with a secret, unless it expired."""
        digest = digest_of(secret)
        for one in self._current():
            if hmac.compare_digest(one.digest, digest):
                return one
        return None

    def end(self, secret: str) -> None:
        """Remove a session."""
        digest = digest_of(secret)
        with self._locked():
            self._write(tuple(one for one in self._current() if one.digest != digest))

    def _current(self) -> tuple[BrowserSession, ...]:
        """Return the sessions that did not expire, verified again if the file changed."""
        known, file = self._known, self._folder / SESSIONS_FILE
        content = read_regular(file) if file.exists() else b""
        if content != known.content:
            known = self._known = _Known(content, self._verified(content))
        now = self._clock.now()
        return tuple(session for session in known.sessions if now < session.expires)

    def _verified(self, content: bytes) -> tuple[BrowserSession, ...]:
        try:
            sessions = _STORED.validate_json(content) if content else ()
        except ValidationError as cause:
            raise self._damaged("is corrupt") from cause
        if not all(hmac.compare_digest(session.seal, self._seal(session)) for session in sessions):
            raise self._damaged("was changed by an unknown process")
        return sessions

    def _damaged(self, fault: str) -> VerificationError:
        hint = "remove it, and log in again"
        return VerificationError(f"{self._folder / SESSIONS_FILE} {fault}", hint=hint)

    def _seal(self, session: BrowserSession) -> str:
        content = session.model_dump(mode="json", exclude={"seal"})
        return self._ledger.seal_of(canonical_json({"session": content}))

    def _locked(self) -> FileLock:
        make_private_folder(self._folder)
        return FileLock(self._folder / "sessions.lock").acquire(wait=PATIENCE_S, purpose="session")

    def _write(self, sessions: tuple[BrowserSession, ...]) -> None:
        content = _STORED.dump_json(sessions)
        write_whole(self._folder / SESSIONS_FILE, content, mode=OWNER_ONLY)


@dataclass(frozen=True)
class LoginCodes:
    """One-time codes, each of which begins one session. They end with the server."""

    clock: Clock
    _expiry: dict[str, float] = field(default_factory=dict[str, float])

    def create(self) -> str:
        """Return a new code."""
        code = secrets.token_urlsafe(SECRET_BYTES)
        self._expiry[digest_of(code)] = self.clock.monotonic() + CODE_LIFETIME.total_seconds()
        return code

    def use(self, code: str) -> bool:
        """Return whether a code is valid, and make it invalid."""
        # A look-up by the hash does not tell how much of a guessed code was right.
        expires = self._expiry.pop(digest_of(code), None)
        return expires is not None and self.clock.monotonic() < expires
