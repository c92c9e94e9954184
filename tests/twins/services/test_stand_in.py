from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from attractor.base.errors import UnknownName
from attractor.twins.services.dispatch import ServedRequest, ServiceDispatcher
from attractor.twins.services.request import ServiceRequest
from attractor.twins.services.route import FaultRule, members
from attractor.twins.services.service import parse_service
from tests.twins.services.asking import Asked, fixed

COUNTING = """
state = { n = [] }
[[routes]]
method = "POST"
path = "/n"
kind = "create"
collection = "n"
"""


def test_concurrent_requests_keep_the_state_consistent() -> None:
    ask = Asked(COUNTING)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(ask, ["POST /n"] * 200)
        ids = [body["id"] for _, body in answers]
    assert sorted(ids, key=int) == [str(number) for number in range(1, 201)]
    assert [one.number for one in ask.dispatcher.requests] == list(range(1, 201))


def test_failing_requests_change_no_state() -> None:
    ask = Asked(COUNTING + 'sets = { at = "{{ counter() }}" }\njson = "{{ body.missing }}"')
    status, body = ask("POST /n", {"a": 1})
    assert (status, body["error"]["code"]) == (500, "template")
    assert "'POST /n': {{ body.missing }}: unknown name 'missing'" in body["error"]["message"]
    assert ask.dispatcher.state() == {"n": {}}


def test_fault_comes_before_or_after_the_request_is_performed() -> None:
    before = '{ kind = "status", status = 503, message = "no", on = [1] }'
    behind = '{ kind = "cut", on = [2] }, { kind = "status", performed = true, on = [3] }'
    ask = Asked(f"{COUNTING}faults = [{before}, {behind}]")
    assert ask("POST /n") == (503, {"error": {"code": "fault", "message": "no"}})
    counts = [0]
    for _ in range(2):
        ask("POST /n")
        counts.append(len(members(ask.dispatcher.state()["n"])))
    assert counts == [0, 1, 2]
    assert [one.status for one in ask.dispatcher.requests] == [503, 201, 500]


def test_malformed_body_and_delay_faults() -> None:
    faults = '[{ kind = "malformed", body = "{", on = [1] }, { kind = "delay", delay = "2s" }]'
    service = parse_service('name = "s"\n' + fixed("1", f"faults = {faults}"))
    dispatcher = ServiceDispatcher(service)
    first, second = (dispatcher.answer(ServiceRequest("GET", "/x", {})) for _ in range(2))
    assert (first.status, first.body, first.headers["content-length"]) == (200, b"{", "1")
    assert (second.body, second.delay) == (b"1", timedelta(seconds=2))


def test_service_fault_counts_all_requests() -> None:
    ask = Asked(
        'faults = [{ kind = "status", every = 2 }]\n' + fixed("1") + fixed("2").replace("/x", "/y")
    )
    assert [ask(f"GET /{one}")[0] for one in "xyxy"] == [200, 500, 200, 500]


def test_armed_fault_applies_to_the_next_requests() -> None:
    ask = Asked(fixed("1") + fixed("2").replace("/x", "/y"))
    fault = FaultRule.model_validate({"kind": "status", "status": 502})
    ask.dispatcher.arm(fault, requests=2, route="GET /x")
    assert [ask(f"GET /{one}")[0] for one in "yxxx"] == [200, 502, 502, 200]
    ask.dispatcher.arm(fault)
    ask.dispatcher.reset()
    assert ask("GET /y")[0] == 200
    with pytest.raises(UnknownName, match="GET /z"):
        ask.dispatcher.arm(fault, route="GET /z")


def test_rate_limit_uses_the_service_clock() -> None:
    ask = Asked('limit = { requests = 2, per = "1m" }\n' + fixed('"{{ now }}"'))
    assert [ask("GET /x")[0] for _ in range(3)] == [200, 200, 429]
    ask.dispatcher.advance(timedelta(seconds=59))
    assert ask("GET /x")[1]["error"]["code"] == "rate_limited"
    ask.dispatcher.set_clock(datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    assert ask("GET /x") == (200, "2026-01-01T00:01:00Z")


def test_errors_have_the_declared_shape() -> None:
    shape = 'errors.json = { fault = "{{ message }}", at = "{{ unix }}" }\n'
    shape += 'errors.headers = { x-s = "{{ status }}" }\n'
    service = parse_service(
        'name = "s"\n' + shape + 'limit = { requests = 1, per = "1m" }\n' + fixed("1")
    )
    dispatcher = ServiceDispatcher(service)
    reply = [dispatcher.answer(ServiceRequest("GET", "/x", {})) for _ in range(2)][-1]
    content = b'{"fault":"more than 1 requests in this period","at":1767225600}'
    assert (reply.status, reply.body) == (429, content)
    assert (reply.headers["x-s"], reply.headers["retry-after"]) == ("429", "60")


def test_invalid_error_shape_is_reported() -> None:
    ask = Asked(
        'errors = { json = "{{ body.a }}" }\nlimit = { requests = 1, per = "1m" }\n' + fixed("1")
    )
    assert [ask("GET /x")[0] for _ in range(2)] == [200, 500]
    assert "[errors]" in ask.dispatcher.requests[1].why


def test_observer_gets_each_request() -> None:
    seen: list[ServedRequest] = []
    ask = Asked(fixed("1"), on_request=seen.append)
    ask("GET /x")
    assert seen == list(ask.dispatcher.requests)
