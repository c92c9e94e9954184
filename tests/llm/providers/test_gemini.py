import asyncio
from dataclasses import replace
from typing import Any

import pytest

from attractor.llm import AdapterTimeout, Message, RateLimitError
from attractor.llm.providers.gemini import GeminiAdapter
from attractor.twins.pytest_plugin import StartTwin
from tests.llm.asking import MODELS, PATIENT, SHELL, a_request, ask, last_body
from tests.llm.transport.test_http import answering, http

TALK = 'rules = [{ answer = { text = "Hi." } }]'
LONG = AdapterTimeout()


def asked_of(base_url: str, model: str = MODELS["gemini"]) -> None:
    """Ask one thing of an adapter made by hand."""

    async def asking() -> None:
        adapter = GeminiAdapter(api_key="key-0123456789", base_url=base_url, timeout=PATIENT)
        try:
            await adapter.complete(replace(a_request("gemini", "hello"), model=model))
        finally:
            await adapter.close()

    asyncio.run(asking())


def test_the_native_interface_is_spoken_with_the_key_in_a_header(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    ask(twin, a_request("gemini", "hello"))
    (logged,) = twin.requests
    assert (logged.wire, logged.from_path) == ("gemini", {"model": MODELS["gemini"]})
    assert logged.headers["x-goog-api-key"] == "[hidden]"
    assert "authorization" not in logged.headers


@pytest.mark.parametrize(
    ("base", "model", "path"),
    [
        ("", "gemini-x", "/v1beta/models/gemini-x:generateContent"),
        ("/", "models/gemini-x", "/v1beta/models/gemini-x:generateContent"),
        ("/v1beta", "gemini-x", "/v1beta/models/gemini-x:generateContent"),
        ("/gate/v1/", "gemini-x", "/gate/v1/models/gemini-x:generateContent"),
        ("", "tunedModels/mine", "/v1beta/tunedModels/mine:generateContent"),
        ("", "a?key=b c", "/v1beta/models/a%3Fkey%3Db%20c:generateContent"),
    ],
)
def test_the_model_stands_in_the_path_and_the_key_does_not(
    base: str, model: str, path: str
) -> None:
    answer = http(b'{"candidates": [{"finishReason": "STOP"}]}')
    with answering(answer) as (url, received):
        asked_of(url + base, model)
    head = received[0].decode().split("\r\n")
    assert head[0] == f"POST {path} HTTP/1.1"
    assert "x-goog-api-key: key-0123456789" in [line.lower() for line in head]
    assert "key-0123456789" not in head[0]


def test_what_google_asks_to_wait_stands_in_the_body() -> None:
    body = (
        b'{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED", "details": ['
        b'{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}'
    )
    with (
        answering(http(body, "429 Too Many Requests")) as (url, _),
        pytest.raises(RateLimitError) as caught,
    ):
        asked_of(url)
    assert (caught.value.retry_after, caught.value.error_code) == (34.5, "RESOURCE_EXHAUSTED")


@pytest.mark.parametrize(
    ("environ", "key"),
    [
        ({"GEMINI_API_KEY": "one"}, "one"),
        ({"GOOGLE_API_KEY": "two"}, "two"),
        ({"GEMINI_API_KEY": "one", "GOOGLE_API_KEY": "two"}, "one"),
        ({"GEMINI_API_KEY": " ", "GOOGLE_API_KEY": "two"}, "two"),
    ],
)
def test_the_key_is_found_by_either_name(environ: dict[str, str], key: str) -> None:
    answer = http(b'{"candidates": [{"finishReason": "STOP"}]}')
    with answering(answer) as (url, received):
        made = GeminiAdapter.from_env({**environ, "GEMINI_BASE_URL": url}, timeout=PATIENT)
        assert made is not None

        async def asking() -> None:
            await made.complete(a_request("gemini", "hello"))
            await made.close()

        asyncio.run(asking())
    assert f"x-goog-api-key: {key}\r\n" in received[0].decode().lower()


def test_without_a_key_there_is_none() -> None:
    blank = {"GEMINI_API_KEY": "", "GOOGLE_API_KEY": " "}
    assert GeminiAdapter.from_env(blank, timeout=LONG) is None


def test_structured_output_and_safety_are_asked_for_by_options(provider_twin: StartTwin) -> None:
    twin = provider_twin("rules = [{ answer = { text = '{\"n\": 1}' } }]")
    schema: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    options: dict[str, Any] = {
        "generationConfig": {"responseMimeType": "application/json", "responseSchema": schema},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1",
        "tools": [{"googleSearch": {}}],
    }
    request = a_request(
        "gemini", "count", temperature=0.5, tools=[SHELL], provider_options={"gemini": options}
    )
    assert ask(twin, request).text == '{"n": 1}'
    sent: Any = last_body(twin)
    assert sent["generationConfig"] == {"temperature": 0.5, **options["generationConfig"]}
    assert (sent["safetySettings"], sent["cachedContent"]) == (
        options["safetySettings"],
        "cachedContents/1",
    )
    assert [list(tool) for tool in sent["tools"]] == [["functionDeclarations"], ["googleSearch"]]


def test_parallel_calls_of_one_name_keep_their_results_apart(provider_twin: StartTwin) -> None:
    call = '{ name = "shell", arguments = { command = "a" } }'
    twin = provider_twin(
        f"""
        [[rules]]
        when = {{ step = 0 }}
        answer.tool_calls = [{call}, {call}]
        [[rules]]
        when = {{ step = 1, tool_result = {{ regex = "one\\\\ntwo" }} }}
        answer.text = "Both."
        """
    )
    first = ask(twin, a_request("gemini", "go", tools=[SHELL]))
    ids = [one.id for one in first.tool_calls]
    assert len(set(ids)) == 2
    again = ask(twin, a_request("gemini", "go", tools=[SHELL]))
    assert not {one.id for one in again.tool_calls} & set(ids)
    results = [Message.tool_result(*one) for one in zip(ids, ("one", "two"), strict=True)]
    assert ask(twin, a_request("gemini", "go", first.message, *results)).text == "Both."
    sent: Any = last_body(twin)["contents"]
    assert len(sent) == 3
    assert not any(one in str(sent) for one in ids)
