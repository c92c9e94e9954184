"""Programs call models with a placeholder key, which a proxy replaces by the operator's key."""

import asyncio
import gzip
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from itertools import product
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from attractor.backends.model_proxy import ModelAccess, ProviderAnswer, offer_models
from attractor.backends.upstreams import UPSTREAMS
from attractor.base.callables import do_nothing
from attractor.engine.seams import Exhausted
from attractor.llm.client import Client
from attractor.llm.errors import SDKError
from attractor.llm.messages import Message
from attractor.llm.request import Request
from attractor.llm.response import Usage, prompt_tokens
from attractor.twins.exchange.answer import Fault, FaultKind, Tokens
from attractor.twins.server import hosting
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.places import finish, local
from tests.agent.twinned import says, script
from tests.counts import IS_FULL
from tests.tables import table

MODELS = {
    "anthropic": "claude-opus-4-6",
    "gemini": "gemini-2.5-pro",
    "openai": "gpt-5.2-codex",
    "openai_compatible": "llama",
}


def offered(
    folder: Path,
    provider: str,
    environ: dict[str, str],
    work: Callable[[ModelAccess], Awaitable[None]],
    *,
    require_budget: Callable[[], object] = do_nothing,
) -> list[ProviderAnswer]:
    """Let some work use the proxy; return the answers that the proxy saw."""
    seen = list[ProviderAnswer]()

    async def scene() -> None:
        offering = offer_models(
            provider,
            environ,
            local(folder),
            require_budget=require_budget,
            on_answer=seen.append,
        )
        async with offering as access:
            await work(access)

    finish(scene())
    return seen


@table("provider", list(UPSTREAMS))
@table("streams", [False, True])
def test_models_answer_to_the_placeholder_key_and_their_usage_is_read(
    tmp_path: Path, provider: str, streams: bool
) -> None:
    request = Request(model=MODELS[provider], messages=[Message.user("Hi")], provider=provider)
    usages = list[Usage]()

    async def ask(access: ModelAccess) -> None:
        assert real not in str(access)
        async with Client.from_env(access.variables) as client:
            if streams:
                events = [event async for event in client.stream(request)]
                assert "".join(event.delta or "" for event in events) == "Hello"
                usages.extend(event.usage for event in events if event.usage)
            else:
                response = await client.complete(request)
                assert response.text == "Hello"
                usages.append(response.usage)

    counts = Tokens(input=900, output=70, reasoning=20, cache_read=300, cache_write=100)
    answer = says("Hello").model_copy(update={"usage": counts})
    with in_background(ProviderTwin(script(answer))) as twin:
        environ = dict(twin.environ())
        real = environ[UPSTREAMS[provider].keys[0]]
        [seen] = offered(tmp_path, provider, environ, ask)
        [logged] = twin.requests
        assert logged.status == seen.status == 200
    assert seen.usage is not None
    assert (seen.usage.is_estimated, seen.usage.models) == (False, (MODELS[provider],))
    assert prompt_tokens(seen.usage.tokens, provider) == 900
    assert [(one.input_tokens, one.output_tokens, one.cache_read_tokens) for one in usages] == [
        (seen.usage.tokens.input_tokens, 70, 300)
    ]


LONG = "A sentence of several words. " * 100


CUTS = [*product((FaultKind.CUT, FaultKind.HANG), (True, False)), (FaultKind.REFUSED, False)]


# A hanging answer takes a second: at small counts, one provider hangs.
@table(
    ("provider", "kind", "streams"),
    [
        (provider, *cut)
        for number, provider in enumerate(UPSTREAMS)
        for cut in CUTS
        if IS_FULL or not number or cut[0] is not FaultKind.HANG
    ],
)
def test_an_answer_that_is_cut_before_its_usage_is_estimated(
    tmp_path: Path, provider: str, kind: FaultKind, streams: bool
) -> None:
    """A hanging answer is cut by the program, another one by the provider."""
    text = "Tell a story. " * 40
    request = Request(model=MODELS[provider], messages=[Message.user(text)], provider=provider)

    async def ask(access: ModelAccess) -> None:
        # A program that is killed closes its connection.
        with suppress(SDKError, TimeoutError):
            async with asyncio.timeout(1), Client.from_env(access.variables) as client:
                if streams:
                    assert [event async for event in client.stream(request)]
                else:
                    await client.complete(request)
        await asyncio.sleep(0.2)

    fault = Fault(kind=kind, after=50) if streams else Fault(kind=kind)
    answer = says(LONG).model_copy(update={"fault": fault})
    with in_background(ProviderTwin(script(answer))) as twin:
        seen = offered(tmp_path, provider, dict(twin.environ()), ask)
        assert len(seen) == len(twin.requests) == 1
    usage = seen[0].usage
    assert usage is not None
    assert (usage.is_estimated, usage.models[-1]) == (True, MODELS[provider])
    assert 100 < prompt_tokens(usage.tokens, provider) < 300
    # Fifty pieces of three words, if the answer began.
    assert (150 < usage.tokens.output_tokens < 250) == streams


@table("provider", list(UPSTREAMS))
@table("streams", [False, True])
def test_a_refused_call_costs_nothing(tmp_path: Path, provider: str, streams: bool) -> None:
    request = Request(model=MODELS[provider], messages=[Message.user("Hi")], provider=provider)

    async def ask(access: ModelAccess) -> None:
        async with Client.from_env(access.variables) as client:
            with pytest.raises(SDKError, match="slow down"):
                await (anext(client.stream(request)) if streams else client.complete(request))

    wait = timedelta(seconds=77)
    fault = Fault(kind=FaultKind.STATUS, status=429, message="slow down", retry_after=wait)
    with in_background(ProviderTwin(script(says("").model_copy(update={"fault": fault})))) as twin:
        [seen] = offered(tmp_path, provider, dict(twin.environ()), ask)
    assert (seen.provider, seen.status, seen.headers["retry-after"]) == (provider, 429, "77")
    assert (seen.usage, "slow down" in seen.error) == (None, True)


def test_a_spent_budget_refuses_the_next_request(tmp_path: Path) -> None:
    def require_budget() -> None:
        raise Exhausted("the budget max_tokens is exhausted: 12 of 10")

    async def ask(access: ModelAccess) -> None:
        key = {"authorization": f"Bearer {access.key}"}
        async with httpx.AsyncClient(trust_env=False, headers=key) as client:
            answer = await client.post(f"{access.url}/responses", json={"model": "gpt-5"})
            assert (answer.status_code, "12 of 10" in answer.text) == (402, True)
            # Only the answers of models cost anything.
            assert (await client.get(f"{access.url}/models")).status_code == 200

    with in_background(ProviderTwin()) as twin:
        offered(tmp_path, "openai", dict(twin.environ()), ask, require_budget=require_budget)
        assert [one.method for one in twin.requests] == ["GET"]


@table(
    ("method", "path", "has_key", "status"),
    [
        ("POST", "/responses", False, 401),
        ("POST", "/files", True, 404),
        ("GET", "/organization/admin_api_keys", True, 404),
        ("DELETE", "/models/gpt-5", True, 404),
        ("GET", "/models/../files", True, 404),
        ("HEAD", "/", True, 404),
    ],
)
def test_other_requests_never_reach_the_provider(
    tmp_path: Path, method: str, path: str, has_key: bool, status: int
) -> None:
    async def ask(access: ModelAccess) -> None:
        key = {"authorization": f"Bearer {access.key}"} if has_key else {}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(method, f"{access.url}{path}", headers=key)
        assert answer.status_code == status

    with in_background(ProviderTwin()) as twin:
        offered(tmp_path, "openai", dict(twin.environ()), ask)
        assert not twin.requests


def test_pieces_of_a_stream_are_passed_on_at_once(tmp_path: Path) -> None:
    has_read, keys = asyncio.Event(), list[str]()

    async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        keys.extend(line for line in head.splitlines() if "key" in line.lower())
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n")
        # A proxy that buffers the whole answer would make this wait without end.
        await has_read.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
        writer.close()

    async def scene() -> None:
        server = await asyncio.start_server(provider, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        environ = {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}/v1", "ANTHROPIC_API_KEY": "real"}
        async with (
            server,
            offer_models("anthropic", environ, local(tmp_path)) as access,
            httpx.AsyncClient(trust_env=False) as client,
            client.stream(
                "GET", f"{access.url}/v1/models", headers={"x-api-key": access.key}
            ) as answer,
        ):
            pieces = answer.aiter_raw()
            assert await anext(pieces) == b"one"
            has_read.set()
            assert await anext(pieces) == b"two"
        assert keys == ["x-api-key: real"]

    finish(scene())


REAL = "sk-real/key+of=the-operator"
ECHO = f"Bearer {REAL}"


def piecewise(text: bytes) -> bytes:
    """Return a chunked body with a chunk for each byte."""
    return b"".join(b"1\r\n%c\r\n" % byte for byte in text) + b"0\r\n\r\n"


@table(
    ("head", "echo", "shown"),
    [
        ("200 OK", ECHO, f"Bearer {'*' * len(REAL)}"),
        ("401 Unauthorized", ECHO, f"Bearer {'*' * len(REAL)}"),
        ("200 OK", json.dumps(ECHO).replace("/", "\\/"), None),
        ("200 OK", quote(ECHO, safe=""), None),
        ("200 OK", b64encode(f"user:{REAL}".encode()).decode(), None),
        # The beginning of a key that does not go on is an ordinary text.
        ("200 OK", f"{REAL[:-1]} {REAL[:5]}", f"{REAL[:-1]} {REAL[:5]}"),
    ],
)
@table("is_compressed", [False, True])
def test_the_real_key_is_scrubbed_from_an_echo(
    tmp_path: Path, head: str, echo: str, shown: str | None, is_compressed: bool
) -> None:
    body = gzip.compress(echo.encode()) if is_compressed else echo.encode()
    more = "content-encoding: gzip\r\n" if is_compressed else ""
    text = f"HTTP/1.1 {head}\r\n{more}x-echo: {ECHO}\r\ntransfer-encoding: chunked\r\n\r\n"
    seen = list[ProviderAnswer]()

    async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert REAL.encode() in await reader.readuntil(b"\r\n\r\n")
        writer.write(text.encode() + piecewise(body))
        writer.close()

    async def scene() -> None:
        server = await asyncio.start_server(provider, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        environ = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}", "OPENAI_API_KEY": REAL}
        async with (
            server,
            offer_models("openai", environ, local(tmp_path), on_answer=seen.append) as access,
            httpx.AsyncClient(trust_env=False) as client,
        ):
            key = {"authorization": f"Bearer {access.key}"}
            answer = await client.get(f"{access.url}/models", headers=key)
        assert REAL not in f"{answer.headers}{seen}"
        assert answer.status_code == seen[0].status == int(head[:3])
        if shown is not None:
            assert answer.text == shown
            assert seen[0].error == (shown if answer.is_error else "")
        else:
            assert len(answer.text) == len(echo)
            assert "*" * 16 in answer.text

    finish(scene())


@table("lead", [b"", b"\n"])
def test_usage_is_read_wherever_a_stream_is_split(tmp_path: Path, lead: bytes) -> None:
    start = {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9}}}
    end = {"type": "message_delta", "usage": {"output_tokens": 5}}
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    begun, ended = (f"data: {json.dumps(one)}\n\n".encode() for one in (start, end))
    has_read = asyncio.Event()

    async def provider(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(head + piecewise(lead + begun).removesuffix(b"0\r\n\r\n"))
        await has_read.wait()
        writer.write(piecewise(ended))
        writer.close()

    async def ask(access: ModelAccess) -> None:
        async with (
            await asyncio.start_server(provider, "127.0.0.1", port),
            httpx.AsyncClient(trust_env=False, base_url=access.url) as client,
            client.stream(
                "POST", "/v1/messages", headers={"x-api-key": access.key}, content=b"{}"
            ) as answer,
        ):
            text = b""
            async for piece in answer.aiter_raw():
                text += piece
                if text == lead + begun:
                    has_read.set()
            assert text == lead + begun + ended

    with hosting.listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    environ = {"ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}", "ANTHROPIC_API_KEY": REAL}
    [seen] = offered(tmp_path, "anthropic", environ, ask)
    assert seen.usage is not None
    assert (seen.usage.tokens.total_tokens, seen.usage.is_estimated) == (14, False)


def test_an_endless_request_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "MAX_BODY", 999)

    async def ask(access: ModelAccess) -> None:
        key = {"authorization": f"Bearer {access.key}"}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{access.url}/responses", headers=key, content=b"x" * 1000)
        assert (answer.status_code, "the body is too large" in answer.text) == (413, True)

    with in_background(ProviderTwin()) as twin:
        offered(tmp_path, "openai", dict(twin.environ()), ask)
        assert not twin.requests


def test_a_dead_provider_is_a_bad_gateway(tmp_path: Path) -> None:
    async def ask(access: ModelAccess) -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(
                f"{access.url}/models", headers={"authorization": f"Bearer {access.key}"}
            )
        assert answer.status_code == 502
        assert "unreachable" in answer.text

    environ = {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "OPENAI_API_KEY": "real"}
    offered(tmp_path, "openai", environ, ask)
