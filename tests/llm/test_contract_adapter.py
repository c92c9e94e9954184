"""Contract of adapters: real ones against a twin, and the scripted one."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from copy import deepcopy
from typing import Any

import pytest

from attractor.base.registry import find_shortcoming
from attractor.llm import (
    AdapterTimeout,
    Message,
    ProviderAdapter,
    Request,
    Response,
    SDKError,
    StreamAccumulator,
    StreamEvent,
    StreamEventType,
    provider_registry,
)
from attractor.llm.errors import RateLimitError
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.scripted import ScriptedProvider, called, calls, never, said
from tests.llm.asking import MODELS, PATIENT, variables
from tests.patience import PATIENCE_S, until
from tests.tables import table

# litellm suppresses this with a filter of its own, which each test removes again.
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance"),
]
SCRIPT = """
[[rules]]
when = { last_user = "text" }
answer.text = "größe 🐍"

[[rules]]
when = { last_user = "tool" }
answer = { text = "I look.", tool_calls = [
    { name = "shell", arguments = { command = "größe 🐍" } },
    { name = "shell" },
] }

[[rules]]
when = { last_user = "busy" }
answer.fault = { kind = "status", status = 429, message = "busy", retry_after = "2s" }

[[rules]]
when = { last_user = "hang" }
answer.fault = { kind = "hang" }
"""


class Scripted(ScriptedProvider):
    """The scripted provider, with the steps of the twin's script."""

    async def complete(self, request: Request) -> Response:
        steps = {
            "text": said("größe 🐍"),
            "tool": calls(
                called("shell", {"command": "größe 🐍"}, id="call_1"),
                called("shell", {}, id="call_2"),
                text="I look.",
            ),
            "busy": RateLimitError("busy", provider=self.name, status_code=429, retry_after=2),
            "hang": never,
        }
        asked = request.messages[-1].text
        self._steps = [steps[asked]] if asked in steps else []
        return await super().complete(request)


class AdapterCase:
    """An adapter, a way to ask it, and the number of its requests."""

    def __init__(self, adapter: ProviderAdapter, model: str, count: Callable[[], int]) -> None:
        self.adapter = adapter
        self.model = model
        self.count = count

    def request(self, text: str) -> Request:
        provider = self.adapter.name
        return Request(model=self.model, provider=provider, messages=[Message.user(text)])

    async def ask(self, text: str) -> Response:
        return await asyncio.wait_for(self.adapter.complete(self.request(text)), PATIENCE_S)

    async def hear(self, text: str) -> list[StreamEvent]:
        async with asyncio.timeout(PATIENCE_S):
            return [event async for event in self.adapter.stream(self.request(text))]


@pytest.fixture(scope="module")
def twin() -> Any:
    with in_background(ProviderTwin(parse_script(SCRIPT))) as twin:
        yield twin


NAMES = [*provider_registry(), "stand-in"]


def tried_of(name: str, twin: ProviderTwin) -> AdapterCase:
    if name == "stand-in":
        scripted = Scripted()
        return AdapterCase(scripted, "any", lambda: len(scripted.requests))
    adapter = provider_registry()[name].from_env(variables(twin), timeout=PATIENT)
    assert adapter is not None
    before = len(twin.requests)
    return AdapterCase(adapter, MODELS[name], lambda: len(twin.requests) - before)


@pytest.fixture(params=NAMES)
async def tried(request: pytest.FixtureRequest, twin: ProviderTwin) -> AsyncGenerator[AdapterCase]:
    tried = tried_of(str(request.param), twin)
    yield tried
    await tried.adapter.close()


async def test_part_is_an_adapter_with_a_constant_name(tried: AdapterCase) -> None:
    assert find_shortcoming(tried.adapter, ProviderAdapter) == ""
    name = tried.adapter.name
    await tried.ask("text")
    assert tried.adapter.name == name


async def test_answer_has_text_model_and_provider(tried: AdapterCase) -> None:
    response = await tried.ask("text")
    assert (response.text, response.finish_reason.reason) == ("größe 🐍", "stop")
    assert (response.provider, response.model) == (tried.adapter.name, tried.model)
    assert response.id
    assert not response.tool_calls
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens > 0
    assert tried.count() == 1


async def test_calls_come_back_in_order_with_ids_of_their_own(tried: AdapterCase) -> None:
    response = await tried.ask("tool")
    assert (response.text, response.finish_reason.reason) == ("I look.", "tool_calls")
    made = [(call.name, call.arguments) for call in response.tool_calls]
    assert made == [("shell", {"command": "größe 🐍"}), ("shell", {})]
    assert len({call.id for call in response.tool_calls} - {""}) == 2


async def test_repeated_request_has_the_same_answer_and_is_unchanged(tried: AdapterCase) -> None:
    request = tried.request("tool")
    before = deepcopy(request)
    first = await tried.adapter.complete(request)
    second = await tried.adapter.complete(request)
    assert first.message.text == second.message.text
    assert request == before


async def test_answers_at_the_same_time_do_not_mix(tried: AdapterCase) -> None:
    asked = ["text", "tool"] * 5
    answers = await asyncio.gather(*map(tried.ask, asked))
    assert [one.text for one in answers] == ["größe 🐍", "I look."] * 5
    assert tried.count() == 10


@pytest.mark.parametrize("asked", ["text", "tool"])
async def test_stream_equals_the_complete_answer(tried: AdapterCase, asked: str) -> None:
    whole, events = await tried.ask(asked), await tried.hear(asked)
    assert events[0].type == StreamEventType.STREAM_START
    assert [one.type for one in events].index(StreamEventType.FINISH) == len(events) - 1
    assert "".join(one.delta or "" for one in events) == whole.text
    accumulator = StreamAccumulator()
    for event in events:
        accumulator.process(event)
    found = accumulator.response()
    assert (found.text, found.finish_reason) == (whole.text, whole.finish_reason)
    assert (found.usage, found.model) == (whole.usage, whole.model)
    calls = [one.tool_call for one in events if one.type == StreamEventType.TOOL_CALL_END]
    assert calls == found.tool_calls
    assert [call.arguments for call in found.tool_calls] == [
        call.arguments for call in whole.tool_calls
    ]
    assert tried.count() == 2


async def test_client_is_usable_after_a_stopped_stream(tried: AdapterCase) -> None:
    events = tried.adapter.stream(tried.request("text"))
    await anext(events)
    await events.aclose()
    assert (await tried.ask("text")).text == "größe 🐍"


async def test_failure_is_an_sdk_error_without_a_retry(tried: AdapterCase) -> None:
    with pytest.raises(RateLimitError, match="busy") as caught:
        await tried.ask("busy")
    assert (caught.value.retryable, caught.value.retry_after) == (True, 2)
    assert tried.count() == 1
    with pytest.raises(SDKError) as other:
        await tried.ask("what nobody has an answer to")
    assert not other.value.retryable
    assert tried.count() == 2
    assert (await tried.ask("text")).text == "größe 🐍"


async def test_canceled_request_can_be_repeated(tried: AdapterCase) -> None:
    asking = asyncio.create_task(tried.ask("hang"))
    await until(lambda: tried.count() >= 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await tried.ask("text")).text == "größe 🐍"


async def test_closing_is_harmless_when_repeated_and_the_next_request_opens_again(
    tried: AdapterCase,
) -> None:
    await tried.adapter.close()
    assert (await tried.ask("text")).text == "größe 🐍"
    await tried.adapter.close()
    await tried.adapter.close()
    assert (await tried.ask("text")).text == "größe 🐍"


@table("name", NAMES)
def test_one_event_loop_after_another_is_served(name: str, twin: ProviderTwin) -> None:
    tried = tried_of(name, twin)
    assert [asyncio.run(tried.ask("text")).text for _ in range(2)] == ["größe 🐍"] * 2

    async def end() -> None:
        await tried.adapter.close()

    asyncio.run(end())


async def test_the_four_tool_choices_are_known_and_no_other(tried: AdapterCase) -> None:
    modes = ("auto", "none", "required", "named", "some", "", "AUTO")
    assert [tried.adapter.supports_tool_choice(one) for one in modes] == [True] * 4 + [False] * 3


async def test_adapter_needs_its_key(tried: AdapterCase) -> None:
    kind = type(tried.adapter)
    assert kind.from_env({}, timeout=AdapterTimeout()) is None
    other = {"SOME_OTHER_API_KEY": "sk-0123456789", "PATH": "/bin"}
    assert kind.from_env(other, timeout=AdapterTimeout()) is None
