"""unified-llm 8.7, tool calling."""

import threading
from typing import Any

from attractor.llm import InvalidToolCallError, Message, Tool, ToolChoice
from tests.llm.asking import PROVIDERS, SHELL, a_request, ask, last_body, speaking
from tests.llm.generated import generated
from tests.llm.heard import heard
from tests.patience import PATIENCE_S
from tests.tables import table

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
LOOP = """
[[rules]]
when = { step = 3 }
answer.text = "Three results later."
[[rules]]
answer = { tool_calls = [{ name = "shell", arguments = { command = "next" } }] }
"""
NUMBERS = {"one": "1", "two": "2", "three": "3"}
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


@table("provider", PROVIDERS)
def test_8_7_passive_tools_return_their_calls_without_looping(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        response = ask(twin, a_request(provider, "go", tools=[SHELL]))
        assert len(twin.requests) == 1
    assert [call.arguments["command"] for call in response.tool_calls] == ["one", "two", "three"]
    assert response.finish_reason.reason == "tool_calls"


@table("provider", PROVIDERS)
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


@table("provider", PROVIDERS)
@table("mode", ["auto", "none", "required", "named"])
def test_8_7_tool_choice_is_translated_for_each_provider(provider: str, mode: str) -> None:
    choice = ToolChoice(mode, "shell" if mode == "named" else None)
    with speaking(SCRIPT) as twin:
        ask(twin, a_request(provider, "go", tools=[SHELL], tool_choice=choice))
        body: Any = last_body(twin)
    key = "toolConfig" if provider == "gemini" else "tool_choice"
    assert body.get(key) == TRANSLATED[provider][mode]
    assert ("tools" in body) == (provider != "anthropic" or mode != "none")


def test_8_7_invalid_argument_json_is_a_fault_of_the_call() -> None:
    script = 'rules = [{ answer.tool_calls = [{ name = "shell", raw_arguments = "{oops" }] }]'
    with speaking(script) as twin:
        (call,) = ask(twin, a_request("openai", "go", tools=[SHELL])).tool_calls
    assert (call.arguments, call.raw_arguments) == ({}, "{oops")
    assert isinstance(call.fault, InvalidToolCallError)


def number_of(command: str) -> str:
    return NUMBERS[command]


def shell(execute: Any) -> Tool:
    return Tool(SHELL.name, SHELL.description, SHELL.parameters, execute)


@table("provider", PROVIDERS)
def test_8_7_active_tools_are_executed_and_the_model_is_asked_again(provider: str) -> None:
    done: list[str] = []
    with speaking(LOOP) as twin:
        result = generated(twin, provider, tools=[shell(done.append)], max_tool_rounds=5)
        assert len(twin.requests) == 4
    assert (result.text, len(done)) == ("Three results later.", 3)


@table("provider", PROVIDERS)
def test_8_7_tools_without_a_handler_are_left_to_the_caller(provider: str) -> None:
    with speaking(LOOP) as twin:
        result = generated(twin, provider, tools=[shell(None)], max_tool_rounds=5)
        assert len(twin.requests) == 1
    assert [call.arguments["command"] for call in result.tool_calls] == ["next"]


@table("provider", PROVIDERS)
@table("rounds", [0, 1, 2])
def test_8_7_max_tool_rounds_is_respected(provider: str, rounds: int) -> None:
    done: list[str] = []
    with speaking(LOOP) as twin:
        result = generated(twin, provider, tools=[shell(done.append)], max_tool_rounds=rounds)
        assert len(twin.requests) == rounds + 1
    assert (len(done), result.finish_reason.reason) == (rounds, "tool_calls")


@table("provider", PROVIDERS)
def test_8_7_parallel_calls_run_at_once_and_go_back_in_order_in_one_request(provider: str) -> None:
    # Each returns only when all of them are running.
    barrier = threading.Barrier(3, timeout=PATIENCE_S)

    def meet(command: str) -> str:
        barrier.wait()
        return NUMBERS[command]

    with speaking(SCRIPT) as twin:
        # The script answers only to the three results in their order.
        assert generated(twin, provider, tools=[shell(meet)]).text == "Done."
        assert len(twin.requests) == 2


FAILING = """
[[rules]]
when = { step = 0 }
answer.tool_calls = [
    { name = "shell", arguments = { command = "break" } },
    { name = "shell", arguments = { command = "well" } },
    { name = "shell", arguments = { command = 7 } },
    { name = "unheard_of" },
]
[[rules]]
when = { step = 1, tool_result = { regex = "(?s)it broke.*fine.*command.*Unknown tool" } }
answer.text = "I see."
"""


@table("provider", PROVIDERS)
def test_8_7_tool_errors_are_returned_to_the_model(provider: str) -> None:
    def execute(command: str) -> str:
        if command == "break":
            raise OSError("it broke")
        return "fine"

    with speaking(FAILING) as twin:
        result = generated(twin, provider, tools=[shell(execute)])
    assert result.text == "I see."
    assert [one.is_error for one in result.steps[0].tool_results] == [True, False, True, True]


@table("provider", PROVIDERS)
def test_8_7_steps_keep_their_calls_results_and_usage(provider: str) -> None:
    with speaking(SCRIPT) as twin:
        result = generated(twin, provider, tools=[shell(number_of)])
    first, last = result.steps
    assert [call.id for call in first.tool_calls] == [
        one.tool_call_id for one in first.tool_results
    ]
    assert [one.content for one in first.tool_results] == ["1", "2", "3"]
    assert (list(last.tool_calls), list(last.tool_results)) == ([], [])
    assert result.total_usage == first.usage + last.usage
    assert result.usage == last.usage


@table("provider", PROVIDERS)
def test_8_7_stream_executes_tools_and_continues(provider: str) -> None:
    barrier = threading.Barrier(3, timeout=PATIENCE_S)

    def meet(command: str) -> str:
        barrier.wait()
        return NUMBERS[command]

    with speaking(SCRIPT) as twin:
        answer = heard(twin, provider, tools=[shell(meet)])
        assert len(twin.requests) == 2
    assert answer.text == "Done."
    (between,) = [one.step for one in answer.events if one.type == "step_finish"]
    assert between
    assert [one.content for one in between.tool_results] == ["1", "2", "3"]


@table("provider", PROVIDERS)
@table("rounds", [0, 1, 2])
def test_8_7_max_tool_rounds_is_respected_by_streams(provider: str, rounds: int) -> None:
    done: list[str] = []
    with speaking(LOOP) as twin:
        answer = heard(twin, provider, tools=[shell(done.append)], max_tool_rounds=rounds)
        assert len(twin.requests) == rounds + 1
    assert (len(done), answer.types.count("step_finish")) == (rounds, rounds)
    assert answer.whole.finish_reason.reason == "tool_calls"
