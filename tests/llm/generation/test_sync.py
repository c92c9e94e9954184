import asyncio
from typing import Any

import pytest

from attractor import llm
from attractor.base.errors import UsageError
from tests.llm.generated import PERSON
from tests.tables import table


@table("name", ["generate", "generate_object", "stream", "stream_object"])
def test_call_in_an_event_loop_is_refused_with_the_async_function(name: str) -> None:
    is_object, is_stream = name.endswith("object"), name.startswith("stream")

    async def asking() -> None:
        options: Any = {"schema": PERSON} if is_object else {}
        getattr(llm, f"{name}_sync")("gpt-5.2", "hi", **options)

    with pytest.raises(UsageError, match=f"{name}_sync would block") as caught:
        asyncio.run(asking())
    instead = "async for ... in" if is_stream else "await"
    assert caught.value.hint == f"write {instead} {name}(...)"
