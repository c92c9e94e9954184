"""Programs call the models of a cloud by the proxy, which adds the key or signs the request."""

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from attractor import parse
from attractor.backends.claude import CLAUDE
from attractor.backends.model_proxy import ModelAccess
from attractor.backends.models import ModelDefaults
from attractor.backends.program_needs import find_missing, has_access
from attractor.backends.registry import OutsideParts
from attractor.backends.upstreams import upstream_of
from attractor.base.json import Json
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
HI: list[Json] = [{"role": "user", "content": "Hi"}]
VERSION = "bedrock-2023-05-31"
ASKED: dict[str, Json] = {"anthropic_version": VERSION, "max_tokens": 9, "messages": HI}
AKID = {"AWS_BEARER_TOKEN_BEDROCK": "", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": KEY}
AD_TOKEN = {"AZURE_API_KEY": "", "AZURE_AD_TOKEN": KEY}
PREDICT = "/projects/p/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5@20250929:"
PROJECT = {"VERTEXAI_PROJECT": "p"}
NO_FILE, NO_JSON = ({**PROJECT, "VERTEXAI_CREDENTIALS": one} for one in ("/x", "{"))
DATE = {"AZURE_API_VERSION": "2025-04-01-preview"}


@table(
    ("provider", "more", "path", "reached"),
    [
        ("bedrock", {}, f"/model/{CLAUDE_ID}/invoke", f"/model/{CLAUDE_ID}/invoke"),
        ("bedrock", AKID, f"/model/{CLAUDE_ID}/invoke-with-response-stream", ""),
        ("vertex_ai", {}, f"{PREDICT}rawPredict", f"/v1{PREDICT}rawPredict"),
        ("vertex_ai", {}, f"{PREDICT}streamRawPredict", f"/v1{PREDICT}streamRawPredict"),
        ("azure", {}, "/responses", "/openai/v1/responses"),
        ("azure", AD_TOKEN, "/responses", "/openai/v1/responses"),
        ("azure", DATE, "/responses", "/openai/responses?api-version=2025-04-01-preview"),
    ],
)
def test_a_cloud_is_called_with_the_key_and_its_usage_is_read(
    tmp_path: Path, provider: str, more: dict[str, str], path: str, reached: str
) -> None:
    versions = {"bedrock": VERSION, "vertex_ai": "vertex-2023-10-16"}
    body: dict[str, Json] = {"model": "gpt-5.2", "input": "Hi"}
    if version := versions.get(provider):
        body = {**ASKED, "anthropic_version": version}

    async def ask(access: ModelAccess) -> None:
        assert KEY not in str(access)
        assert access.key in access.variables[access.key_variable]
        headers = {"authorization": f"Bearer {access.key}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            done = await client.post(f"{access.url}{path}", json=body, headers=headers)
            assert done.status_code == 200, done.text
            assert (await client.post(f"{access.url}{path}", json=body)).status_code == 401
            url = f"{access.url}{path}".replace("projects/p/", "projects/another/")
            other = await client.post(url, json=body, headers=headers)
            assert other.status_code == (404 if provider == "vertex_ai" else 200)

    counts = Tokens(input=900, output=70, cache_read=300, cache_write=100)
    answer = says("Hello").model_copy(update={"usage": counts})
    with in_background(ProviderTwin(script(answer))) as twin, CloudService(twin) as service:
        [seen, *_] = offered(tmp_path, provider, {**getattr(service, provider), **more}, ask)
    assert {*service.seen} == {reached or path}
    assert seen.usage is not None
    assert not seen.usage.is_estimated
    assert (prompt_tokens(seen.usage.tokens, provider), seen.usage.tokens.output_tokens) == (
        900,
        70,
    )


ASK_BEDROCK, ASK_VERTEX = f"/model/{CLAUDE_ID}/invoke", f"{PREDICT}rawPredict"


def told_by(tmp_path: Path, provider: str, environ: dict[str, str], path: str) -> list[str]:
    """Return what a program is told twice, and what is reported of the last answer."""
    told = list[str]()

    async def ask(access: ModelAccess) -> None:
        headers = {"x-api-key": access.key}
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(2):
                done = await client.post(f"{access.url}{path}", json=ASKED, headers=headers)
                told.append(f"{done.status_code} {done.text}")

    seen = offered(tmp_path, provider, environ, ask)[-1]
    return [*told, f"{seen.is_login_lost} {seen.error}"]


@table(
    ("provider", "path", "shown"),
    [
        ("bedrock", ASK_BEDROCK, "'X-Amz-Security-Token': '***"),
        ("vertex_ai", ASK_VERTEX, "'authorization': 'Bearer ***"),
    ],
)
def test_a_cloud_that_repeats_a_token_tells_the_program_nothing(
    tmp_path: Path, provider: str, path: str, shown: str
) -> None:
    token = "token-of-a-session"
    stranger = {**AKID, "AWS_ACCESS_KEY_ID": "OTHER", "AWS_SESSION_TOKEN": token}
    with in_background(ProviderTwin(script(says("-")))) as twin, CloudService(twin) as service:
        service.next_token = token
        environ = {**getattr(service, provider), **stranger}
        told = told_by(tmp_path, provider, environ, path)
    assert shown in told[0].replace("Authorization", "authorization")
    assert token not in str(told)
    # The second call has the same token.
    assert service.tokens == ([token] if provider == "vertex_ai" else [])


@table(
    ("provider", "more", "path", "fault", "remedy"),
    [
        ("bedrock", {"AWS_PROFILE": "none"}, ASK_BEDROCK, "ProfileNotFound", "correct AWS_PROFILE"),
        (
            "vertex_ai",
            NO_FILE,
            ASK_VERTEX,
            "DefaultCred",
            "gcloud auth",
        ),
        (
            "vertex_ai",
            NO_JSON,
            ASK_VERTEX,
            "JSONDecode",
            "gcloud auth",
        ),
    ],
)
def test_missing_credentials_of_a_cloud_are_named(
    tmp_path: Path, provider: str, more: dict[str, str], path: str, fault: str, remedy: str
) -> None:
    told, _, reported = told_by(tmp_path, provider, more, path)
    assert told.startswith("402 ")
    assert remedy in told
    assert reported.startswith("True ")
    assert fault in reported


@table(
    ("location", "host"),
    [
        ("", "us-east5-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_vertex_is_reached_at_the_host_of_its_location(location: str, host: str) -> None:
    vertex = upstream_of("vertex_ai")
    assert vertex.base_url({"VERTEXAI_LOCATION": location}) == f"https://{host}/v1"


def test_run_names_the_package_that_claude_at_vertex_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # pyright: ignore
    defaults = ModelDefaults("vertex_ai/claude-sonnet-4-5")
    graph = parse("digraph p { work }")
    for environ, words in (
        (PROJECT, ("missing package google.auth", "[vertex]")),
        ({}, ("missing VERTEXAI_PROJECT or VERTEX_PROJECT", "set VERTEXAI_PROJECT")),
    ):
        parts = OutsideParts(environ=environ, defaults=defaults)
        fault = [*find_missing(CLAUDE, [*graph.nodes.values()], [], parts)][-1]
        assert words[0] in fault.message
        assert words[1] in fault.fix


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
