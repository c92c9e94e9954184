from typing import Any

import httpx
import pytest

from attractor.twins.services.pytest_plugin import StartServiceTwin
from attractor.twins.services.service_twin import ServiceTwin
from tests.tables import table
from tests.twins.services.asking import fixed

SERVICE = 'name = "s"\nstate.plain = 1\n' + fixed('"{{ now }}"')


@pytest.fixture
def twin(service_twin: StartServiceTwin) -> ServiceTwin:
    return service_twin(SERVICE)


def control(twin: ServiceTwin, words: str, body: Any = None) -> tuple[int, Any]:
    method, path = words.split(" ")
    token = {"authorization": f"Bearer {twin.token}"}
    answer = httpx.request(method, twin.control_url + path, json=body, headers=token)
    return answer.status_code, answer.json()


def test_token_gives_access_to_requests_and_state(twin: ServiceTwin) -> None:
    httpx.get(twin.url + "/x", headers={"authorization": "Bearer mine"})
    status, output = control(twin, "GET /requests")
    assert (status, output["requests"][0]["headers"]["authorization"]) == (200, "[hidden]")
    assert control(twin, "GET /state") == (200, {"state": {"plain": 1}})
    assert control(twin, "GET /requests?route=GET%20/y")[1]["requests"] == []
    assert control(twin, "GET /requests?method=GET")[1]["requests"] == output["requests"]


def test_control_api_sets_the_clock(twin: ServiceTwin) -> None:
    assert control(twin, "POST /clock", {"advance": "90s"})[1] == {"now": "2026-01-01T00:01:30Z"}
    assert control(twin, "GET /clock") == (200, {"now": "2026-01-01T00:01:30Z"})
    later = {"set": "2027-01-01T00:00:00+01:00"}
    assert control(twin, "POST /clock", later)[1] == {"now": "2026-12-31T23:00:00Z"}
    assert httpx.get(twin.url + "/x").json() == "2026-12-31T23:00:00Z"


def test_last_valid_time_is_enforced(service_twin: StartServiceTwin) -> None:
    twin = service_twin('name = "s"\nclock.step = "1h"\n' + fixed('"{{ now }}"'))
    last = "9999-12-31T22:30:00Z"
    assert control(twin, "POST /clock", {"set": last})[0] == 200
    status, output = control(twin, "POST /clock", {"advance": "2h"})
    assert (status, "cannot advance the clock" in output["error"]) == (400, True)
    answers = [httpx.get(twin.url + "/x") for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 400]
    assert answers[1].headers["x-twin-error"] == "clock_ended"
    assert control(twin, "GET /clock")[0] == 200
    assert control(twin, "POST /reset")[0] == 200
    assert httpx.get(twin.url + "/x").status_code == 200


def test_control_api_arms_faults(twin: ServiceTwin) -> None:
    fault = {"kind": "status", "status": 503, "next": 2, "route": "GET /x"}
    assert control(twin, "POST /faults", fault) == (200, {"armed": "status", "next": 2})
    assert [httpx.get(twin.url + "/x").status_code for _ in range(3)] == [503, 503, 200]


@table(
    ("words", "body", "message"),
    [
        ("POST /clock", {}, "pass either advance, such as '1h', or set"),
        ("POST /clock", {"advance": "1 h"}, "contains a blank"),
        ("POST /clock", {"set": "2020-01-01T00:00:00Z"}, "cannot be set back"),
        ("POST /clock", {"set": "2027-01-01T00:00:00"}, "should have timezone info"),
        ("POST /clock", {"set": "9999-12-31T23:59:59-14:00"}, "after 9999-12-31"),
        ("POST /clock", [1], "the body: "),
        ("POST /faults", {"kind": "status", "on": [1]}, "unsupported key on"),
        ("POST /faults", {"kind": "cut", "status": 404}, "invalid key 'status'"),
        ("POST /faults", {"kind": "cut", "next": 0}, "next: "),
        ("POST /faults", [1], "the body: "),
        ("POST /faults", {"kind": "cut", "route": "GET /y"}, "unknown route 'GET /y'"),
    ],
)
def test_invalid_control_requests_are_reported(
    twin: ServiceTwin, words: str, body: Any, message: str
) -> None:
    status, answer = control(twin, words, body)
    assert status == 400
    assert message in answer["error"]
    assert answer["hint"]
