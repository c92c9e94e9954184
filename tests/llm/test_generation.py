from typing import Any

import pytest

from attractor.base.errors import UsageError
from attractor.llm import ConfigurationError, Message, TimeoutConfig, Tool, ToolDefinition
from attractor.llm.abort import AbortController
from attractor.llm.generation import Generation, read_generation
from tests.llm.asking import SHELL
from tests.llm.generated import NUMBERS, adder


def read(**options: Any) -> Generation:
    return read_generation("gpt-5.2", options.pop("prompt", None), options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"prompt": "a", "messages": [Message.user("b")]}, "both prompt and messages"),
        ({}, "neither prompt nor messages"),
        ({"prompt": "a", "max_tool_rounds": -1}, "max_tool_rounds is -1"),
        ({"prompt": "a", "max_retries": -1}, "max_retries is -1"),
        ({"prompt": "a", "max_retries": "2"}, "max_retries is of the kind str"),
        ({"prompt": "a", "timeout": {"total": 1}}, "timeout is of the kind dict"),
        ({"prompt": "a", "abort_signal": AbortController()}, "is of the kind AbortController"),
        ({"prompt": "a", "tools": ["x"]}, "one of the tools is of the kind str"),
        ({"prompt": "a", "temprature": 1}, "nothing is done with temprature"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read(**options)


def test_a_mistyped_option_is_told_the_right_one() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(prompt="a", temprature=1)
    assert caught.value.hint == "did you mean temperature?"


def test_a_tool_whose_schema_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="what the tool 'add' takes is no JSON Schema"):
        read(prompt="a", tools=[Tool("add", "", {"type": "object", "required": "a"}, print)])


def test_the_system_message_stands_before_a_prompt_and_before_messages() -> None:
    asked = [Message.system("be brief"), Message.user("hello")]
    assert read(prompt="hello", system="be brief").conversation() == asked
    assert read(messages=asked[1:], system="be brief").conversation() == asked
    assert read(messages=asked).conversation() == asked


def test_tools_are_active_when_something_executes_them() -> None:
    passive = Tool("wait", "", NUMBERS)
    wanted = read(prompt="a", tools=[adder(), passive, SHELL])
    assert list(wanted.active_tools) == ["add"]
    assert wanted.passive_tools == {"wait", "shell"}
    sent = wanted.request([]).tools
    assert sent == [ToolDefinition("add", "Add two numbers.", NUMBERS), passive.definition, SHELL]


def test_a_time_limit_is_a_number_of_seconds_for_all_or_two() -> None:
    assert read(prompt="a").limits == TimeoutConfig()
    assert read(prompt="a", timeout=2.5).limits == TimeoutConfig(total=2.5)
    assert read(prompt="a", timeout=TimeoutConfig(per_step=1)).limits.per_step == 1
