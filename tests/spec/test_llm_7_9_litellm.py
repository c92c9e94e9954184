"""A provider without an adapter of its own is used through litellm (7.9): tools, streams and costs.

The client runs in a process of its own, which records every connection.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import speaking

SCRIPT = """
[[rules]]
when = { tool_result = "a b" }
answer = { text = "Two files.", usage = { input = 1000, output = 100, cache_read = 400 } }

[[rules]]
when = { last_user = "Look." }
answer = { text = "I look.", tool_calls = [{ name = "shell", arguments = { command = "ls" } }] }
"""
SCENE = """
import asyncio, json, os, sys

seen = []
def look(event, args):
    if event == "socket.connect":
        seen.append(args[1])
    elif event == "socket.getaddrinfo":
        seen.append(args[:2])
sys.addaudithook(look)

from attractor.llm import (
    Client, Message, Request, StreamAccumulator, ToolDefinition, cost_of, get_model_info
)

shell = ToolDefinition("shell", "Run a command.", {"type": "object", "properties": {}})
before = dict(os.environ)

async def whole(client, request):
    return await client.complete(request)

async def streamed(client, request):
    heard = StreamAccumulator()
    async for event in client.stream(request):
        heard.process(event)
    return heard.response()

async def look_at_files(client, provider, model, ask):
    messages = [Message.user("Look.")]
    first = await ask(client, Request(model, messages, provider, tools=[shell]))
    [call] = first.tool_calls
    messages += [first.message, Message.tool_result(call.id, "a b")]
    last = await ask(client, Request(model, messages, provider, tools=[shell]))
    return {
        "called": [first.text, call.name, dict(call.arguments)],
        "text": last.text,
        "by": [last.provider, last.model],
        "cost": cost_of(last.usage, get_model_info(model, provider)),
    }

async def main():
    found = []
    async with Client.from_env(os.environ) as client:
        assert "litellm" not in sys.modules
        for provider, model in zip(sys.argv[1::2], sys.argv[2::2]):
            for way in (whole, streamed):
                found.append(await look_at_files(client, provider, model, way))
    return found

found = asyncio.run(main())
added = set(os.environ) - set(before)
assert added <= {"TIKTOKEN_CACHE_DIR", "CUSTOM_TIKTOKEN_CACHE_DIR"}, added
print(json.dumps({"found": found, "seen": seen}))
"""
ASKED = [("deepseek", "deepseek-chat"), ("litellm", "anthropic/claude-opus-4-6")]


@pytest.fixture(scope="module")
def twin() -> Iterator[ProviderTwin]:
    with speaking(SCRIPT) as twin:
        yield twin


@pytest.fixture(scope="module")
def scene(twin: ProviderTwin, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Ask the twin twice, and return the answers and the targets of the connections."""
    folder = tmp_path_factory.mktemp("scene")
    # Settings that litellm itself would read.
    (folder / ".env").write_text("MISTRAL_API_KEY=never-asked-for\n")
    environ = {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "DEEPSEEK_API_KEY": "key-of-the-twin",
        "DEEPSEEK_API_BASE": twin.base_url("openai_chat"),
        "ANTHROPIC_API_KEY": "key-of-the-twin",
        "ANTHROPIC_BASE_URL": twin.url,
    }
    words = [word for asked in ASKED for word in asked]
    ended = subprocess.run(
        [sys.executable, "-c", SCENE, *words],
        env=environ,
        cwd=folder,
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr.decode()) == (0, "")
    return json.loads(ended.stdout)


def test_it_works_with_tools_whole_and_streamed(scene: Any, twin: ProviderTwin) -> None:
    found: Sequence[Any] = scene["found"]
    assert [one["called"] for one in found] == [["I look.", "shell", {"command": "ls"}]] * 4
    assert [one["text"] for one in found] == ["Two files."] * 4
    assert [one["by"] for one in found] == [[*asked] for asked in ASKED for _ in range(2)]
    wires = [one.wire for one in twin.requests]
    assert wires == ["openai_chat"] * 4 + ["anthropic"] * 4


def test_every_call_has_its_price(scene: Any) -> None:
    costs = [one["cost"] for one in scene["found"]]
    assert all(cost and 0 < cost < 0.01 for cost in costs)
    assert costs[0] == pytest.approx(costs[1])
    assert costs[2] == pytest.approx(costs[3])


def test_nothing_is_asked_of_anybody_but_the_provider(scene: Any, twin: ProviderTwin) -> None:
    port = int(twin.url.rpartition(":")[2])
    assert scene["seen"]
    assert {tuple(one) for one in scene["seen"]} == {("127.0.0.1", port)}
