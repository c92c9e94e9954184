import asyncio
import json
import socket
import threading
from typing import Any

import httpx
import pytest

from attractor.base.errors import MachineryError, UnknownName
from attractor.twins.errors import RecordingError, UnknownEndpoint
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.script.script import parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin, provider_addresses
from tests.patience import PATIENCE_S, wait_until
from tests.tables import table
from tests.twins.exchanging import ANY, HELLO, KEYS, PATHS
from tests.twins.streaming import STREAMS

HANG = 'rules = [{ answer = { fault = { kind = "hang" } } }]'
HANG_ONCE = """
[[rules]]
when = { attempt = 1 }
answer.fault = { kind = "hang" }
[[rules]]
answer.text = "Hi."
"""
SLOW = 'rules = [{ answer = { text = "a", delay = "1h" } }]'


def url(twin: ProviderTwin, wire: str) -> str:
    return twin.url + PATHS[wire]


def post(twin: ProviderTwin, wire: str = "openai", timeout: float = 60) -> httpx.Response:
    return httpx.post(url(twin, wire), json=HELLO[wire], headers=KEYS[wire], timeout=timeout)


@table("wire", list(KEYS))
def test_one_script_answers_on_every_wire(wire: str, provider_twin: StartTwin) -> None:
    answer = post(provider_twin(ANY), wire)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "Hi." in answer.text


def test_model_in_the_path_selects_the_rule(
    provider_twin: StartTwin,
) -> None:
    rules = [
        f'[[rules]]\nwhen.model = "{one}"\nanswer.text = "from {one}"' for one in ("m-1", "m-2")
    ]
    twin = provider_twin("\n".join(rules))
    body = {"contents": [{"parts": [{"text": "hello"}]}]}
    for model in ("m-1", "m-2", "m-1"):
        place = f"{twin.url}/v1beta/models/{model}:generateContent"
        answer = httpx.post(place, json=body, headers=KEYS["gemini"]).json()
        assert answer["modelVersion"] == model
        assert answer["candidates"][0]["content"]["parts"][0]["text"] == f"from {model}"
    assert [one.attempt for one in twin.requests] == [1, 1, 2]
    assert twin.requests[-1].from_path == {"model": "m-1"}


def test_shared_models_path_lists_models_by_provider_headers(
    provider_twin: StartTwin,
) -> None:
    rules = [
        f'{{ when = {{ model = "{wire}-model", wire = "{wire}" }}, answer = {{}} }}'
        for wire in KEYS
    ]
    place = provider_twin(f"rules = [{', '.join(rules)}]").url + "/v1/models"
    listed = {wire: httpx.get(place, headers=keys).json() for wire, keys in KEYS.items()}
    # OpenAI has two wires, and lists the models of both.
    shared = {"object": "model", "created": 1_767_225_600, "owned_by": "openai"}
    models: list[Any] = [{"id": f"{wire}-model", **shared} for wire in ("openai", "openai_chat")]
    assert listed["openai"] == listed["openai_chat"] == {"object": "list", "data": models}
    (claude,) = listed["anthropic"]["data"]
    assert (claude["type"], claude["id"]) == ("model", "anthropic-model")
    assert (listed["anthropic"]["first_id"], listed["anthropic"]["has_more"]) == (
        claude["id"],
        False,
    )
    assert [one["name"] for one in listed["gemini"]["models"]] == ["models/gemini-model"]


def test_bearer_token_with_version_header_means_anthropic(
    provider_twin: StartTwin,
) -> None:
    place = provider_twin(ANY).url + "/v1/models"
    token = {"authorization": "Bearer t"}
    assert httpx.get(place, headers=token).json()["object"] == "list"
    versioned = token | {"anthropic-version": "2023-06-01"}
    assert httpx.get(place, headers=versioned).json() == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
    assert httpx.get(place).status_code == 401


@table("version", ["v1", "v1beta"])
def test_gemini_supports_both_api_versions(version: str, provider_twin: StartTwin) -> None:
    twin = provider_twin(ANY)
    body = {"contents": [{"parts": [{"text": "hello"}]}]}
    for method in ("generateContent", "streamGenerateContent?alt=sse"):
        place = f"{twin.url}/{version}/models/m:{method}"
        assert "Hi." in httpx.post(place, json=body, headers=KEYS["gemini"]).text
    plain = f"{twin.url}/{version}/models/m:streamGenerateContent"
    assert httpx.post(plain, json=body, headers=KEYS["gemini"]).status_code == 400
    assert twin.requests[1].path == f"/{version}/models/m:streamGenerateContent"


@table(
    ("method", "path", "headers", "wire", "status"),
    [
        ("POST", "/v1/completions", {}, "openai", 404),
        ("POST", "/v1/completions", KEYS["anthropic"], "anthropic", 404),
        ("GET", "/v1/messages", {}, "anthropic", 405),
        ("GET", "/v1/messages/batches", {}, "anthropic", 404),
        ("DELETE", "/v1/responses", KEYS["openai"], "openai", 405),
        ("POST", "/v1beta/models/m:embedContent", {}, "gemini", 404),
        ("PUT", "/v1beta/models", {}, "gemini", 405),
        ("GET", "/v1beta/models/m:generateContent", {}, "gemini", 405),
        ("GET", "/v1beta/models/m:countTokens", KEYS["gemini"], "gemini", 405),
        ("POST", "/v1/messages/", KEYS["anthropic"], "anthropic", 404),
        ("PUT", "/v1/chat/completions", {}, "openai_chat", 405),
        ("POST", "/", {}, "openai", 404),
    ],
)
def test_unknown_endpoints_are_rejected_in_the_format_of_the_likely_provider(
    provider_twin: StartTwin,
    method: str,
    path: str,
    headers: dict[str, str],
    wire: str,
    status: int,
) -> None:
    twin = provider_twin(ANY)
    answer = httpx.request(method, twin.url + path, headers=headers)
    assert answer.status_code == status
    message = answer.json()["error"]["message"]
    assert message.startswith(f"unknown endpoint {method} {path}; known endpoints: POST /v1/mes")
    written = wire_registry()[wire].write_error(UnknownEndpoint(status, message))
    assert answer.json() == written
    (kept,) = twin.requests
    assert (kept.wire, kept.method, kept.path) == (wire, method, path)
    assert (kept.status, kept.error) == (status, message)


def test_head_is_answered_shortly(provider_twin: StartTwin) -> None:
    twin = provider_twin(ANY)
    answer = httpx.head(twin.url, headers=KEYS["anthropic"])
    assert (answer.status_code, answer.content) == (404, b"")
    assert twin.requests[0].error == "unknown endpoint HEAD /"


def test_answers_and_errors_have_the_id_of_the_request(provider_twin: StartTwin) -> None:
    twin = provider_twin(ANY)
    for wire, name in (("openai", "x-request-id"), ("anthropic", "request-id")):
        answers = [post(twin, wire), post(twin, wire), httpx.get(url(twin, wire))]
        ids = {one.headers[name] for one in answers}
        assert len(ids) == 3
        assert all(one.startswith("req_") for one in ids)


def test_wrong_method_reports_the_allowed_method(provider_twin: StartTwin) -> None:
    assert httpx.get(url(provider_twin(ANY), "openai")).headers["allow"] == "POST"


def test_cut_fault_breaks_the_response(provider_twin: StartTwin) -> None:
    script = 'rules = [{ answer = { text = "a", fault = { kind = "cut" } } }]'
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        post(provider_twin(script))


def test_client_timeout_does_not_affect_the_twin(provider_twin: StartTwin) -> None:
    twin = provider_twin(HANG_ONCE)
    with pytest.raises(httpx.ReadTimeout):
        post(twin, timeout=0.1)
    wait_until(lambda: twin.requests)
    assert post(twin).status_code == 200


@table("script", [HANG, SLOW], ids=["hanging", "slow"])
def test_closing_does_not_wait_for_clients(script: str) -> None:
    ended: list[Exception] = []

    def ask(twin: ProviderTwin) -> None:
        try:
            post(twin, timeout=2 * PATIENCE_S)
        except httpx.HTTPError as error:
            ended.append(error)

    with in_background(ProviderTwin(parse_script(script))) as twin:
        thread = threading.Thread(target=ask, args=(twin,))
        thread.start()
        wait_until(lambda: twin.requests)
    thread.join(PATIENCE_S)
    assert len(ended) == 1


def test_twin_serves_inside_a_running_loop() -> None:
    async def main() -> str:
        async with ProviderTwin(parse_script(ANY)) as twin, httpx.AsyncClient() as client:
            answer = await client.post(
                url(twin, "openai"), json=HELLO["openai"], headers=KEYS["openai"]
            )
            return answer.text

    assert "Hi." in asyncio.run(main())


def test_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        twin = ProviderTwin(parse_script(ANY), port=port)
        with pytest.raises(MachineryError, match=f"port {port} of 127.0.0.1"), in_background(twin):
            pass
        control = ProviderTwin(parse_script(ANY), control_port=port)
        with pytest.raises(MachineryError, match=f"port {port}"), in_background(control):
            pass


def test_environ_has_base_url_and_key_of_each_provider(provider_twin: StartTwin) -> None:
    twin = provider_twin(ANY)
    environ = twin.environ()
    assert environ["OPENAI_BASE_URL"] == f"{twin.url}/v1"
    assert environ["ANTHROPIC_BASE_URL"] == twin.url
    assert environ["GEMINI_BASE_URL"] == environ["GOOGLE_GEMINI_BASE_URL"] == twin.url
    assert environ["OPENAI_COMPATIBLE_BASE_URL"] == f"{twin.url}/v1"
    keys = {name for name in environ if name.endswith("_API_KEY")}
    providers = ("OPENAI", "OPENAI_COMPATIBLE", "ANTHROPIC", "GEMINI")
    assert keys == {f"{one}_API_KEY" for one in providers}
    (key,) = {environ[name] for name in keys}
    assert key not in provider_twin(ANY).environ().values()


def test_attempts_count_equal_json_with_and_without_a_stream(provider_twin: StartTwin) -> None:
    for wire, path in PATHS.items():
        twin = provider_twin(ANY)
        body = HELLO[wire]
        turned = dict(reversed(body.items()))
        tries: list[tuple[str, dict[str, Any]]]
        if wire == "gemini":
            streamed, other = body, path.replace("v1beta", "v1")
            tries = [(path, body), (STREAMS[wire], streamed), (other, turned)]
        else:
            streamed = body | {"stream": True}
            if wire == "openai_chat":
                streamed |= {"stream_options": {"include_usage": True}}
            tries = [(path, streamed), (path, body | {"stream": False}), (path, turned)]
        for target, asked in tries:
            content = json.dumps(asked, indent=len(target) % 2)
            answer = httpx.post(twin.url + target, content=content, headers=KEYS[wire])
            assert answer.status_code == 200, answer.text
        assert [one.attempt for one in twin.requests] == [1, 2, 3]
        assert post(twin, wire).status_code == 200
        more: dict[str, Any] = {**body, "tools": []}
        changed = httpx.post(twin.url + path, json=more, headers=KEYS[wire])
        assert changed.status_code == 200, changed.text
        assert [one.attempt for one in twin.requests[3:]] == [4, 1]


def test_calls_of_tools_that_are_not_offered_are_warned_of(provider_twin: StartTwin) -> None:
    function = {"name": "look", "parameters": {"type": "object"}}
    custom = {"type": "custom", "name": "patch"}
    offers: dict[str, list[Any]] = {
        "openai": [{"type": "function", **function}, custom],
        "openai_chat": [
            {"type": "function", "function": function},
            {"type": "custom", "custom": {"name": "patch"}},
        ],
        "anthropic": [{"name": "look", "input_schema": {}}, {"name": "patch", "input_schema": {}}],
        "gemini": [{"functionDeclarations": [function, {"name": "patch"}]}],
    }
    names = ("look", "patch", "lok")
    rules = [f'[[rules]]\nfirst = 1\nanswer.tool_calls = [{{ name = "{one}" }}]' for one in names]
    for wire, path in PATHS.items():
        twin = provider_twin("\n".join([*rules, rules[0].replace("first = 1", "")]))
        for tools in (offers[wire], offers[wire], offers[wire], None):
            body = HELLO[wire] | ({"tools": tools} if tools else {})
            answer = httpx.post(twin.url + path, json=body, headers=KEYS[wire])
            assert answer.status_code == 200, answer.text
        assert [one.warning for one in twin.requests] == [
            "",
            "",
            "the request does not offer the tool 'lok'; it offers: look, patch",
            "the request does not offer the tool 'look'; it offers: none",
        ]
        assert twin.requests[2].record()["warning"]
    deferred = {"type": "tool_search_output", "tools": [offers["openai"][0]]}
    namespace = {"type": "namespace", "name": "n", "tools": [custom]}
    asked = HELLO["openai"] | {"tools": [namespace], "input": [deferred, {"role": "user"}]}
    twin = provider_twin("\n".join(rules[:2]))
    answers = [
        httpx.post(url(twin, "openai"), json=asked, headers=KEYS["openai"]) for _ in range(2)
    ]
    assert [(one.status, one.warning) for one in twin.requests] == [(200, "")] * 2
    # A call names the namespace of its tool.
    assert [one.json()["output"][-1].get("namespace") for one in answers] == [None, "n"]


def test_control_token_is_unique_per_twin() -> None:
    script = parse_script(ANY)
    assert ProviderTwin(script).token != ProviderTwin(script).token
    assert ProviderTwin(script, token="mine").token == "mine"


WIRES = wire_registry()


def test_every_wire_has_a_default_provider_address() -> None:
    assert set(provider_addresses((), WIRES)) == set(WIRES)
    assert all(one.startswith("https://") for one in provider_addresses((), WIRES).values())


def test_address_can_be_set_per_wire_or_for_all() -> None:
    found = provider_addresses(("openai=http://a/v1/", "http://b"), WIRES)
    assert found["openai"] == "http://a"
    assert {url for wire, url in found.items() if wire != "openai"} == {"http://b"}


@table("url", ["ftp://a", "nonsense", "http://", "http://a?key=1", "https://u@a"])
def test_invalid_addresses_are_rejected(url: str) -> None:
    with pytest.raises(RecordingError, match="invalid address"):
        provider_addresses((url,), WIRES)


def test_unknown_wires_are_rejected() -> None:
    with pytest.raises(UnknownName, match="opnai"):
        provider_addresses(("opnai=http://a",), WIRES)
