import asyncio
from typing import Any

import anyio
import pytest

from attractor.base.errors import UsageError
from attractor.llm import (
    ConfigurationError,
    Message,
    RequestTimeoutError,
    TimeoutConfig,
    Tool,
    ToolDefinition,
)
from attractor.llm.abort import AbortController
from attractor.llm.generation.options import Generation, limited, read_generation
from tests.llm.asking import SHELL
from tests.llm.generated import NUMBERS, adder
from tests.tables import table


def read(**options: Any) -> Generation:
    return read_generation("gpt-5.2", options.pop("prompt", None), options)  # pyright: ignore[reportArgumentType]


@table(
    ("options", "message"),
    [
        ({"prompt": "a", "messages": [Message.user("b")]}, "both prompt and messages"),
        ({}, "missing prompt"),
        ({"prompt": "a", "max_tool_rounds": -1}, "invalid max_tool_rounds: -1"),
        ({"prompt": "a", "max_retries": -1}, "invalid max_retries: -1"),
        ({"prompt": "a", "max_retries": "2"}, "invalid max_retries: '2' .pass an integer"),
        ({"prompt": "a", "timeout": {"total": 1}}, "invalid timeout: {"),
        ({"prompt": "a", "abort_signal": AbortController()}, "invalid abort_signal: "),
        ({"prompt": "a", "tools": ["x"]}, "invalid tool: 'x' .pass Tool or"),
        ({"prompt": "a", "temprature": 1}, "unknown option temprature"),
    ],
)
def test_contradictory_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(**options)


def test_mistyped_option_gets_a_suggestion() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(prompt="a", temprature=1)
    assert caught.value.hint == "did you mean temperature?"


def test_a_tool_whose_schema_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="invalid JSON schema, parameters of the tool 'add'"):
        read(prompt="a", tools=[Tool("add", "", {"type": "object", "required": "a"}, print)])


def test_system_message_precedes_prompt_and_messages() -> None:
    asked = [Message.system("be brief"), Message.user("hello")]
    assert read(prompt="hello", system="be brief").conversation() == asked
    assert read(messages=asked[1:], system="be brief").conversation() == asked
    assert read(messages=asked).conversation() == asked


def test_tools_with_an_executor_are_active() -> None:
    passive = Tool("wait", "", NUMBERS)
    wanted = read(prompt="a", tools=[adder(), passive, SHELL])
    assert list(wanted.active_tools) == ["add"]
    assert wanted.passive_tools == {"wait", "shell"}
    sent = wanted.request([]).tools
    assert sent == [ToolDefinition("add", "Add two numbers.", NUMBERS), passive.definition, SHELL]


def test_cleanup_completes_despite_cancellation() -> None:
    closed: list[str] = []

    async def closing() -> None:
        async with limited(0.001, "this"):
            # As inside httpx.
            with anyio.CancelScope(shield=True):
                await asyncio.sleep(0.01)
                closed.append("one")
                await asyncio.sleep(0.01)
                closed.append("another")
            await asyncio.sleep(10)

    with pytest.raises(RequestTimeoutError):
        asyncio.run(closing())
    assert closed == ["one", "another"]


def test_time_limit_of_the_caller_is_not_reported_as_ours() -> None:
    async def failing() -> None:
        async with limited(10, "this"):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        asyncio.run(failing())


@table("given", [{"total": 0}, {"per_step": -1.0}])
def test_no_time_is_no_limit(given: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="invalid time limit"):
        TimeoutConfig(**given)
