"""Time of a call by the client, compared with a bare HTTP call to the same provider twin."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from attractor.llm import AdapterTimeout, Client, Message, Request
from benchmarks.figures import WARM_UP, Figure, Row
from benchmarks.folders import Folders

ATTRACTOR = str(Path(sys.executable).parent / "attractor")
LIMIT = 2.5
ROUNDS = 7
ONE_BY_ONE, AT_ONCE = 40, 50
SCRIPT = "[[rules]]\nanswer.text = 'It is as good as it can be.'\n"
WORDS = "How is it?"
MODELS = {
    "openai": "gpt-5.2",
    "anthropic": "claude-opus-4-6",
    "gemini": "gemini-3-flash-preview",
    "openai_compatible": "any",
}
PATHS = {
    "openai": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": f"/v1beta/models/{MODELS['gemini']}:generateContent",
    "openai_compatible": "/v1/chat/completions",
}
BODIES: Mapping[str, Mapping[str, object]] = {
    "openai": {"model": MODELS["openai"], "input": WORDS},
    "anthropic": {
        "model": MODELS["anthropic"],
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": WORDS}],
    },
    "gemini": {"contents": [{"role": "user", "parts": [{"text": WORDS}]}]},
    "openai_compatible": {
        "model": MODELS["openai_compatible"],
        "messages": [{"role": "user", "content": WORDS}],
    },
}
KEYS = {
    "authorization": "Bearer any",
    "x-api-key": "any",
    "x-goog-api-key": "any",
    "anthropic-version": "2023-06-01",
}
Call = Callable[[], Awaitable[object]]


def rows() -> Iterator[Row]:
    """Measure every adapter, one call after another and many at once."""
    with Folders() as folders, _twin(folders.new()) as environ:
        yield from asyncio.run(_measure_all(environ))


async def _measure_all(environ: Mapping[str, str]) -> list[Row]:
    url = httpx.URL(environ["OPENAI_BASE_URL"]).join("/")
    patient = AdapterTimeout(connect=60, request=60)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=AT_ONCE)
    async with (
        httpx.AsyncClient(base_url=url, headers=KEYS, limits=limits, timeout=60) as http,
        Client.from_env(environ, timeout=patient) as client,
    ):
        figures: list[Row] = []
        for provider in MODELS:
            bare, ours = _bare(http, provider), _ours(client, provider)
            for name, run in (("in turn", _in_turn), (f"{AT_ONCE} at once", _at_once)):
                pairs = await _pairs(run, bare, ours)
                name = f"a call to {provider} / bare httpx, {name}"
                figures.append(Figure.paired(name, pairs, LIMIT))
        return figures


def _bare(http: httpx.AsyncClient, provider: str) -> Call:
    async def call() -> object:
        answer = await http.post(PATHS[provider], json=BODIES[provider])
        return answer.raise_for_status().json()

    return call


def _ours(client: Client, provider: str) -> Call:
    request = Request(
        model=MODELS[provider],
        provider=provider,
        messages=[Message.user(WORDS)],
    )

    async def call() -> object:
        return await client.complete(request)

    return call


async def _pairs(
    run: Callable[[Call], Awaitable[float]], bare: Call, ours: Call
) -> list[tuple[float, float]]:
    pairs = [(await run(bare), await run(ours)) for _ in range(ROUNDS + WARM_UP)]
    return pairs[WARM_UP:]


async def _in_turn(call: Call) -> float:
    """Return the seconds for one call."""
    before = time.perf_counter()
    for _ in range(ONE_BY_ONE):
        await call()
    return (time.perf_counter() - before) / ONE_BY_ONE


async def _at_once(call: Call) -> float:
    before = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(AT_ONCE)))
    return (time.perf_counter() - before) / AT_ONCE


@contextmanager
def _twin(folder: Path) -> Generator[Mapping[str, str]]:
    """Run a twin in a process of its own; yield the variables that connect a client to it."""
    script = folder / "script.toml"
    script.write_text(SCRIPT)
    command = [ATTRACTOR, "twin", "llm", "--script", str(script), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            told = "".join(iter(process.stdout.readline, "}\n")) + "}"
            yield json.loads(told)["environ"]
        finally:
            process.terminate()
