from typing import Any

import pytest

from attractor.llm import ConfigurationError, Message, Request, ToolDefinition

SHELL = ToolDefinition("shell", "Run a command.", {"type": "object"})


def test_what_is_optional_may_be_none() -> None:
    names = ("tools", "stop_sequences", "metadata", "provider_options", "provider", "max_tokens")
    nothing: dict[str, Any] = dict.fromkeys(names)
    said = [Message.user("hi")]
    assert Request("any", said, **nothing) == Request("any", said)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="'shell' is defined twice"):
        Request("any", [Message.user("hi")], tools=[SHELL, SHELL])


def test_options_are_meant_for_one_provider_alone() -> None:
    request = Request("any", [], provider_options={"openai": {"store": True}})
    assert request.options_for("openai") == {"store": True}
    assert request.options_for("gemini") == {}
