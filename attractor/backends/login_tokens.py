"""The tokens of logins: read before each call, and renewed once for all runs when they expire.

Each program keeps its tokens in a file of its own form, and renews them at the service of its
vendor. A renewal makes the old token invalid, so it is written back at once.
"""

import asyncio
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import httpx

from attractor.base.clock import SystemClock
from attractor.base.dataclasses import dataclass
from attractor.base.errors import MachineryError, NotCanonical
from attractor.base.json import Json, JsonObject, parse_json
from attractor.config.logins import Login

_TIMEOUT_S = 30.0
# A token that expires during the call would be refused.
_EARLY = timedelta(minutes=2)
_POLL_S, _PATIENCE = 0.1, 20


class LoginLost(MachineryError):
    """A login is not accepted any more, and nothing but a person can log in again."""


@dataclass(frozen=True)
class LoginTokens:
    """The tokens in a file; `expires` is None if it is unknown."""

    access: str
    renewal: str = ""
    expires: datetime | None = None
    account: str = ""

    def is_over(self, now: datetime) -> bool:
        """Return whether the token has expired, or is about to."""
        return self.expires is not None and self.expires - _EARLY <= now


@dataclass(frozen=True)
class _Wire:
    """How a program keeps and renews its tokens.

    `url_variable` replaces the URL of the service. `renewed` returns the content of the file with
    the service's answer.
    """

    url: str
    url_variable: str
    client: str
    read: Callable[[JsonObject], LoginTokens]
    renewed: Callable[[JsonObject, JsonObject, datetime], JsonObject]


def _text(record: JsonObject, name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _inner(record: JsonObject, name: str) -> JsonObject:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _read_claude(content: JsonObject) -> LoginTokens:
    own = _inner(content, "claudeAiOauth")
    ends = own.get("expiresAt")
    expires = datetime.fromtimestamp(ends / 1000, UTC) if isinstance(ends, int) else None
    return LoginTokens(_text(own, "accessToken"), _text(own, "refreshToken"), expires)


def _renewed_claude(content: JsonObject, answer: JsonObject, now: datetime) -> JsonObject:
    own, seconds = _inner(content, "claudeAiOauth"), answer.get("expires_in")
    new: dict[str, Json] = {"accessToken": _text(answer, "access_token")}
    if renewal := _text(answer, "refresh_token"):
        new["refreshToken"] = renewal
    if isinstance(seconds, int):
        new["expiresAt"] = round((now.timestamp() + seconds) * 1000)
    return {**content, "claudeAiOauth": {**own, **new}}


def _read_codex(content: JsonObject) -> LoginTokens:
    own = _inner(content, "tokens")
    access = _text(own, "access_token")
    ends = _claims_of(access).get("exp")
    expires = datetime.fromtimestamp(ends, UTC) if isinstance(ends, int) else None
    return LoginTokens(access, _text(own, "refresh_token"), expires, _text(own, "account_id"))


def _renewed_codex(content: JsonObject, answer: JsonObject, now: datetime) -> JsonObject:
    names = ("id_token", "access_token", "refresh_token")
    new = {name: value for name in names if (value := _text(answer, name))}
    at = now.isoformat().replace("+00:00", "Z")
    return {**content, "tokens": {**_inner(content, "tokens"), **new}, "last_refresh": at}


def _claims_of(token: str) -> JsonObject:
    """Return the claims of a JSON Web Token, unproved; {} for another token."""
    with suppress(ValueError, IndexError, NotCanonical):
        claims = parse_json(urlsafe_b64decode(token.split(".")[1] + "=="))
        return claims if isinstance(claims, dict) else {}
    return {}


_WIRES: Mapping[str, _Wire] = MappingProxyType(
    {
        "claude": _Wire(
            "https://platform.claude.com/v1/oauth/token",
            "CLAUDE_REFRESH_TOKEN_URL_OVERRIDE",
            "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
            _read_claude,
            _renewed_claude,
        ),
        "codex": _Wire(
            "https://auth.openai.com/oauth/token",
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE",
            "app_EMoamEEZ73f0CkXaXp7hrann",
            _read_codex,
            _renewed_codex,
        ),
    }
)


class LoginCredentials:
    """The headers by which a login calls its provider; `secrets` are all tokens seen so far."""

    def __init__(self, login: Login, environ: Mapping[str, str]) -> None:
        self._login = login
        self._wire = _WIRES[login.program]
        self._url = environ.get(self._wire.url_variable, "").strip() or self._wire.url
        self.secrets = set[str]()

    async def headers(self, refused: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """Return the headers of a call; raise LoginLost if the login is not accepted any more.

        The token is renewed if it has expired, or if the provider `refused` these headers.
        """
        if token := self._login.token:
            if refused:
                words = f"the provider refused {self._login.place.variable}"
                raise self._lost(words, "set a token that 'claude setup-token' prints")
            self.secrets.add(token)
            return {"authorization": f"Bearer {token}"}
        stale = refused["authorization"].removeprefix("Bearer ") if refused else ""
        tokens = await asyncio.to_thread(self._current, stale)
        account = {"chatgpt-account-id": tokens.account} if tokens.account else {}
        return {"authorization": f"Bearer {tokens.access}", **account}

    def _current(self, stale: str) -> LoginTokens:
        """Return tokens that are valid as far as known, and not `stale`."""
        try:
            if not self._must_renew(tokens := self._read(), stale):
                return tokens
            with self._login.locked():
                # Another process may have renewed them while this one waited.
                tokens = self._read()
                return self._renew(tokens) if self._must_renew(tokens, stale) else tokens
        except (MachineryError, OSError) as fault:
            raise fault if isinstance(fault, LoginLost) else self._lost(str(fault)) from fault

    def _must_renew(self, tokens: LoginTokens, stale: str) -> bool:
        return tokens.access == stale or tokens.is_over(SystemClock().now())

    def _read(self) -> LoginTokens:
        tokens = self._wire.read(self._login.read())
        if not tokens.access:
            raise self._lost(f"{self._login.file} has no token")
        self.secrets |= {tokens.access, tokens.renewal} - {""}
        return tokens

    def _renew(self, old: LoginTokens) -> LoginTokens:
        before = self._login.read()
        try:
            answer = self._ask(old)
        except LoginLost:
            # The program itself may have renewed the token at the same moment.
            for _ in range(_PATIENCE):
                time.sleep(_POLL_S)
                if (tokens := self._read()).access != old.access:
                    return tokens
            raise
        after = self._wire.renewed(before, answer, SystemClock().now())
        renewed = self._wire.read(after)
        self.secrets |= {renewed.access, renewed.renewal}
        self._login.replace(before, after)
        return self._read()

    def _ask(self, old: LoginTokens) -> JsonObject:
        """Ask the service of the vendor for new tokens."""
        if not old.renewal:
            raise self._lost("it cannot be renewed")
        body = {
            "grant_type": "refresh_token",
            "refresh_token": old.renewal,
            "client_id": self._wire.client,
        }
        try:
            answer = httpx.post(self._url, json=body, timeout=_TIMEOUT_S, trust_env=False)
            content = parse_json(answer.content)
        except (httpx.HTTPError, NotCanonical) as fault:
            raise self._lost(f"it could not be renewed: {type(fault).__name__}") from fault
        if not (answer.is_success and isinstance(content, dict) and content.get("access_token")):
            raise self._lost(f"its renewal was refused with status {answer.status_code}")
        return content

    def _lost(self, why: str, remedy: str = "") -> LoginLost:
        words = f"the login of {self._login.program} is not accepted: {why}"
        return LoginLost(words, hint=remedy or self._login.place.remedy)
