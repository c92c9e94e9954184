"""unified-llm 8.7, tool calling: the boxes that are built."""

from typing import Any

import pytest

from attractor.llm import InvalidToolCallError, Message, ToolChoice
from tests.llm.asking import PROVIDERS, SHELL, a_request, ask, last_body, speaking

SCRIPT = """
[[rules]]
when = { step = 0 }
answer.tool_calls = [
    { name = "shell", arguments = { command = "one" } },
    { name = "shell", arguments = { command = "two" } },
    { name = "shell", arguments = { command = "three" } },
]
[[rules]]
when = { step = 1, tool_result = { regex = "1\\\\n2\\\\n3" } }
answer.text = "Done."
"""
TRANSLATED: dict[str, dict[str, object]] = {
    "openai": {
        "auto": "auto",
        "none": "none",
        "required": "required",
        "named": {"type": "function", "name": "shell"},
    },
    "anthropic": {
        "auto": {"type": "auto"},
        "none": None,
        "required": {"type": "any"},
        "named": {"type": "tool", "name": "shell"},
    },
    "gemini": {
        "auto": {"functionCallingConfig": {"mode": "AUTO"}},
        "none": {"functionCallingConfig": {"mode": "NONE"}},
        "required": {"functionCallingConfig": {"mode": "ANY"}},
        "named": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["shell"]}},
    },
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_8_7_passive_tools_return_their_calls_without_looping(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        response = ask(twin, a_request(provider, "go", tools=[SHELL]))
        assert len(twin.requests) == 1
    assert [call.arguments["command"] for call in response.tool_calls] == ["one", "two", "three"]
    assert response.finish_reason.reason == "tool_calls"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_8_7_parallel_results_go_back_in_one_request(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        first = ask(twin, a_request(provider, "go", tools=[SHELL]))
        results = [
            Message.tool_result(call.id, str(number))
            for number, call in enumerate(first.tool_calls, 1)
        ]
        second = ask(twin, a_request(provider, "go", first.message, *results, tools=[SHELL]))
        assert len(twin.requests) == 2
    assert second.text == "Done."


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("mode", ["auto", "none", "required", "named"])
def test_8_7_tool_choice_is_translated_for_each_provider(provider: str, mode: str) -> None:
    choice = ToolChoice(mode, "shell" if mode == "named" else None)
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, "go", tools=[SHELL], tool_choice=choice))
        body: Any = last_body(twin)
    key = "toolConfig" if provider == "gemini" else "tool_choice"
    assert body.get(key) == TRANSLATED[provider][mode]
    assert ("tools" in body) == (provider != "anthropic" or mode != "none")


def test_8_7_argument_json_is_parsed_and_a_bad_one_is_told_not_raised() -> None:
    script = 'rules = [{ answer.tool_calls = [{ name = "shell", raw_arguments = "{oops" }] }]'
    with speaking(script) as twin:
        (call,) = ask(twin, a_request("openai", "go", tools=[SHELL])).tool_calls
    assert (call.arguments, call.raw_arguments) == ({}, "{oops")
    assert isinstance(call.fault, InvalidToolCallError)
