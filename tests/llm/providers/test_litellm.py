"""Providers called by litellm: requests, answers and errors."""

import asyncio
from collections.abc import Iterator

import pytest

from attractor.base.json import JsonObject
from attractor.llm import (
    Client,
    ConfigurationError,
    ContentKind,
    ContentPart,
    ImageData,
    InvalidRequestError,
    Message,
    Request,
    Response,
    Role,
    SDKError,
    StreamEvent,
    ToolCallData,
    ToolChoice,
    ToolResultData,
    cost_of,
    get_model_info,
)
from attractor.llm.errors import UnsupportedToolChoiceError
from attractor.llm.providers.litellm import LiteLLMAdapter
from attractor.llm.providers.litellm_translation import write_request
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import PATIENT, SERVED, SHELL, a_request, last_body, speaking, variables
from tests.tables import table

# litellm suppresses this with a filter of its own, which each test removes again.
pytestmark = pytest.mark.filterwarnings("ignore:Accessing the .* attribute on the instance")
SCRIPT = """
[[rules]]
when = { last_user = "tool" }
answer = { text = "I look.", tool_calls = [
    { name = "shell", arguments = { command = "größe 🐍" } }, { name = "shell" },
] }

[[rules]]
when = { last_user = "think" }
answer = { thinking = "Well.", text = "So." }

[[rules]]
when = { last_user = "priced" }
answer = { text = "So.", usage = { input = 1000, output = 100, cache_read = 400 } }

[[rules]]
when = { last_user = "overloaded" }
answer.fault = { kind = "status", status = 529, message = "overloaded" }

[[rules]]
when = { last_user = "large" }
answer.fault = { kind = "status", status = 413, message = "large" }

[[rules]]
when = { last_user = "echo" }
answer.fault = { kind = "status", status = 401, message = "no sk-of-the-one-provider here" }

[[rules]]
answer = { text = "Hello." }
"""
WHOM = table("provider", SERVED)


@pytest.fixture(scope="module")
def twin() -> Iterator[ProviderTwin]:
    with speaking(SCRIPT) as twin:
        yield twin


def client(twin: ProviderTwin) -> Client:
    """Make a client with litellm only, which serves all providers."""
    return Client(providers={"litellm": LiteLLMAdapter(variables(twin), timeout=PATIENT)})


def ask(twin: ProviderTwin, request: Request) -> Response:
    async def asking() -> Response:
        async with client(twin) as made:
            return await made.complete(request)

    return asyncio.run(asking())


def hear(twin: ProviderTwin, request: Request) -> tuple[list[StreamEvent], SDKError | None]:
    heard: list[StreamEvent] = []

    async def hearing() -> None:
        async with client(twin) as made:
            async for event in made.stream(request):
                heard.append(event)

    try:
        asyncio.run(hearing())
    except SDKError as error:
        return heard, error
    return heard, None


def shown(image: ImageData) -> Message:
    text = ContentPart(ContentKind.TEXT, text="See?")
    return Message(Role.USER, [text, ContentPart(ContentKind.IMAGE, image=image)])


def showing(image: ImageData) -> Message:
    """Return the result of a tool with a picture."""
    result = ToolResultData("c", "seen", image_data=image.data, image_media_type=image.media_type)
    return Message(Role.TOOL, [ContentPart(ContentKind.TOOL_RESULT, tool_result=result)])


CALLED = ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData("c", "shell", {}))
GIF = ImageData(data=b"GIF89a", media_type="image/gif")
FAR = ImageData(url="https://x.org/größe.png")
IMAGES = pytest.mark.parametrize(
    ("messages", "written"),
    [
        ([shown(GIF)], "R0lGODlh"),
        ([shown(FAR)], "https://x.org/größe.png"),
        ([Message.user("hi"), Message(Role.ASSISTANT, [CALLED]), showing(GIF)], "R0lGODlh"),
    ],
    ids=["bytes", "address", "of a tool"],
)


@IMAGES
def test_an_image_that_litellm_leaves_out_is_an_error_and_no_request(
    twin: ProviderTwin, messages: list[Message], written: str
) -> None:
    before = len(twin.requests)
    asked = a_request("deepseek", *messages, tools=[SHELL])
    with pytest.raises(InvalidRequestError) as caught:
        ask(twin, asked)
    events, streamed = hear(twin, asked)
    assert isinstance(streamed, InvalidRequestError)
    for error in (caught.value, streamed):
        assert error.message == "litellm does not send images to this model of deepseek"
        assert "a model with vision" in error.hint
    assert (events, len(twin.requests)) == ([], before)


def test_unsent_settings_are_warned_about(twin: ProviderTwin) -> None:
    answered = ask(twin, a_request("deepseek", "hi", metadata={"run": "1"}))
    assert [one.code for one in answered.warnings] == ["unsupported_parameter"]
    _, error = hear(twin, a_request("deepseek", "hi", tools=[SHELL]))
    assert error is None


def test_thoughts_are_returned_to_the_provider_that_signed_them(twin: ProviderTwin) -> None:
    thinking: JsonObject = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    options = {"litellm": thinking}
    asked = a_request("litellm", "think", provider_options=options, max_tokens=4096)
    answered = ask(twin, asked)
    assert (answered.reasoning, answered.text) == ("Well.", "So.")
    events, _ = hear(twin, asked)
    streamed = events[-1].response
    assert streamed is not None
    assert (streamed.reasoning, streamed.text) == ("Well.", "So.")
    text = "".join(one.reasoning_delta or "" for one in events)
    assert text == "Well."
    for one in (answered, streamed):
        messages = [*asked.messages, one.message, Message.user("hi")]
        ask(twin, Request(asked.model, messages, "litellm", provider_options=options))
        assert '"thinking": "Well."' in str(last_body(twin)).replace("'", '"')


@WHOM
def test_price_includes_cached_tokens(twin: ProviderTwin, provider: str) -> None:
    answered = ask(twin, a_request(provider, "priced"))
    events, _ = hear(twin, a_request(provider, "priced"))
    model = get_model_info(SERVED[provider], provider)
    assert model is not None
    prices = model.prices()
    assert prices.input
    assert prices.output
    assert prices.cache_read
    cost = (600 * prices.input + 400 * prices.cache_read + 100 * prices.output) / 1_000_000
    for usage in (answered.usage, events[-1].usage):
        assert usage is not None
        assert usage.cache_read_tokens == 400
        assert cost_of(usage, model) == pytest.approx(cost)


@table(
    ("model", "message", "hint"),
    [
        ("nobody/m", "unknown provider 'nobody' of litellm", "PROVIDER/MODEL"),
        ("deepsek/m", "unknown provider 'deepsek'", "did you mean deepseek?"),
        ("gpt", "unknown provider 'gpt'", "PROVIDER/MODEL"),
        ("groq/m", "missing API key of groq", "set GROQ_API_KEY"),
    ],
)
def test_unsupported_provider_is_reported(
    twin: ProviderTwin, model: str, message: str, hint: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        ask(twin, Request(model, [Message.user("hi")], "litellm"))
    assert hint in caught.value.hint


def test_a_provider_with_an_adapter_of_its_own_is_not_served(twin: ProviderTwin) -> None:
    adapter = LiteLLMAdapter(variables(twin))
    assert adapter.serve("anthropic") is None
    assert adapter.variables_of("litellm")
    assert LiteLLMAdapter.from_env({"ANTHROPIC_API_KEY": "k"}) is None
    with pytest.raises(ConfigurationError, match="unknown provider 'anthropic'"):
        ask(twin, Request("claude-opus-4-6", [Message.user("hi")], "anthropic"))


def test_a_tool_choice_that_a_model_does_not_know_is_refused() -> None:
    asked = a_request("deepseek", "hi", tools=[SHELL], tool_choice=ToolChoice("required"))
    with pytest.raises(UnsupportedToolChoiceError):
        write_request(asked, provider="deepseek", taken=["tools"])
