"""What every provider's adapter has to do, tried over real HTTP against a twin."""

from typing import Any

import pytest

from attractor.base.json import Json
from attractor.llm import (
    ConfigurationError,
    ContentKind,
    ContentPart,
    ImageData,
    Message,
    NetworkError,
    ProviderError,
    RequestTimeoutError,
    Role,
    SDKError,
    ServerError,
    ToolChoice,
    provider_registry,
)
from attractor.twins.pytest_plugin import StartTwin
from tests.llm.asking import ADAPTERS, QUICK, SHELL, a_request, ask, last_body

# It asks all other providers, and is tried with several of them.
TRIED_ELSEWHERE = {"litellm"}
KEY = "sk-very-secret-0123456789"
pytestmark = pytest.mark.parametrize("provider", ADAPTERS)

TALK = """
[[rules]]
when = { first_user = "hello", step = 0 }
answer = { text = "Hi.", usage = { input = 100, output = 7, cache_read = 60 } }

[[rules]]
when = { first_user = "look", step = 0 }
[rules.answer]
text = "I look."
thinking = "Where could it be?"
redacted_thinking = "Nobody may know."
tool_calls = [
    { name = "shell", arguments = { command = "ls", deep = { "é" = [1, 2.5, true] } } },
    { name = "shell", arguments = { command = "pwd" } },
]

[[rules]]
when = { first_user = "look", step = 1, tool_result = "todo.py" }
answer.tool_calls = [{ name = "shell", arguments = { command = "cat todo.py" } }]

[[rules]]
when = { first_user = "look", step = 2, last_user = "hurry" }
answer.text = "Found it."
"""


def test_every_adapter_of_the_folder_is_tried_here(provider: str) -> None:
    assert provider in provider_registry()
    assert {*provider_registry()} - {*ADAPTERS} <= TRIED_ELSEWHERE


def test_a_text_is_answered_by_a_text(provider: str, provider_twin: StartTwin) -> None:
    response = ask(provider_twin(TALK), a_request(provider, "hello"))
    assert (response.text, response.provider) == ("Hi.", provider)
    assert (response.finish_reason.reason, response.model) == ("stop", a_request(provider).model)
    assert response.message.role is Role.ASSISTANT
    assert response.id
    assert response.raw
    assert response.usage.output_tokens == 7
    assert response.usage.cache_read_tokens == 60


def test_a_conversation_with_tools_runs_to_its_end(provider: str, provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    messages = [Message.system("Be brief."), Message.user("look")]
    first = ask(twin, a_request(provider, *messages, tools=[SHELL], reasoning_effort="high"))
    assert (first.text, first.reasoning) == ("I look.", "Where could it be?")
    assert first.finish_reason.reason == "tool_calls"
    assert [call.arguments for call in first.tool_calls] == [
        {"command": "ls", "deep": {"é": [1, 2.5, True]}},
        {"command": "pwd"},
    ]
    ls, pwd = first.tool_calls
    assert ls.id != pwd.id
    messages += [
        first.message,
        Message.tool_result(ls.id, "todo.py"),
        Message.tool_result(pwd.id, "no such folder", is_error=True),
    ]
    second = ask(twin, a_request(provider, *messages, tools=[SHELL]))
    (cat,) = second.tool_calls
    messages += [second.message, Message.tool_result(cat.id, ""), Message.user("hurry")]
    third = ask(twin, a_request(provider, *messages, tools=[SHELL]))
    assert (third.text, third.finish_reason.reason) == ("Found it.", "stop")
    assert [one.rule for one in twin.requests] == ["rule 2", "rule 3", "rule 4"]


def test_thoughts_go_back_as_they_came(provider: str, provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    first = ask(twin, a_request(provider, "look", reasoning_effort="high"))
    results = [Message.tool_result(call.id, "todo.py") for call in first.tool_calls]
    ask(twin, a_request(provider, "look", first.message, *results))
    raw: Any = first.raw
    word, came = {
        "openai": lambda: ("reasoning", raw["output"]),
        "anthropic": lambda: ("thinking", raw["content"]),
        "gemini": lambda: ("thought", raw["candidates"][0]["content"]["parts"]),
        # What is hidden is not told at all here.
        "openai_compatible": lambda: ("reasoning", [_spoken(raw["choices"][0]["message"])]),
    }[provider]()
    thoughts = [one for one in came if word in str(one)]
    assert len(thoughts) == (1 if provider == "openai_compatible" else 2)
    assert all(one in _sent_items(dict(last_body(twin))) for one in thoughts)


def _spoken(message: dict[str, Json]) -> Json:
    """Return a message as it is said again."""
    return {key: value for key, value in message.items() if value is not None}


def _sent_items(body: Json) -> list[Json]:
    """Return every item and block of a request's body."""
    if isinstance(body, dict):
        return [body, *(one for value in body.values() for one in _sent_items(value))]
    if isinstance(body, list):
        return [one for value in body for one in _sent_items(value)]
    return []


@pytest.mark.parametrize("other", ADAPTERS)
def test_thoughts_of_another_provider_are_left_out(
    provider: str, provider_twin: StartTwin, other: str
) -> None:
    twin = provider_twin(TALK)
    first = ask(twin, a_request(other, "look", reasoning_effort="high"))
    results = [Message.tool_result(call.id, "todo.py") for call in first.tool_calls]
    second = ask(twin, a_request(provider, "look", first.message, *results))
    assert [call.arguments for call in second.tool_calls] == [{"command": "cat todo.py"}]
    # Kept as it was said to whoever thought it, and shown to nobody else.
    sent = "Where could it be?" in str(last_body(twin))
    assert sent == (provider == other)


@pytest.mark.parametrize(
    ("status", "name", "retryable"),
    [
        (400, "InvalidRequestError", False),
        (401, "AuthenticationError", False),
        (403, "AccessDeniedError", False),
        (404, "NotFoundError", False),
        (408, "RequestTimeoutError", False),
        (413, "ContextLengthError", False),
        (422, "InvalidRequestError", False),
        (429, "RateLimitError", True),
        (500, "ServerError", True),
        (529, "ServerError", True),
    ],
)
def test_a_status_becomes_its_error_and_nothing_is_tried_twice(
    provider: str, provider_twin: StartTwin, status: int, name: str, retryable: bool
) -> None:
    fault = f'{{ kind = "status", status = {status}, message = "no", retry_after = "1500ms" }}'
    twin = provider_twin(f"rules = [{{ answer = {{ fault = {fault} }} }}]")
    with pytest.raises(SDKError, match=f"^{provider} answered {status}: no$") as caught:
        ask(twin, a_request(provider, "hello"))
    error = caught.value
    assert (type(error).__name__, error.retryable) == (name, retryable)
    assert len(twin.requests) == 1
    if isinstance(error, ProviderError):
        assert (error.status_code, error.retry_after, error.provider) == (status, 1.5, provider)
        assert error.raw
        assert "error" in error.raw


@pytest.mark.parametrize(("kind", "error"), [("cut", NetworkError), ("malformed", ServerError)])
def test_a_broken_answer_is_an_error_worth_another_try(
    provider: str, provider_twin: StartTwin, kind: str, error: type[SDKError]
) -> None:
    twin = provider_twin(
        f'rules = [{{ answer = {{ text = "a", fault = {{ kind = "{kind}" }} }} }}]'
    )
    with pytest.raises(error) as caught:
        ask(twin, a_request(provider, "hello"))
    assert caught.value.retryable


def test_a_provider_that_hangs_is_not_waited_for(provider: str, provider_twin: StartTwin) -> None:
    twin = provider_twin('rules = [{ answer = { fault = { kind = "hang" } } }]')
    with pytest.raises(RequestTimeoutError, match=r"did not answer in 0\.2 s"):
        ask(twin, a_request(provider, "hello"), timeout=QUICK)


@pytest.mark.parametrize("body", ["{}", '{\\"id\\": 1}', "[]", '{\\"content\\": [{}]}'])
def test_an_answer_of_another_shape_is_the_providers_trouble(
    provider: str, provider_twin: StartTwin, body: str
) -> None:
    fault = f'{{ kind = "malformed", body = "{body}" }}'
    twin = provider_twin(f"rules = [{{ answer = {{ fault = {fault} }} }}]")
    with pytest.raises(ServerError, match=f"malformed answer of {provider}"):
        ask(twin, a_request(provider, "hello"))


@pytest.mark.parametrize("finish", ["stop", "tool_calls", "length", "content_filter"])
def test_why_the_model_stopped_is_told_in_our_word_and_in_the_providers(
    provider: str, provider_twin: StartTwin, finish: str
) -> None:
    calls = '[{ name = "shell" }]' if finish == "tool_calls" else "[]"
    answer = f'{{ text = "a", finish = "{finish}", tool_calls = {calls} }}'
    response = ask(provider_twin(f"rules = [{{ answer = {answer} }}]"), a_request(provider, "a"))
    assert response.finish_reason.reason == finish
    assert response.finish_reason.raw


@pytest.mark.parametrize("image", [ImageData(data=b"png"), ImageData(url="https://x.org/a.png")])
def test_an_image_is_sent_beside_a_text(
    provider: str, provider_twin: StartTwin, image: ImageData
) -> None:
    twin = provider_twin(TALK)
    parts = [
        ContentPart(ContentKind.TEXT, text="hello"),
        ContentPart(ContentKind.IMAGE, image=image),
    ]
    assert ask(twin, a_request(provider, Message(Role.USER, parts))).text == "Hi."
    sent = str(last_body(twin))
    assert ("https://x.org/a.png" if image.url else "cG5n") in sent


@pytest.mark.parametrize("mode", ["auto", "none", "required", "named"])
def test_every_tool_choice_is_taken(provider: str, provider_twin: StartTwin, mode: str) -> None:
    choice = ToolChoice(mode, "shell" if mode == "named" else None)
    twin = provider_twin(TALK)
    assert ask(twin, a_request(provider, "hello", tools=[SHELL], tool_choice=choice)).text == "Hi."


def test_options_meant_for_the_provider_are_in_the_body_and_others_are_not(
    provider: str, provider_twin: StartTwin
) -> None:
    twin = provider_twin(TALK)
    options = {provider: {"service_tier": "flex"}, "acme": {"spark": True}}
    ask(twin, a_request(provider, "hello", provider_options=options))
    assert last_body(twin)["service_tier"] == "flex"
    assert "spark" not in last_body(twin)


def test_a_rate_limit_is_read_from_the_headers(provider: str, provider_twin: StartTwin) -> None:
    name = {
        "openai": "x-ratelimit-remaining-requests",
        "anthropic": "anthropic-ratelimit-requests-remaining",
        "gemini": "x-ratelimit-remaining-requests",
        "openai_compatible": "x-ratelimit-remaining-requests",
    }[provider]
    twin = provider_twin(f'rules = [{{ answer = {{ text = "a", headers = {{ {name} = "9" }} }} }}]')
    response = ask(twin, a_request(provider, "hello"))
    assert response.rate_limit is not None
    assert response.rate_limit.requests_remaining == 9


def test_the_adapter_can_be_made_by_hand(provider: str, provider_twin: StartTwin) -> None:
    part: Any = provider_registry()[provider]
    adapter = part(
        api_key=KEY, base_url="https://example.org/v1/", default_headers={"x-custom": "value"}
    )
    assert adapter.name == provider
    assert adapter.supports_tool_choice("named")
    assert not adapter.supports_tool_choice("some")
    # A server of one's own may ask for no key.
    for key in ["\n"] if provider == "openai_compatible" else ["", "\n"]:
        with pytest.raises(ConfigurationError):
            part(api_key=key, base_url="https://example.org/v1/")


def test_the_key_stands_in_no_request_as_logged(provider: str, provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    ask(twin, a_request(provider, "hello"))
    headers = twin.requests[-1].headers
    assert "[hidden]" in headers.values()
    assert "key-for-the-twin" not in str(twin.requests[-1])
    assert headers["user-agent"].startswith("attractor/")
