import asyncio
from typing import Any

import pytest

from attractor import llm
from attractor.base.errors import UsageError
from attractor.llm import Client, generate, generate_object_sync, generate_sync, set_default_client
from tests.llm.asking import speaking
from tests.llm.generated import PERSON

SCRIPT = """rules = [{ answer.text = '{"name": "Alice", "age": 30}' }]"""


def test_one_client_answers_again_and_again_without_an_event_loop() -> None:
    with speaking(SCRIPT) as twin:
        client = Client.from_env(twin.environ())
        texts = [generate_sync("gpt-5.2", "hi", provider="openai", client=client).text]
        result = generate_object_sync(
            "gpt-5.2", "hi", schema=PERSON, provider="openai", client=client
        )
        texts.append(asyncio.run(closing(client)))
        assert texts == [result.text] * 2
    assert result.output == {"name": "Alice", "age": 30}


async def closing(client: Client) -> str:
    async with client:
        return (await generate("gpt-5.2", "hi", provider="openai", client=client)).text


def test_the_default_client_does_too() -> None:
    with speaking(SCRIPT) as twin:
        set_default_client(Client.from_env(twin.environ()))
        try:
            texts = [generate_sync("gpt-5.2", "hi", provider="openai").text for _ in range(2)]
        finally:
            set_default_client(None)
    assert texts[0] == texts[1] == '{"name": "Alice", "age": 30}'


@pytest.mark.parametrize("name", ["generate", "generate_object", "stream", "stream_object"])
def test_within_an_event_loop_it_refuses_and_names_the_other_function(name: str) -> None:
    is_object, is_stream = name.endswith("object"), name.startswith("stream")

    async def asking() -> None:
        options: Any = {"schema": PERSON} if is_object else {}
        getattr(llm, f"{name}_sync")("gpt-5.2", "hi", **options)

    with pytest.raises(UsageError, match=f"{name}_sync would block") as caught:
        asyncio.run(asking())
    instead = "async for ... in" if is_stream else "await"
    assert caught.value.hint == f"write {instead} {name}(...)"
