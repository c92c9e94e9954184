"""Identifies callers by their tokens and sessions, and begins and ends sessions."""

import getpass
import hmac
import socket
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from starlette.requests import cookie_parser

from attractor.base.clock import Clock
from attractor.base.dataclasses import dataclass
from attractor.engine.questions.question import BROWSER_SESSION, mcp_proof, token_proof
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.ledger.tokens import StoredToken, TokenStore, digest_of
from attractor.factory.operator_process import Scope
from attractor.server.access.sessions import LoginCodes, Sessions
from attractor.server.errors import OtherProjects, Unauthenticated


@dataclass(frozen=True)
class Caller:
    """The sender of a request: a token, or the session of a browser."""

    name: str
    scope: Scope
    token: str = field(default="", repr=False)
    """The token itself, which the factory verifies again before a decision."""

    csrf: str = field(default="", repr=False)
    """The value that each form of a session has to send back; empty for a token."""

    client: str = ""
    """The name and version of an MCP client."""

    projects: tuple[str, ...] = ()
    """The ids of the projects that the caller may reach; empty for all."""

    automation: str = ""
    """The automation whose runs a token of the scope `start` starts."""

    @property
    def proof(self) -> str:
        """How the caller of an order is identified."""
        if self.client:
            return mcp_proof(self.client)
        return BROWSER_SESSION if self.is_session else token_proof(self.name)

    def reaches(self, project_id: str) -> bool:
        """Return whether the caller may reach a project; "" stands for all projects."""
        return not self.projects or project_id in self.projects

    @property
    def is_session(self) -> bool:
        """Whether the caller is the session of a browser."""
        return bool(self.csrf)

    def __str__(self) -> str:
        return f"{'session' if self.is_session else 'token'} {self.name}"


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


COOKIE = "attractor"
_BEARER = "bearer "
_ANY = ("0.0.0.0", "::")
_LOCAL = ("127.0.0.1", "::1", "localhost")
"""The addresses to which browsers resolve names under `.localhost`."""


class Access:
    """Identifies the caller of each request."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self.tokens = TokenStore(state_dir)
        self.codes = LoginCodes(clock)
        self._verified = VerifiedTokens(self.tokens)
        self._sessions = Sessions(state_dir, clock)
        self._state_dir = state_dir

    def identify(self, headers: Mapping[str, str]) -> Caller | None:
        """Return the caller of a request with these headers; None without a valid proof."""
        if written := headers.get("authorization", ""):
            is_bearer = written[: len(_BEARER)].lower() == _BEARER
            return self._holder(written[len(_BEARER) :].strip()) if is_bearer else None
        secret = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        return self._of_session(secret) if secret else None

    def prove(self, secret: str, project_id: str) -> Caller:
        """Return the person with a token of the scope decide for a project."""
        caller = self._holder(secret)
        if caller is None or not caller.scope.includes(Scope.DECIDE):
            hint = f"create one: attractor token create NAME --scope {Scope.DECIDE}"
            raise Unauthenticated(f"a token of the scope {Scope.DECIDE} is required", hint=hint)
        if not caller.reaches(project_id):
            raise OtherProjects(caller.name)
        return caller

    def log_in(self, code: str) -> str:
        """Begin a session with a one-time code, and return the session's secret."""
        if not self.codes.use(code):
            raise Unauthenticated(
                "the one-time address is invalid, used or too old",
                hint="start 'attractor serve' again, or log in with a token",
            )
        try:
            user = getpass.getuser()
        except (KeyError, OSError):
            user = "unknown user"
        return self._sessions.begin(user, Scope.OPERATE)

    def log_in_with_token(self, secret: str) -> str:
        """Begin a session with a token, and return the session's secret; it never decides."""
        caller = self._holder(secret)
        if caller is None:
            raise Unauthenticated("invalid token")
        scope = caller.scope if Scope.OPERATE.includes(caller.scope) else Scope.OPERATE
        return self._sessions.begin(caller.name, scope, token=digest_of(secret))

    def log_out(self, headers: Mapping[str, str]) -> None:
        """End the session of a request."""
        self._sessions.end(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""))

    def names_of(self, host: str, names: Sequence[str]) -> tuple[str, ...]:
        """Return the names of a server that listens on a host, the one for browsers first.

        Browsers send a cookie to all ports of a host. Therefore a program that listens on another
        port of 127.0.0.1, such as an agent's web application, would get the cookie of a person who
        visits it. So the name for browsers of this machine is one that no other program knows.
        """
        if host in _LOCAL:
            seal = Ledger(self._state_dir).seal_of("name for browsers")
            return (f"attractor-{seal[:16]}.localhost", *names)
        return (socket.gethostname() if host in _ANY else host, *names)

    def _holder(self, secret: str) -> Caller | None:
        token = self._verified.find(digest_of(secret)) if secret else None
        if token is None:
            return None
        return Caller(
            token.name,
            Scope(token.scope),
            secret,
            projects=token.projects,
            automation=token.automation,
        )

    def _of_session(self, secret: str) -> Caller | None:
        session = self._sessions.find(secret)
        if session is None:
            return None
        token = self._verified.find(session.token) if session.token else None
        if session.token and token is None:
            return None
        projects = token.projects if token else ()
        return Caller(session.name, session.scope, csrf=csrf_of(secret), projects=projects)


def csrf_of(secret: str) -> str:
    """Return the value that each form of a session has to send back."""
    return digest_of(f"csrf {secret}")
