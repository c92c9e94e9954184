"""A vendor of logins: renewal tokens are valid once, and only the present token gets an answer."""

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from threading import Lock

import httpx

from tests.backends.stand_in import SilentHandler, StandIn

LASTS_S = 3600
# These belong to one connection, or are of another body.
_OWN = {"content-length", "transfer-encoding", "connection", "host", "content-encoding", "server"}


class LoginService(StandIn):
    """Answers to renewals, and passes calls with the present token on to `models`, an URL.

    `calls` are the model calls that a token lasts.
    """

    def __init__(self, models: str = "", calls: int = 1000) -> None:
        self.models, self._calls = models, calls
        self.renewals, self.refused = 0, 0
        self.tokens = list[str]()
        self.left = calls
        self._lock = Lock()
        self.is_revoked = False
        self.access, self.renewal = self._make()
        super().__init__(_Handler)

    def _make(self) -> tuple[str, str]:
        claims = {"exp": round(time.time()) + LASTS_S, "number": self.renewals}
        parts = [{"alg": "none", "typ": "JWT"}, claims, {"signed": "never"}]
        encoded = (urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts)
        pair = ".".join(part.rstrip("=") for part in encoded), f"renewal-token-{self.renewals}"
        self.tokens += pair
        return pair

    def renew(self, given: str) -> dict[str, object] | None:
        """Return new tokens for a renewal token that was never used."""
        with self._lock:
            if given != self.renewal or self.is_revoked:
                self.refused += 1
                return None
            self.renewals += 1
            self.left = self._calls
            self.access, self.renewal = self._make()
            tokens = {"access_token": self.access, "refresh_token": self.renewal}
            return {**tokens, "id_token": self.access, "expires_in": LASTS_S}

    def accepts(self, token: str) -> bool:
        """Return whether a call is let in; the last call of a token is followed by refusals."""
        with self._lock:
            self.left -= 1
            return token == self.access and self.left >= 0

    def write_claude(self, home: Path, *, expires_in: float = LASTS_S) -> Path:
        """Write the file of claude."""
        own = {
            "accessToken": self.access,
            "refreshToken": self.renewal,
            "expiresAt": round((time.time() + expires_in) * 1000),
            "scopes": ["user:inference", "user:profile"],
            "subscriptionType": "max",
        }
        return _write(home / ".claude" / ".credentials.json", {"claudeAiOauth": own, "other": 1})

    def write_codex(self, home: Path, *, expires_in: float = LASTS_S) -> Path:
        """Write the file of codex; the expiry is that of the token."""
        tokens = {
            "id_token": self.access,
            "access_token": self.access,
            "refresh_token": self.renewal,
            "account_id": "account-of-a-person",
        }
        content = {"auth_mode": "chatgpt", "OPENAI_API_KEY": None, "tokens": tokens}
        now = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime())}Z"
        return _write(home / ".codex" / "auth.json", {**content, "last_refresh": now})

    def environ(self, home: Path) -> dict[str, str]:
        """Return the variables by which both programs' logins reach this service."""
        return {
            "HOME": str(home),
            "CLAUDE_REFRESH_TOKEN_URL_OVERRIDE": f"{self.url}/oauth/token",
            "CODEX_REFRESH_TOKEN_URL_OVERRIDE": f"{self.url}/oauth/token",
            "ANTHROPIC_BASE_URL": self.url,
            "OPENAI_BASE_URL": self.url,
        }


def _write(file: Path, content: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    file.chmod(0o600)
    return file


class _Handler(SilentHandler):
    service: LoginService

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _answer(self, body: bytes) -> None:
        if self.path == "/oauth/token":
            tokens = self.service.renew(json.loads(body)["refresh_token"])
            self._send(200 if tokens else 400, tokens or {"error": "invalid_grant"})
            return
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if not self.service.accepts(token):
            self._send(401, {"error": {"type": "authentication_error", "message": token}})
        elif self.service.models:
            headers = {
                name: text for name, text in self.headers.items() if name.lower() not in _OWN
            }
            answer = httpx.request(
                self.command, f"{self.service.models}{self.path}", headers=headers, content=body
            )
            self._send_bytes(answer.status_code, dict(answer.headers), answer.content)
        else:
            self._send(200, {"said": dict(self.headers.items())})

    def _send(self, status: int, content: object) -> None:
        self._send_bytes(status, {"content-type": "application/json"}, json.dumps(content).encode())

    def _send_bytes(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name not in _OWN:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
