import asyncio
from collections.abc import AsyncGenerator

import pytest

from attractor.llm import (
    AccessDeniedError,
    AuthenticationError,
    Client,
    ConfigurationError,
    InvalidRequestError,
    NetworkError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    Request,
    RequestTimeoutError,
    SDKError,
    ServerError,
    StreamEvent,
    StreamEventType,
)
from attractor.llm.middleware import Fallback, ModelName, may_fall_back
from tests.agent.scripted import ScriptedProvider, said
from tests.llm.asking import MODELS, a_request, ask as ask_twin, speaking
from tests.llm.middleware.asked import HELLO, OPUS, ask, codes, hear, whole
from tests.tables import table


def busy(provider: str = "openai") -> RateLimitError:
    return RateLimitError(f"{provider} is busy", provider=provider, retry_after=1.5)


def opus(*steps: object) -> ScriptedProvider:
    return ScriptedProvider(*steps, name="anthropic")  # pyright: ignore[reportArgumentType]


def test_next_model_answers_with_a_warning() -> None:
    first, second = ScriptedProvider(busy()), opus(said("here"))
    answer = ask(first, second, around=[Fallback([OPUS])])
    assert (answer.text, answer.provider, answer.model) == ("here", *OPUS)
    [warning] = answer.warnings
    assert warning.code == "fell_back"
    assert warning.message == (
        "anthropic/claude-opus-4-6 answered because openai/gpt-5.2 failed: "
        "RateLimitError: openai is busy"
    )
    assert [one.messages for one in second.requests] == [HELLO.messages]


FALLS = [
    busy(),
    ServerError("down", provider="openai"),
    NetworkError("cut"),
    NotFoundError("none", provider="openai"),
    AccessDeniedError("no", provider="openai"),
    QuotaExceededError("empty", provider="openai"),
]
STAYS = [
    AuthenticationError("key", provider="openai"),
    InvalidRequestError("bad", provider="openai"),
    RequestTimeoutError("late"),
]


@table("error", [*FALLS, *STAYS])
def test_fallback_is_asked_only_after_some_errors(error: SDKError) -> None:
    assert may_fall_back(error) == (error in FALLS)
    if error in STAYS:
        with pytest.raises(type(error)) as caught:
            ask(ScriptedProvider(error), opus(said("hi")), around=[Fallback([OPUS])])
        assert caught.value is error
        return
    assert ask(ScriptedProvider(error), opus(said("hi")), around=[Fallback([OPUS])]).text == "hi"


def test_errors_that_trigger_a_fallback_are_configurable() -> None:
    late = RequestTimeoutError("late")
    around = [Fallback([OPUS], when=lambda error: isinstance(error, RequestTimeoutError))]
    assert ask(ScriptedProvider(late), opus(said("hi")), around=around).text == "hi"
    with pytest.raises(RateLimitError):
        ask(ScriptedProvider(busy()), opus(said("hi")), around=around)


@table("listen", [ask, hear], ids=["whole", "stream"])
def test_last_error_names_all_failed_models(listen: object) -> None:
    assert listen in (ask, hear)
    gone = NotFoundError("no such model", provider="anthropic")
    providers = ScriptedProvider(busy()), opus(gone)
    with pytest.raises(SDKError) as caught:
        (ask if listen is ask else hear)(*providers, around=[Fallback([OPUS])])
    # The error after which a retry may help: a retry policy uses it.
    error = caught.value
    assert isinstance(error, RateLimitError)
    assert error.retry_after == 1.5
    assert list(error.others) == [gone]
    message = "anthropic/claude-opus-4-6 failed: NotFoundError: no such model"
    assert error.message == f"openai is busy ({message})"
    assert error.__notes__ == [message]


def test_final_error_names_earlier_failures() -> None:
    bad = InvalidRequestError("bad", provider="anthropic")
    with pytest.raises(InvalidRequestError, match=r"bad \(openai/gpt-5.2 failed: RateLimit"):
        ask(ScriptedProvider(busy()), opus(bad), around=[Fallback([OPUS, ("openai", "x")])])


def test_model_without_adapter_is_skipped() -> None:
    others = [("nobody", "m"), OPUS]
    answer = ask(ScriptedProvider(busy()), opus(said("hi")), around=[Fallback(others)])
    assert answer.text == "hi"
    assert (
        "nobody/m failed: ConfigurationError: unknown provider 'nobody'"
        in answer.warnings[0].message
    )
    # If it is the requested one, that is an error.
    wrong = Request(model="m", messages=HELLO.messages, provider="anthropic")
    with pytest.raises(ConfigurationError):
        ask(ScriptedProvider(), around=[Fallback([OPUS])], request=wrong)


def test_fallbacks_can_be_set_for_one_model() -> None:
    around = [Fallback(by_model={"openai/gpt-5.2": [OPUS], "o": [("openai", "p")]})]
    assert ask(ScriptedProvider(busy()), opus(said("hi")), around=around).provider == "anthropic"
    other = Request(model="o", messages=HELLO.messages)
    scripted = ScriptedProvider(busy(), said("by p"))
    assert ask(scripted, opus(), around=around, request=other).model == "p"
    none = Request(model="x", messages=HELLO.messages)
    with pytest.raises(RateLimitError):
        ask(ScriptedProvider(busy()), opus(said("hi")), around=around, request=none)


class Breaking(ScriptedProvider):
    """Breaks off a stream after some of its events."""

    def __init__(self, events: int) -> None:
        super().__init__(said("one two"))
        self._events = events

    async def stream(self, request: Request) -> AsyncGenerator[StreamEvent]:
        found = 0
        async for event in super().stream(request):
            if found == self._events:
                error = NetworkError("cut")
                yield StreamEvent(StreamEventType.ERROR, error=error)
                raise error
            found += 1
            yield event


@table("events", [1, 2])
def test_stream_falls_back_before_its_first_event(events: int) -> None:
    heard = hear(Breaking(events), opus(said("all of it")), around=[Fallback([OPUS])])
    assert (whole(heard).text, codes(whole(heard))) == ("all of it", ["fell_back"])
    types = [one.type for one in heard]
    assert types.count(StreamEventType.STREAM_START) == 1
    assert StreamEventType.ERROR not in types
    empty = hear(ScriptedProvider(said("")), opus(), around=[Fallback([OPUS])])
    assert (whole(empty).text, codes(whole(empty))) == ("", [])


def test_stream_does_not_fall_back_after_its_first_event() -> None:
    second, heard = opus(said("other")), list[StreamEvent]()

    async def hearing() -> None:
        providers = {"openai": Breaking(3), "anthropic": second}
        client = Client(
            providers=providers, default_provider="openai", middleware=[Fallback([OPUS])]
        )
        async for event in client.stream(HELLO):
            heard.append(event)

    with pytest.raises(NetworkError, match="^cut "):
        asyncio.run(hearing())
    assert [one.delta for one in heard if one.delta] == ["one"]
    assert heard[-1].type == StreamEventType.ERROR
    assert second.requests == []


def test_provider_data_is_not_sent_to_the_next_model() -> None:
    script = """
    [[rules]]
    when = { wire = "anthropic", step = 0 }
    answer = { text = "First.", thinking = "hm", redacted_thinking = "sealed" }
    [[rules]]
    when = { wire = "anthropic" }
    answer.fault = { kind = "status", status = 529, message = "busy" }
    [[rules]]
    answer.text = "Second."
    """
    for other in ("openai", "gemini"):
        with speaking(script) as twin:
            first = ask_twin(twin, a_request("anthropic", "go"))
            request = a_request("anthropic", "go", first.message, "go on")
            around = [Fallback([(other, MODELS[other])])]
            second = ask_twin(twin, request, middleware=around)
            sent = str(twin.requests[-1].body)
        assert (second.text, second.provider) == ("Second.", other)
        assert "First." in sent
        assert "hm" not in sent
        assert "signature" not in sent


def test_names_are_read_and_written() -> None:
    assert ModelName.parse("openrouter/meta/llama") == ("openrouter", "meta/llama")
    assert str(ModelName(*OPUS)) == "anthropic/claude-opus-4-6"
    with pytest.raises(ConfigurationError, match="invalid model name"):
        ModelName.parse("gpt-5.2")
    with pytest.raises(ConfigurationError, match="missing fallback"):
        Fallback()
