"""Programs call the models of a cloud by the proxy, which adds the key or signs the request."""

from datetime import UTC, datetime
from pathlib import Path

import httpx

from attractor import parse
from attractor.backends.claude import CLAUDE
from attractor.backends.model_proxy import ModelAccess
from attractor.backends.models import ModelDefaults
from attractor.backends.program_needs import has_access
from attractor.backends.registry import OutsideParts
from attractor.config.logins import AllowedLogins
from attractor.llm.response import prompt_tokens
from attractor.twins.exchange.answer import Tokens
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import says, script
from tests.backends.cloud_service import KEY, CloudService
from tests.backends.test_model_proxy import offered
from tests.tables import table

CLAUDE_ID = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
HI = [{"role": "user", "content": "Hi"}]
ASKED = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": HI}
AKID = {"AWS_BEARER_TOKEN_BEDROCK": "", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": KEY}
AD_TOKEN = {"AZURE_API_KEY": "", "AZURE_AD_TOKEN": KEY}
DATE = {"AZURE_API_VERSION": "2025-04-01-preview"}


@table(
    ("provider", "more", "path", "reached"),
    [
        ("bedrock", {}, f"/model/{CLAUDE_ID}/invoke", f"/model/{CLAUDE_ID}/invoke"),
        ("bedrock", AKID, f"/model/{CLAUDE_ID}/invoke-with-response-stream", ""),
        ("azure", {}, "/responses", "/openai/v1/responses"),
        ("azure", AD_TOKEN, "/responses", "/openai/v1/responses"),
        ("azure", DATE, "/responses", "/openai/responses?api-version=2025-04-01-preview"),
    ],
)
def test_a_cloud_is_called_with_the_key_and_its_usage_is_read(
    tmp_path: Path, provider: str, more: dict[str, str], path: str, reached: str
) -> None:
    body = ASKED if provider == "bedrock" else {"model": "gpt-5.2", "input": "Hi"}

    async def ask(access: ModelAccess) -> None:
        assert KEY not in str(access)
        headers = {"authorization": f"Bearer {access.variables[access.key_variable]}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            done = await client.post(f"{access.url}{path}", json=body, headers=headers)
            assert done.status_code == 200, done.text
            assert (await client.post(f"{access.url}{path}", json=body)).status_code == 401

    counts = Tokens(input=900, output=70, cache_read=300, cache_write=100)
    answer = says("Hello").model_copy(update={"usage": counts})
    with in_background(ProviderTwin(script(answer))) as twin, CloudService(twin) as service:
        [seen] = offered(tmp_path, provider, {**getattr(service, provider), **more}, ask)
    assert service.seen == [reached or path]
    assert seen.usage is not None
    assert not seen.usage.is_estimated
    assert (prompt_tokens(seen.usage.tokens, provider), seen.usage.tokens.output_tokens) == (
        900,
        70,
    )


def test_a_cloud_that_repeats_the_token_of_a_session_tells_the_program_nothing(
    tmp_path: Path,
) -> None:
    told, token = list[str](), "token-of-a-session"

    async def ask(access: ModelAccess) -> None:
        headers = {"authorization": f"Bearer {access.key}"}
        url = f"{access.url}/model/{CLAUDE_ID}/invoke"
        async with httpx.AsyncClient(trust_env=False) as client:
            told.append((await client.post(url, json=ASKED, headers=headers)).text)

    stranger = {**AKID, "AWS_ACCESS_KEY_ID": "OTHER", "AWS_SESSION_TOKEN": token}
    with in_background(ProviderTwin(script(says("-")))) as twin, CloudService(twin) as service:
        offered(tmp_path, "bedrock", {**service.bedrock, **stranger}, ask)
    assert "'X-Amz-Security-Token': '***" in told[0]
    assert token not in told[0]


def test_a_missing_profile_of_aws_is_named(tmp_path: Path) -> None:
    async def ask(access: ModelAccess) -> None:
        headers = {"authorization": f"Bearer {access.key}"}
        url = f"{access.url}/model/{CLAUDE_ID}/invoke"
        async with httpx.AsyncClient(trust_env=False) as client:
            refused = await client.post(url, json=ASKED, headers=headers)
        assert refused.status_code == 402
        assert "set AWS_BEARER_TOKEN_BEDROCK, or correct AWS_PROFILE" in refused.text

    [seen] = offered(tmp_path, "bedrock", {"AWS_PROFILE": "no-such-profile"}, ask)
    assert seen.is_login_lost
    assert "ProfileNotFound" in seen.error


def test_a_model_of_a_cloud_needs_its_variables_and_no_login_serves_it(tmp_path: Path) -> None:
    logins = AllowedLogins(tmp_path)
    logins.allow("claude", by="ann", now=datetime(2026, 1, 2, tzinfo=UTC))
    environ = {"CLAUDE_CODE_OAUTH_TOKEN": "token-of-a-login"}
    defaults = ModelDefaults(f"bedrock/{CLAUDE_ID}")
    parts = OutsideParts(environ=environ, defaults=defaults, logins=logins.usable(environ))
    [node] = parse("digraph p { work }").nodes.values()
    choice = CLAUDE.choose(node, defaults)
    assert (choice.provider, choice.model) == ("bedrock", CLAUDE_ID)
    assert has_access(CLAUDE, "anthropic", parts)
    assert not has_access(CLAUDE, "bedrock", parts)
    with_key = OutsideParts(environ={**environ, **AKID}, defaults=defaults)
    assert has_access(CLAUDE, "bedrock", with_key)
