"""Tokens of logins: renewed once for all, never lost, never in the sandbox."""

import asyncio
import json
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from attractor.backends.login_tokens import LoginCredentials, LoginLost
from attractor.backends.model_proxy import ModelAccess, ProviderAnswer, offer_models
from attractor.config.logins import LOGINS, AllowedLogins, Login
from tests.agent.places import finish, local
from tests.backends.login_service import LoginService
from tests.tables import table

PATHS = {"claude": "/v1/messages", "codex": "/responses"}


def write(service: LoginService, program: str, home: Path, *, expires_in: float = 3600) -> Path:
    make = {"claude": service.write_claude, "codex": service.write_codex}[program]
    return make(home, expires_in=expires_in)


def allowed(service: LoginService, program: str, home: Path) -> Login:
    logins = AllowedLogins(home / "state")
    logins.allow(program, by="ann", now=datetime(2026, 1, 2, tzinfo=UTC))
    return logins.usable(service.environ(home))[program]


def ask(service: LoginService, login: Login, home: Path, times: int = 1) -> list[httpx.Response]:
    """Ask for a model through the proxy, as a program does."""
    return [answer for answer, _ in asked(service, login, home, times)]


def asked(
    service: LoginService, login: Login, home: Path, times: int = 1
) -> list[tuple[httpx.Response, ProviderAnswer]]:
    seen, told = list[httpx.Response](), list[ProviderAnswer]()

    async def call(access: ModelAccess) -> None:
        headers = {"authorization": f"Bearer {access.key}"}
        async with httpx.AsyncClient(timeout=30) as client:
            url = f"{access.url}{PATHS[login.program]}"
            seen.extend([await client.post(url, json={}, headers=headers) for _ in range(times)])

    async def scene() -> None:
        provider, environ = login.place.provider, service.environ(home)
        place = local(home)
        offering = offer_models(provider, environ, place, login=login, on_answer=told.append)
        async with offering as access:
            await call(access)

    finish(scene())
    return [*zip(seen, told, strict=True)]


@table("program", [*LOGINS])
def test_expired_token_is_renewed_once_for_all_runs(tmp_path: Path, program: str) -> None:
    with LoginService() as service:
        file = write(service, program, tmp_path, expires_in=30)
        if program == "codex":
            service.renewals += 1  # its token says itself when it expires
            content = json.loads(file.read_text())
            content["tokens"]["access_token"] = "a-token-that-is-not-accepted"
            file.write_text(json.dumps(content))
        login, before = allowed(service, program, tmp_path), service.renewals
        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(ask, service, login, tmp_path) for _ in range(8)]
            found = [one.result()[0] for one in asking]
        assert [answer.status_code for answer in found] == [200] * 8
        assert service.renewals == before + 1
        assert service.refused == 0
        assert service.access in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert not [name for name in file.parent.iterdir() if "lock" in name.name]
        assert not [token for token in service.tokens for answer in found if token in answer.text]


@table("program", [*LOGINS])
def test_token_that_the_provider_refuses_is_renewed_and_the_call_repeated(
    tmp_path: Path, program: str
) -> None:
    with LoginService(calls=2) as service:
        write(service, program, tmp_path)
        answers = ask(service, allowed(service, program, tmp_path), tmp_path, times=5)
        assert [answer.status_code for answer in answers] == [200] * 5
        assert service.renewals == 2
        said = {name.lower(): text for name, text in answers[0].json()["said"].items()}
        account = "account-of-a-person" if program == "codex" else None
        assert said.get("chatgpt-account-id") == account


@table("program", [*LOGINS])
def test_revoked_login_is_a_limit_with_the_remedy(tmp_path: Path, program: str) -> None:
    with LoginService(calls=1) as service:
        write(service, program, tmp_path)
        service.is_revoked = True
        login = allowed(service, program, tmp_path)
        (first, _), (second, told) = asked(service, login, tmp_path, times=2)
    assert first.status_code == 200
    # A program repeats a request after 401, but not after this status.
    assert second.status_code == 402
    assert told.is_login_lost
    assert LOGINS[program].remedy in told.error


def test_token_that_the_program_renews_meanwhile_is_used(tmp_path: Path) -> None:
    with LoginService() as service:
        service.write_codex(tmp_path)
        login = allowed(service, "codex", tmp_path)
        credentials = LoginCredentials(login, service.environ(tmp_path))
        old = asyncio.run(credentials.headers())
        # The program has used the renewal token, and writes its file a moment later.
        service.renew(service.renewal)
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(lambda: (time.sleep(0.5), service.write_codex(tmp_path)))
            new = asyncio.run(credentials.headers(refused=old))
            later.result()
        assert new["authorization"] == f"Bearer {service.access}"
        assert (service.renewals, service.refused) == (1, 1)


def test_login_of_a_person_who_logs_in_during_a_renewal_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LoginService() as service, LoginService() as other:
        file = service.write_claude(tmp_path, expires_in=-5)
        login = allowed(service, "claude", tmp_path)
        renew = service.renew

        def renew_late(given: str) -> dict[str, object] | None:
            other.write_claude(tmp_path)
            return renew(given)

        monkeypatch.setattr(service, "renew", renew_late)
        credentials = LoginCredentials(login, service.environ(tmp_path))
        found = asyncio.run(credentials.headers())
        assert found["authorization"] == f"Bearer {other.access}"
        assert other.renewal in file.read_text()


def _damage(file: Path) -> None:
    file.write_text("{")


def _empty(file: Path) -> None:
    file.write_text("{}")


def _remove(file: Path) -> None:
    file.unlink()


@table("change", [_damage, _empty, _remove])
def test_file_without_a_token_is_a_lost_login(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    with LoginService() as service:
        file = service.write_claude(tmp_path)
        login = allowed(service, "claude", tmp_path)
        change(file)
        with pytest.raises(LoginLost, match="login of claude is not accepted"):
            asyncio.run(LoginCredentials(login, service.environ(tmp_path)).headers())
