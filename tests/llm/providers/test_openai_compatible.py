import asyncio
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from attractor.base.json import Json, JsonObject
from attractor.llm import (
    AdapterTimeout,
    ConfigurationError,
    ContextLengthError,
    Message,
    ProviderAdapter,
    Request,
    Response,
    ResponseFormat,
    SDKError,
    ServerError,
    StreamError,
    ToolChoice,
    Warning,
)
from attractor.llm.providers.openai_compatible import OpenAICompatibleAdapter, write_request
from attractor.twins.pytest_plugin import StartTwin
from tests.llm.asking import MODELS, PATIENT, a_request
from tests.llm.providers.streams import sse, whole
from tests.llm.transport.test_http import answering, http
from tests.llm.transport.test_stream_reading import HEAD, chunked, hear as hear_all
from tests.tables import table

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
    """Return the stream of a server that closes its connection after these pieces."""
    scene, error = hear_all(NAME, UNCHUNKED, *pieces)
    if error is not None:
        raise error
    return whole(scene.events)


def test_server_without_a_key_gets_none() -> None:
    with answering(http(ANSWER)) as (url, received):
        environ = {URL: f"{url}/v1", KEY: " "}
        made = OpenAICompatibleAdapter.from_env(environ, timeout=PATIENT)
        assert made is not None
        assert complete(made).text == "Hi."
    asked = received[0].decode().lower()
    assert asked.startswith("post /v1/chat/completions http/1.1")
    assert "authorization" not in asked


def test_address_is_enough_to_set_up_the_provider() -> None:
    made = OpenAICompatibleAdapter.from_env({URL: " http://127.0.0.1:1/v1 "}, timeout=PATIENT)
    assert made is not None
    for environ in ({KEY: "sk-0123456789"}, {URL: ""}, {URL: "  "}):
        assert OpenAICompatibleAdapter.from_env(environ, timeout=AdapterTimeout()) is None
    with pytest.raises(ConfigurationError, match="does not start with http"):
        OpenAICompatibleAdapter.from_env({URL: "127.0.0.1:1"}, timeout=PATIENT)
    with pytest.raises(ConfigurationError, match="invalid API key"):
        OpenAICompatibleAdapter.from_env({URL: "http://a", KEY: "a\nb"}, timeout=PATIENT)


def test_headers_of_ones_own_are_sent(provider_twin: StartTwin) -> None:
    twin = provider_twin(TALK)
    headers = {"x-title": "mine", "authorization": "Bearer other"}
    complete(OpenAICompatibleAdapter(base_url=f"{twin.url}/v1/", default_headers=headers))
    assert twin.requests[0].headers["x-title"] == "mine"


def test_a_stream_may_end_with_its_connection() -> None:
    assert hear(sse([CHUNK, STOPPED])).text == "Hi."


@table("end", [b"", b"data: [DONE]\n\n"])
def test_stream_without_a_finish_reason_is_incomplete(end: bytes) -> None:
    with pytest.raises(StreamError, match="ended before its answer was complete"):
        hear(sse([CHUNK]), end)


def test_stream_cut_after_its_finish_reason_is_incomplete() -> None:
    _, error = hear_all(NAME, HEAD, chunked(sse([CHUNK, STOPPED])))
    assert isinstance(error, StreamError)


TOO_LONG = (
    b'{"error": {"message": "maximum context length is 8", "code": "context_length_exceeded"}}'
)
LISTS: JsonObject = {
    "vLLM": {"max_model_len": 1},
    "llama.cpp": {"meta": {"n_ctx": 1, "n_ctx_train": 9000}},
    "a large window": {"max_model_len": 9000},
    "no window": {},
}


def hear_empty(status: int, body: bytes, listed: Json = None) -> tuple[list[str], Response]:
    """Return the requests to a server of empty streams, and what it answers otherwise."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            entry = {"id": MODELS[NAME], **(listed if isinstance(listed, dict) else {})}
            self.say(200, json.dumps({"data": [{"id": "other"}, entry]}).encode())

        def do_POST(self) -> None:
            is_stream = b'"stream": true' in self.rfile.read(int(self.headers["content-length"]))
            self.say(200, b"") if is_stream else self.say(status, body)

        def say(self, status: int, body: bytes) -> None:
            asked.append(f"{self.command} {status}")
            self.send_response(status)
            self.send_header("content-type", "text/event-stream" if not body else "text/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    async def listening(url: str) -> Response:
        adapter = OpenAICompatibleAdapter(base_url=url, timeout=PATIENT)
        request = a_request(NAME, "hello")
        return whole([event async for event in adapter.stream(request)])

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            return asked, asyncio.run(listening(f"http://127.0.0.1:{server.server_port}"))
        except SDKError as error:
            error.add_note(" ".join(asked))
            raise
        finally:
            server.shutdown()


def test_request_with_an_empty_stream_is_sent_again_without_a_stream() -> None:
    asked, response = hear_empty(200, ANSWER)
    assert (asked, response.text) == (["POST 200", "POST 200"], "Hi.")
    assert "sent_again" in [warning.code for warning in response.warnings]


def test_prompt_above_the_window_has_the_reason_that_the_server_gives_without_a_stream() -> None:
    with pytest.raises(ContextLengthError, match="length is 8 .*larger context window") as raised:
        hear_empty(400, TOO_LONG)
    assert raised.value.__notes__ == ["POST 200 POST 400"]


@table("name", LISTS)
def test_server_that_fails_at_a_prompt_above_the_window_that_it_lists(name: str) -> None:
    is_above = name in ("vLLM", "llama.cpp")
    with pytest.raises(ContextLengthError if is_above else ServerError) as raised:
        hear_empty(500, b"{}", LISTS[name])
    assert ("has 1, as the server lists" in str(raised.value)) is is_above


def test_reader_does_not_wait_after_the_final_marker() -> None:
    done = chunked(sse([CHUNK, STOPPED]) + b"data: [DONE]\n\n")
    for stays in (True, False):
        scene, error = hear_all(NAME, HEAD, done, stays=stays)
        assert (error, whole(scene.events).text) == (None, "Hi.")


HI = Message.user("hi")


def write(*, is_stream: bool = False, **more: Any) -> tuple[Any, list[str | None]]:
    """Return the body of a request, and the codes of its warnings."""
    request = Request(model="m", messages=[HI], **more)
    body, warnings = write_request(request, provider=NAME, is_stream=is_stream)
    return dict(body), [one.code for one in warnings]


def body(**more: Any) -> Any:
    return write(**more)[0]


def test_a_stream_asks_for_its_usage_and_options_can_change_that() -> None:
    assert body(is_stream=True) == body() | {
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    without = {NAME: {"stream_options": None}}
    assert body(is_stream=True, provider_options=without)["stream_options"] is None
    assert "stream_options" not in body(provider_options=without)


def test_a_choice_without_tools_is_not_sent_and_warned_about() -> None:
    found, codes = write(tool_choice=ToolChoice("none"))
    assert ("tool_choice" in found, codes) == (False, ["unsupported_parameter"])


def test_metadata_is_warned_about() -> None:
    found, codes = write(metadata={"run": "1"})
    assert ("metadata" in found, codes) == (False, ["unsupported_parameter"])


def test_json_is_requested_by_a_setting_and_in_the_prompt() -> None:
    found = body(response_format=ResponseFormat("json"))
    assert found["response_format"] == {"type": "json_object"}
    assert found["messages"][0]["role"] == "system"
    assert "JSON" in found["messages"][0]["content"]
    assert body(response_format=ResponseFormat("text")) == body()


def test_a_schema_is_sent_with_a_name() -> None:
    optional: JsonObject = {"type": "object", "properties": {"a": {"type": "string"}}}
    closed: JsonObject = {**optional, "required": ["a"]}
    for schema, strict, codes in (
        (closed, True, []),
        (optional, True, ["schema_not_enforced"]),
        (optional, False, []),
    ):
        found, warned = write(response_format=ResponseFormat("json_schema", schema, strict=strict))
        form = found["response_format"]
        held = strict and not codes
        assert (form["type"], form["json_schema"]["name"]) == ("json_schema", "answer")
        assert form["json_schema"]["strict"] is held
        assert form["json_schema"]["schema"] == (
            {**schema, "additionalProperties": False} if held else schema
        )
        assert warned == codes


def test_warnings_name_a_remedy() -> None:
    request = Request(model="m", messages=[HI], metadata={"run": "1"})
    (warning,) = write_request(request, provider=NAME).warnings
    assert isinstance(warning, Warning)
    assert "provider_options" in warning.message


def test_users_and_models_keep_their_names() -> None:
    said = [
        Message("developer", "Be brief.", name="house"),
        Message("user", "hi", name="ann"),
        Message("assistant", "hello", name="bot"),
    ]
    sent, warnings = write_request(Request(model="m", messages=said), provider=NAME)
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi", "name": "ann"},
        {"role": "assistant", "content": "hello", "name": "bot"},
    ]
    message = (
        "the name 'house' of a message (developer) is not sent, "
        "because instructions are sent as one message"
    )
    assert [(one.message, one.code) for one in warnings] == [(message, "unsupported_parameter")]
