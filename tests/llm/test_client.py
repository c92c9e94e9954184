import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import pytest

from attractor.llm import (
    AdapterTimeout,
    Client,
    Complete,
    ConfigurationError,
    FinishReason,
    Message,
    Request,
    Response,
    SDKError,
    Stream,
    StreamEvent,
    ToolChoice,
    UnsupportedToolChoiceError,
    Usage,
    provider_registry,
)
from attractor.llm.middleware import replay
from tests.tables import table

HELLO = Request(model="m", messages=[Message.user("hello")])


class Echo:
    """Answers with its own name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, timeout: AdapterTimeout) -> Self | None:
        return None

    async def complete(self, request: Request) -> Response:
        said = Message.assistant(f"{self.name} to {request.provider}")
        return Response("1", request.model, self.name, said, FinishReason("stop"), Usage())

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        for event in replay(await self.complete(request)):
            yield event

    def supports_tool_choice(self, mode: str) -> bool:
        return mode != "required"

    async def close(self) -> None:
        self.closed = True


def echoes() -> dict[str, Echo]:
    return {name: Echo(name) for name in ("one", "two")}


def complete(client: Client, request: Request) -> Response:
    async def asking() -> Response:
        return await client.complete(request)

    return asyncio.run(asking())


def test_unknown_provider_is_reported_with_a_suggestion() -> None:
    with pytest.raises(ConfigurationError, match="unknown provider 'onee'") as caught:
        complete(Client(providers=echoes()), replace(HELLO, provider="onee"))
    assert "did you mean one?" in caught.value.hint
    with pytest.raises(ConfigurationError, match="unknown provider 'three'"):
        Client(providers=echoes(), default_provider="three")


def test_a_tool_choice_a_provider_does_not_know_is_refused() -> None:
    client = Client(providers=echoes(), default_provider="one")
    assert complete(client, replace(HELLO, tool_choice=ToolChoice("auto"))).text
    with pytest.raises(
        UnsupportedToolChoiceError, match="one does not support the tool choice 'required'"
    ):
        complete(client, replace(HELLO, tool_choice=ToolChoice("required")))


class Agency(Echo):
    """Has an adapter for every name that begins with x."""

    @classmethod
    def variables_of(cls, provider: str) -> Sequence[str]:
        return ["X"] if provider.startswith("x") else []

    def list_served(self) -> Sequence[str]:
        return ["xylo"]

    def serve(self, provider: str) -> Echo | None:
        return Echo(f"{provider} by {self.name}") if provider.startswith("x") else None


def test_provider_without_an_adapter_is_served_by_another_one() -> None:
    client = Client(providers={**echoes(), "agency": Agency("agency")}, default_provider="one")
    assert complete(client, replace(HELLO, provider="xylo")).text == "xylo by agency to xylo"
    assert complete(client, replace(HELLO, provider="agency")).text == "agency to agency"
    assert [client.can_ask(name) for name in ("one", "xylo", "yeti")] == [True, True, False]
    with pytest.raises(ConfigurationError, match="unknown provider 'yylo'") as caught:
        complete(client, replace(HELLO, provider="yylo"))
    assert "did you mean xylo?" in caught.value.hint


def test_own_adapter_takes_precedence_over_a_serving_one() -> None:
    providers = {"agency": Agency("agency"), "xylo": Echo("xylo itself")}
    client = Client(providers=providers, default_provider="xylo")
    assert complete(client, HELLO).text == "xylo itself to xylo"


def test_only_a_single_provider_is_the_default_of_unknown_models() -> None:
    groq, openai, endpoint = (
        {"GROQ_API_KEY": "k"},
        {"OPENAI_API_KEY": "k"},
        {"OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:9/v1"},
    )
    for environ, default in (
        (groq, "litellm"),
        (groq | openai, "openai"),
        (groq | endpoint, "openai_compatible"),
        (openai | endpoint, None),
        (openai | {"ANTHROPIC_API_KEY": "k"}, None),
        ({}, None),
    ):
        assert Client.from_env(environ).default_provider == default


def test_without_a_provider_the_model_name_decides_and_never_the_alphabet() -> None:
    def asked(model: str, *names: str, default: str | None = None) -> str:
        client = Client(providers={name: Echo(name) for name in names})
        client.default_provider = default
        return complete(client, replace(HELLO, model=model)).text

    both = ("anthropic", "openai")
    assert asked("gpt-5.2", *both) == "openai to openai"
    assert asked("gpt-5.2", "vllm", "openai", default="vllm") == "openai to openai"
    assert asked("gpt-5.2", "vllm", default="vllm") == "vllm to vllm"
    assert asked("model-of-tomorrow", "openai", default="openai") == "openai to openai"
    for model, names, hint in (
        ("model-of-tomorrow", both, "set provider= to one of: anthropic, openai"),
        (
            "gemini-3-flash-preview",
            both,
            "set the API key of gemini, or provider= to one of: anthropic, openai",
        ),
        ("gpt-5.2", (), "set the API key of openai"),
        ("model-of-tomorrow", (), "set the API key of a provider, and provider="),
    ):
        with pytest.raises(ConfigurationError, match=f"missing provider .* {model!r}") as caught:
            asked(model, *names)
        assert caught.value.hint == hint
    with pytest.raises(ConfigurationError, match="missing provider for the model 'gpt-5.2'"):
        asked("gpt-5.2", "anthropic", default="anthropic")


class Recorder:
    """Middleware that records its calls."""

    def __init__(self, name: str, passed: list[str]) -> None:
        self.name = name
        self.passed = passed

    async def __call__(self, request: Request, next: Complete) -> Response:
        self.passed.append(f"{self.name} asks {request.provider}")
        response = await next(request)
        self.passed.append(f"{self.name} hears {response.provider}")
        return response


def test_middleware_may_send_a_request_elsewhere_or_answer_itself() -> None:
    def elsewhere(request: Request, next: Complete) -> Awaitable[Response]:
        return next(replace(request, provider="two"))

    async def itself(request: Request, next: Complete) -> Response:
        return await Echo("middleware").complete(request)

    one = Client(providers=echoes(), default_provider="one", middleware=[elsewhere])
    assert complete(one, HELLO).text == "two to two"
    other = Client(providers=echoes(), default_provider="one", middleware=[itself])
    assert complete(other, HELLO).text == "middleware to one"


def test_every_provider_of_the_folder_can_be_set_up_and_closed() -> None:
    async def close(client: Client) -> None:
        await client.close()

    keys = {f"{name.upper()}_API_KEY": "k" for name in provider_registry()}
    keys |= {"OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:9/v1", "GROQ_API_KEY": "k"}
    client = Client.from_env(keys)
    assert list(client.providers) == list(provider_registry())
    assert all(one.supports_tool_choice("auto") for one in client.providers.values())
    asyncio.run(close(client))


class Shouting(Recorder):
    """Writes streams in capitals, and delays nothing."""

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        self.passed.append(f"{self.name} asks {request.provider}")
        try:
            async for event in next(request):
                loud = event.delta and event.delta.upper()
                yield replace(event, delta=loud)
            self.passed.append(f"{self.name} heard all")
        finally:
            self.passed.append(f"{self.name} is closed")


def hear(client: Client, request: Request) -> list[StreamEvent]:
    async def hearing() -> list[StreamEvent]:
        return [event async for event in client.stream(request)]

    return asyncio.run(hearing())


def test_middleware_wraps_streams_in_order() -> None:
    passed: list[str] = []
    around = [Shouting("outer", passed), Shouting("inner", passed)]
    events = hear(Client(providers=echoes(), default_provider="one", middleware=around), HELLO)
    assert [one.delta for one in events if one.delta] == ["ONE", " TO", " ONE"]
    assert passed[:2] == ["outer asks one", "inner asks one"]
    assert passed[2::2] == ["inner heard all", "outer heard all"]


def test_middleware_without_streams_is_never_skipped() -> None:
    client = Client(
        providers=echoes(), default_provider="one", middleware=[Recorder("plain", passed := [])]
    )
    with pytest.raises(ConfigurationError, match="Recorder does not support streams") as caught:
        hear(client, HELLO)
    assert "stream(request, next)" in caught.value.hint
    assert passed == []
    assert complete(client, HELLO).text == "one to one"


@pytest.mark.anyio
async def test_stopping_iteration_closes_the_stream_at_once() -> None:
    passed: list[str] = []
    around = [Shouting("outer", passed), Shouting("inner", passed)]
    client = Client(providers=echoes(), default_provider="one", middleware=around)
    events = client.stream(HELLO)
    await anext(events)
    await events.aclose()
    assert sorted(passed[2:]) == ["inner is closed", "outer is closed"]


@table(
    ("odd", "kind"),
    [
        (replace(HELLO, provider="none"), ConfigurationError),
        (replace(HELLO, tool_choice=ToolChoice("required")), UnsupportedToolChoiceError),
    ],
)
def test_invalid_request_is_refused_by_streams(odd: Request, kind: type[SDKError]) -> None:
    with pytest.raises(kind):
        hear(Client(providers=echoes(), default_provider="one"), odd)


class Bare:
    """An adapter with the required methods of the specification only."""

    name = "bare"

    async def complete(self, request: Request) -> Response:
        said = Message.assistant("Yes.")
        return Response("1", request.model, self.name, said, FinishReason("stop"), Usage())


class Checked(Bare):
    """An adapter that checks its set-up."""

    def initialize(self) -> None:
        raise ConfigurationError("it is not set up")


def test_an_adapter_needs_no_more_than_the_specification_asks_for() -> None:
    async def asking() -> str:
        bare: Any = Bare()
        async with Client(providers={"bare": bare}, default_provider="bare") as client:
            choice = ToolChoice("required")
            request = Request(model="any", messages=[Message.user("hi")], tool_choice=choice)
            return (await client.complete(request)).text

    assert asyncio.run(asking()) == "Yes."


def test_adapter_reports_whether_it_is_set_up() -> None:
    checked: Any = Checked()
    with pytest.raises(ConfigurationError, match="it is not set up"):
        Client(providers={"checked": checked})
