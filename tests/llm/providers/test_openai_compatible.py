import asyncio
import time

import pytest

from attractor.base.json import Json
from attractor.llm import (
    AdapterTimeout,
    Client,
    ConfigurationError,
    ProviderAdapter,
    Response,
    StreamError,
    StreamEvent,
)
from attractor.llm.providers.openai_compatible import OpenAICompatibleAdapter
from attractor.twins.pytest_plugin import StartTwin
from tests.llm.asking import PATIENT, a_request, ask, last_body
from tests.llm.providers.streams import sse, whole
from tests.llm.test_streaming import HEAD, chunked
from tests.llm.test_streaming import hear as hear_all
from tests.llm.test_transport import answering, http

TALK = 'rules = [{ answer = { text = "Hi.", thinking = "Hm." } }]'
URL = "OPENAI_COMPATIBLE_BASE_URL"
KEY = "OPENAI_COMPATIBLE_API_KEY"
NAME = "openai_compatible"
UNCHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
ANSWER = b'{"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}'
CHUNK: Json = {"choices": [{"delta": {"content": "Hi."}}]}
STOPPED: Json = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def complete(adapter: ProviderAdapter) -> Response:
    async def asking() -> Response:
        try:
            return await adapter.complete(a_request(NAME, "hello"))
        finally:
            await adapter.close()

    return asyncio.run(asking())


def hear(*pieces: bytes) -> Response:
    """Return what a server streams that ends its connection behind these pieces."""
    scene, error = hear_all(NAME, UNCHUNKED, *pieces)
    if error is not None:
        raise error
    return whole(scene.told)


def test_chat_completions_are_spoken_with_a_bearer_token(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    response = ask(twin, a_request(NAME, "hello"))
    assert (response.text, response.reasoning, response.provider) == ("Hi.", "Hm.", NAME)
    (logged,) = twin.requests
    assert (logged.wire, logged.path) == ("openai_chat", "/v1/chat/completions")
    assert "authorization" in logged.headers


def test_a_server_that_asks_for_no_key_is_shown_none() -> None:
    with answering(http(ANSWER)) as (url, received):
        environ = {URL: f"{url}/v1", KEY: " "}
        made = OpenAICompatibleAdapter.from_env(environ, timeout=PATIENT)
        assert made is not None
        assert complete(made).text == "Hi."
    asked = received[0].decode().lower()
    assert asked.startswith("post /v1/chat/completions http/1.1")
    assert "authorization" not in asked


def test_it_is_set_up_by_its_address_alone() -> None:
    made = OpenAICompatibleAdapter.from_env({URL: " http://127.0.0.1:1/v1 "}, timeout=PATIENT)
    assert made is not None
    for environ in ({KEY: "sk-0123456789"}, {URL: ""}, {URL: "  "}):
        assert OpenAICompatibleAdapter.from_env(environ, timeout=AdapterTimeout()) is None
    with pytest.raises(ConfigurationError, match="does not begin with http"):
        OpenAICompatibleAdapter.from_env({URL: "127.0.0.1:1"}, timeout=PATIENT)
    with pytest.raises(ConfigurationError, match="holds what no header can carry"):
        OpenAICompatibleAdapter.from_env({URL: "http://a", KEY: "a\nb"}, timeout=PATIENT)


def test_a_native_provider_is_the_default_before_it() -> None:
    local = {URL: "http://127.0.0.1:1/v1"}
    assert Client.from_env(local).default_provider == NAME
    for key, name in (("OPENAI_API_KEY", "openai"), ("ANTHROPIC_API_KEY", "anthropic")):
        assert Client.from_env({**local, key: "k"}).default_provider == name


def test_headers_of_ones_own_are_sent(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    headers = {"x-title": "mine", "authorization": "Bearer other"}
    complete(OpenAICompatibleAdapter(base_url=f"{twin.url}/v1/", default_headers=headers))
    assert twin.requests[0].headers["x-title"] == "mine"


def test_a_stream_asks_for_the_usage(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)

    async def hearing() -> list[StreamEvent]:
        async with Client.from_env(twin.environ()) as client:
            return [event async for event in client.stream(a_request(NAME, "hello"))]

    response = whole(asyncio.run(hearing()))
    assert (response.usage.input_tokens, response.usage.reasoning_tokens) == (2, 1)
    assert last_body(twin)["stream_options"] == {"include_usage": True}


def test_a_stream_may_end_with_its_connection() -> None:
    assert hear(sse([CHUNK, STOPPED])).text == "Hi."


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
def test_a_stream_that_says_no_reason_is_not_whole(end: bytes) -> None:
    with pytest.raises(StreamError, match="ended before its answer did"):
        hear(sse([CHUNK]), end)


def test_a_stream_that_is_cut_behind_its_reason_is_cut() -> None:
    _, error = hear_all(NAME, HEAD, chunked(sse([CHUNK, STOPPED])))
    assert isinstance(error, StreamError)


def test_behind_its_last_word_a_server_is_not_waited_for() -> None:
    begun = time.monotonic()
    done = chunked(sse([CHUNK, STOPPED]) + b"data: [DONE]\n\n")
    for stays in (True, False):
        scene, error = hear_all(NAME, HEAD, done, stays=stays)
        assert (error, whole(scene.told).text) == (None, "Hi.")
    assert time.monotonic() - begun < 20
