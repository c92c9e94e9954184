import asyncio
from typing import Any

import pytest

from attractor import llm
from attractor.base.errors import UsageError
from attractor.llm import Client, generate_sync, set_default_client
from tests.llm.asking import speaking
from tests.llm.generated import PERSON

SCRIPT = """rules = [{ answer.text = '{"name": "Alice", "age": 30}' }]"""


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
