import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import attractor
from attractor.llm import Client, ConfigurationError, Request, set_default_client
from attractor.llm.generation.text import DefaultClient
from tests.llm.asking import a_request, speaking

HELLO = "rules = [{ answer.text = 'Hello.' }]"


@pytest.fixture(autouse=True)
def _nothing_is_left_set() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    set_default_client(None)


def ask_twice(default: DefaultClient, request: Request) -> bool:
    """Ask by the default client twice; return whether it is the same one within an event loop."""

    async def asking() -> bool:
        clients = [await default.find(), await default.find()]
        texts = [(await one.complete(request)).text for one in clients]
        return texts == ["Hello."] * 2 and clients[0] is clients[1]

    return asyncio.run(asking())


def test_default_client_is_created_once_for_each_event_loop() -> None:
    read: list[str] = []
    with speaking(HELLO) as twin:

        def make() -> Client:
            read.append("once more")
            return Client.from_env(twin.environ())

        default = DefaultClient(make)
        assert read == []
        # Connections of one loop would fail in the next one, and be reported as a warning.
        assert ask_twice(default, a_request("openai", "hi"))
        assert ask_twice(default, a_request("openai", "hi"))
    assert len(read) == 2


def test_missing_keys_are_reported() -> None:
    async def asking() -> None:
        client = await DefaultClient(lambda: Client.from_env({})).find()
        await client.complete(Request(model="gpt-5.2", messages=[]))

    with pytest.raises(ConfigurationError, match="missing provider"):
        asyncio.run(asking())


def test_explicit_client_ignores_environment_variables() -> None:
    folder = Path(attractor.__path__[0])
    reading = [
        str(file.relative_to(folder))
        for file in sorted(folder.rglob("*.py"))
        if "__environ__" in file.read_text("utf-8")
    ]
    # The last one sets variables while it imports litellm, which has no other settings.
    allowed = [
        "__init__.py",
        *("environments/container.py", "environments/local.py", "environments/remote.py"),
        *("llm/client.py", "llm/providers/litellm.py"),
    ]
    assert reading == allowed
