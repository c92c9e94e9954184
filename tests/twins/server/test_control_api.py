"""Twins of both kinds have the same control API, which requires a token."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from attractor.twins.exchange.answer import Reply
from attractor.twins.exchange.wire import wire_registry
from attractor.twins.pytest_plugin import StartTwin
from attractor.twins.server import control_api as control_app
from attractor.twins.server.provider_state import IncomingRequest, LoggedRequest, RequestLog
from attractor.twins.server.provider_twin import ProviderTwin
from attractor.twins.services.pytest_plugin import StartServiceTwin, service_twin as service_twin
from attractor.twins.services.service_twin import ServiceTwin
from tests.twins.exchanging import ANY, HELLO, KEYS, PATHS
from tests.twins.services.asking import fixed

Twin = ProviderTwin | ServiceTwin
OWN = {
    "provider": [("GET", "/script"), ("POST", "/script")],
    "service": [("GET", "/state"), ("GET", "/clock"), ("POST", "/clock"), ("POST", "/faults")],
}
BOTH = [("GET", "/requests"), ("GET", "/requests/1"), ("POST", "/reset")]


@pytest.fixture(params=["provider", "service"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def twin(kind: str, provider_twin: StartTwin, service_twin: StartServiceTwin) -> Twin:
    if kind == "provider":
        return provider_twin(ANY)
    return service_twin('name = "s"\n' + fixed("1"))


def ask(twin: Twin) -> None:
    if isinstance(twin, ProviderTwin):
        httpx.post(twin.url + PATHS["openai"], json=HELLO["openai"], headers=KEYS["openai"])
    else:
        httpx.get(twin.url + "/x")


def control(twin: Twin, method: str, path: str) -> tuple[int, Any]:
    token = {"authorization": f"Bearer {twin.token}"}
    answer = httpx.request(method, twin.control_url + path, headers=token)
    return answer.status_code, answer.json()


def test_control_api_lists_and_resets_requests(twin: Twin) -> None:
    for _ in range(2):
        ask(twin)
    status, output = control(twin, "GET", "/requests")
    assert (status, [one["number"] for one in output["requests"]], output["dropped"]) == (
        200,
        [1, 2],
        0,
    )
    assert control(twin, "GET", "/requests/2") == (200, output["requests"][1])
    assert control(twin, "GET", "/requests?since=1")[1]["requests"] == output["requests"][1:]
    assert control(twin, "GET", "/requests/3") == (404, {"error": "request 3 does not exist"})
    assert control(twin, "GET", "/requests?els=1")[0] == 400
    assert control(twin, "POST", "/reset") == (200, {"reset": True})
    assert control(twin, "GET", "/requests")[1] == {"requests": [], "dropped": 0}


def test_only_health_needs_no_token(kind: str, twin: Twin) -> None:
    assert httpx.get(f"{twin.control_url}/health").json() == {"status": "ok"}
    wrong: Sequence[dict[bytes, bytes]] = (
        {},
        {b"authorization": "Bearer é".encode()},
        {b"authorization": b"Bearer x"},
    )
    for method, path in BOTH + OWN[kind]:
        for headers in wrong:
            answer = httpx.request(method, twin.control_url + path, headers=headers)
            assert (answer.status_code, answer.json()) == (
                401,
                {"error": "missing or invalid token of the twin"},
            )


def test_clients_cannot_reach_the_control_api(kind: str, twin: Twin) -> None:
    ask(twin)
    token = {"authorization": f"Bearer {twin.token}"}
    for method, path in [*BOTH, *OWN[kind], ("GET", "/health")]:
        answer = httpx.request(method, twin.url + path, headers=token)
        assert answer.status_code == 404
        assert not {"requests", "reset", "rules", "state", "now", "status"} & set(answer.json())
    assert twin.requests[0].number == 1


def test_tokens_are_compared_in_constant_time(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return False

    monkeypatch.setattr(control_app.hmac, "compare_digest", compare)
    assert control(twin, "GET", "/requests")[0] == 401
    assert seen == [(f"Bearer {twin.token}".encode(),) * 2]


def test_bodies_that_are_too_large_are_rejected(
    kind: str, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attractor.twins.server.hosting.MAX_BODY", 1000)
    message = "the body is too large: 1001 bytes, at most 1000"
    token = {"authorization": f"Bearer {twin.token}"}

    def pieces() -> Iterator[bytes]:
        yield from (b"x" * 900, b"x" * 101)

    for method, path in OWN[kind]:
        if method == "POST":
            for content in (b"x" * 1001, pieces()):
                answer = httpx.post(twin.control_url + path, content=content, headers=token)
                assert (answer.status_code, answer.json()["error"]) == (413, message)
            fits = httpx.post(twin.control_url + path, content=b"x" * 1000, headers=token)
            assert fits.status_code == 400
    places = [*PATHS.values(), "/v1/unknown"] if kind == "provider" else ["/x"]
    for path in places:
        for content in (b"x" * 1001, pieces()):
            wire = next((wire for wire, one in PATHS.items() if one == path), "openai")
            answer = httpx.post(twin.url + path, content=content, headers=KEYS[wire])
            assert (answer.status_code, answer.json()["error"]["message"]) == (413, message)
            own = "body_too_large" if kind == "service" else None
            assert answer.headers.get("x-twin-error") == own
        last = twin.requests[-1]
        reason = last.error if isinstance(last, LoggedRequest) else last.why
        assert (last.status, last.body or "", reason) == (413, "", message)
    fits = httpx.post(twin.url + places[0], content=b"x" * 1000, headers=KEYS["openai"])
    assert fits.status_code in (400, 404)


def test_unknown_endpoints_are_reported_with_the_known_ones(kind: str, twin: Twin) -> None:
    for method, path in (("GET", "/nowhere"), ("DELETE", "/requests"), ("GET", "/reset")):
        status, output = control(twin, method, path)
        assert status in (404, 405)
        assert "GET /health, /requests, /requests/NUMBER, " in output["error"]
        assert "; POST /reset, " in output["error"]


def test_invalid_request_numbers_are_reported(twin: Twin) -> None:
    long = "9" * 5000
    status, output = control(twin, "GET", f"/requests?since={long}")
    assert status == 400
    assert output["error"].startswith("invalid request number '9999")
    assert len(output["error"]) < 200
    for number in (long, "x"):
        status, output = control(twin, "GET", f"/requests/{number}")
        assert (status, "invalid request number" in output["error"]) == (404, True)


HEADERS = {"authorization": "Bearer secret", "X-Api-Key": "secret", "x-more": "yes"}


def logged(*bodies: bytes) -> RequestLog:
    log = RequestLog()
    for body in bodies:
        incoming = IncomingRequest(wire_registry()["openai"], HEADERS, body, 2)
        log.add(incoming, Reply(200, rule="r"))
    return log


def test_request_log_is_ordered() -> None:
    one, two = logged(b'{"a": 1}', b"\xff{").requests.entries
    assert (one.number, one.body, one.rule, one.status) == (1, {"a": 1}, "r", 200)
    assert (two.number, two.body, two.attempt, two.wire) == (2, "\ufffd{", 2, "openai")


def test_unanswered_request_has_no_status() -> None:
    log = RequestLog()
    log.add(IncomingRequest(wire_registry()["openai"], {}, b"{}"), Reply(200, begins=False))
    assert log.requests.entries[0].status == 0


def test_logged_path_has_no_key() -> None:
    log = RequestLog()
    log.add(
        IncomingRequest(wire_registry()["gemini"], {}, b"", target="/v1/a?key=secret"), Reply(200)
    )
    assert log.requests.entries[0].path == "/v1/a"
    assert "secret" not in json.dumps(log.requests.entries[0].record())


def test_keys_are_hidden() -> None:
    (entry,) = logged(b"{}").requests.entries
    assert "secret" not in json.dumps(entry.record())
    assert entry.headers["x-more"] == "yes"


def test_attempts_are_counted_by_wire_and_body() -> None:
    log = RequestLog()
    asked = [("a", b"1"), ("a", b"1"), ("a", b"2"), ("b", b"1"), ("a", b"1")]
    assert [log.count_attempt(*one) for one in asked] == [1, 2, 1, 1, 3]
    broken = [b"{", b"\xff", b"", b"{", b'{"a": 1, "a": 2}']
    assert [log.count_attempt("a", one) for one in broken] == [1, 1, 1, 2, 1]


def test_attempt_counts_are_evicted_oldest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("attractor.twins.server.provider_state._MAX_ATTEMPTS", 3)
    log = RequestLog()
    asked = [b"1", b"2", b"1", b"3", b"1", b"4", b"1", b"2"]
    assert [log.count_attempt("w", one) for one in asked] == [1, 1, 2, 1, 3, 1, 4, 1]
